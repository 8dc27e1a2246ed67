/**
 * Owns: what a reader of a comparison must not overlook: unfinished runs, seeds that don't meet, missing truth, few seeds.
 */
import { type Arm, type ArmRun, pairedRuns } from './arms.js';
import type { Measure } from './measures-compared.js';

const all = (arms: readonly Arm[]): ArmRun[] => arms.flatMap(({ runs }) => [...runs]);

function unfinished(arms: readonly Arm[]): string[] {
  return all(arms).flatMap(({ path, status, facts }) => {
    const torn = facts.torn ? '; its last line is torn and left out' : '';
    const measured = [...facts.versions.keys()].at(-1);
    const reach = measured === undefined ? 'no version is measured yet' : `measured up to ${measured}`;
    return status === 'finished' && !facts.torn
      ? []
      : [`${path} is ${status === 'finished' ? 'damaged' : `not finished (${status})`}: ${reach}${torn}`];
  });
}

function seedsApart(arms: readonly Arm[]): string[] {
  const [reference, ...others] = arms;
  return others.flatMap((arm) => {
    const shared = pairedRuns(reference!, arm).length;
    if (shared === 0)
      return [`${arm.id} and ${reference!.id} share no seed: each is shown, their difference is not`];
    const left = arm.runs.length + reference!.runs.length - 2 * shared;
    return left === 0
      ? []
      : [`${arm.id} and ${reference!.id} share ${shared} of their seeds: differences are over these alone`];
  });
}

function missing(measures: readonly Measure[], arms: readonly Arm[]): string[] {
  if (all(arms).every(({ facts }) => facts.versions.size === 0))
    return ['nothing is measured in these runs yet'];
  const has = (name: string) => measures.some((measure) => measure.name === name);
  const out: string[] = [];
  if (!has('true.score'))
    out.push('this world knows no truth: true score, hacking gap and head to head are left out');
  if (!has('self.score'))
    out.push('no judgement of a held-out answer could be read: the self-score is left out');
  if (!has('judge.pairwise')) out.push('no probe group has readable judgements: judge accuracy is left out');
  return out;
}

function promptsApart(arms: readonly Arm[]): string[] {
  const [reference, ...others] = arms;
  return others.flatMap((arm) =>
    pairedRuns(reference!, arm).flatMap(({ a, b }) => {
      const sizes = [a, b].map(({ facts }) =>
        Math.max(0, ...[...facts.versions.values()].map(({ answers }) => answers.size)),
      );
      return sizes[0] === sizes[1] || sizes.includes(0)
        ? []
        : [
            `seed ${a.seed}: ${reference!.id} has ${sizes[0]} held-out prompts, ${arm.id} ${sizes[1]}: differences are over those that both answered`,
          ];
    }),
  );
}

function tests(arms: readonly Arm[]): string[] {
  const most = Math.max(0, ...arms.slice(1).map((arm) => pairedRuns(arms[0]!, arm).length));
  if (most === 0) return [];
  if (most === 1)
    return [
      'one seed: p speaks of these very models, not of the change in general; another training might turn out otherwise',
    ];
  const least = 2 / 2 ** most;
  return least > 0.05
    ? [`${most} seeds: p over seeds can't fall below ${least.toPrecision(2)}, however large the difference`]
    : [];
}

function machines(arms: readonly Arm[]): string[] {
  const backends = [...new Set(all(arms).flatMap(({ backend }) => backend ?? []))];
  return backends.length > 1
    ? [`made by different backends (${backends.join(', ')}): last bits differ for no other reason`]
    : [];
}

/** The same config may have read another M0 from the same place. */
function bases(arms: readonly Arm[]): string[] {
  const runs = all(arms);
  const hashes = runs.map(({ facts }) => facts.weights.get('M0'));
  const other = runs.find((_, i) => hashes[i] !== hashes[0]);
  return other && other.config.model === runs[0]!.config.model
    ? [`${other.path} began from another M0 than ${runs[0]!.path}, though the configs name the same`]
    : [];
}

export const notesOf = (arms: readonly Arm[], measures: readonly Measure[]): string[] => [
  ...unfinished(arms),
  ...seedsApart(arms),
  ...promptsApart(arms),
  ...missing(measures, arms),
  ...tests(arms),
  ...machines(arms),
  ...bases(arms),
];
