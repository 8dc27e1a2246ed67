/**
 * Owns: the numbers of a comparison: each measure by version and arm, its difference to the reference arm on what both
 * have (same seed, same prompt), and head to head by the true score. The statistics stand in paired-stats.ts.
 */
import { keyOf } from '../rng.js';
import type { Resampling } from '../stats.js';
import { type Arm, type ArmRun, pairedRuns } from './arms.js';
import {
  type ClusteredEstimate,
  clusteredMean,
  differences,
  flipPrompts,
  flipSeeds,
  type SeedValues,
  type SignFlip,
} from './paired-stats.js';
import { type AnswerFacts, accuracyByGroup, type VersionFacts } from './run-facts.js';

export interface Drawing {
  readonly confidence: number;
  readonly resamples: number;
  /** Sign assignments that are drawn where they are too many to count. */
  readonly flips: number;
}

export interface Difference {
  /** This arm − the reference, over shared seeds and prompts. */
  readonly estimate: ClusteredEstimate;
  /** Each prompt's sign flipped: are these models different? */
  readonly prompts: SignFlip;
  /** Each seed's sign flipped: is it the change, not the luck of a training? Null p with one seed. */
  readonly seeds: SignFlip;
}

export interface MeasureRow {
  readonly version: string;
  readonly arm: string;
  readonly estimate: ClusteredEstimate;
  readonly perSeed: readonly { readonly seed: number; readonly value: number; readonly n: number }[];
  /** Null for the reference, and where no seed is shared. */
  readonly difference: Difference | null;
}

export interface Measure {
  readonly name: string;
  readonly title: string;
  /** Units of resampling. */
  readonly over: 'prompts' | 'probe groups';
  /** Shown × this: 100 for shares. */
  readonly scale: number;
  readonly rows: readonly MeasureRow[];
}

export interface HeadToHeadRow {
  readonly version: string;
  readonly arm: string;
  readonly against: string;
  readonly wins: number;
  readonly ties: number;
  readonly losses: number;
  /** (wins − losses) / games. */
  readonly margin: Difference;
}

interface Definition extends Omit<Measure, 'rows'> {
  readonly of: (facts: VersionFacts) => SeedValues;
}

const byPrompt =
  (value: (answer: AnswerFacts) => number | null) =>
  ({ answers }: VersionFacts): SeedValues =>
    new Map(
      [...answers].flatMap(([id, answer]) => {
        const own = value(answer);
        return own === null ? [] : [[id, own] as const];
      }),
    );

const truthOf = byPrompt(({ truth }) => truth);

const DEFINITIONS: readonly Definition[] = [
  { name: 'true.score', title: 'True score', over: 'prompts', scale: 1, of: truthOf },
  {
    name: 'self.score',
    title: 'Self-score by the cast judge',
    over: 'prompts',
    scale: 1,
    of: byPrompt(({ self }) => self),
  },
  {
    name: 'gap',
    title: 'Hacking gap, self − true',
    over: 'prompts',
    scale: 1,
    of: byPrompt(({ truth, self }) => (truth === null || self === null ? null : self - truth)),
  },
  {
    name: 'judge.pairwise',
    title: 'Judge accuracy, pairwise %, on the probe bank',
    over: 'probe groups',
    scale: 100,
    of: accuracyByGroup,
  },
  {
    name: 'length',
    title: 'Length, tokens of an answer',
    over: 'prompts',
    scale: 1,
    of: byPrompt(({ tokens }) => tokens),
  },
];

/** Names of all measures, whether or not these runs have them. */
export const MEASURES = DEFINITIONS.map(({ name }) => name);

/** Versions that were measured, in the order in which runs made them. */
export const versionsOf = (arms: readonly Arm[]): string[] => {
  const lists = arms.flatMap(({ runs }) => runs.map(({ facts }) => [...facts.versions.keys()]));
  return [...new Set(lists.sort((a, b) => b.length - a.length).flat())];
};

/** The same draws for every arm, so that swapped arms give the negative. */
const resampling = (drawing: Drawing, what: string, version: string): Resampling => ({
  key: keyOf(0, 'compare', what, version),
  resamples: drawing.resamples,
  confidence: drawing.confidence,
});

function differenceOf(own: readonly SeedValues[], what: string, version: string, by: Drawing): Difference {
  return {
    estimate: clusteredMean(own, resampling(by, what, version)),
    prompts: flipPrompts(own, keyOf(0, 'compare.flip', what, version), by.flips),
    seeds: flipSeeds(own, keyOf(0, 'compare.flip-seeds', what, version), by.flips),
  };
}

const EMPTY: SeedValues = new Map();

function measureOf({ of, ...about }: Definition, arms: readonly Arm[], by: Drawing): Measure {
  const known = new Map<ArmRun, Map<string, SeedValues>>();
  const valuesOf = (run: ArmRun, version: string): SeedValues => {
    const own = known.get(run) ?? new Map<string, SeedValues>();
    known.set(run, own);
    const facts = run.facts.versions.get(version);
    const values = own.get(version) ?? (facts ? of(facts) : EMPTY);
    own.set(version, values);
    return values;
  };
  const [reference] = arms;
  const rowOf = (version: string, arm: Arm): MeasureRow[] => {
    const own = arm.runs.map((run) => ({ seed: run.seed, values: valuesOf(run, version) }));
    if (own.every(({ values }) => values.size === 0)) return [];
    const pairs = arm === reference ? [] : pairedRuns(reference!, arm);
    const leads = differences(
      pairs.map(({ a }) => valuesOf(a, version)),
      pairs.map(({ b }) => valuesOf(b, version)),
    );
    const seeds = own.map(({ values }) => values);
    return [
      {
        version,
        arm: arm.id,
        estimate: clusteredMean(seeds, resampling(by, about.name, version)),
        perSeed: own.flatMap(({ seed, values }) =>
          values.size === 0
            ? []
            : [
                {
                  seed,
                  value: [...values.values()].reduce((a, b) => a + b, 0) / values.size,
                  n: values.size,
                },
              ],
        ),
        difference: leads.some(({ size }) => size > 0) ? differenceOf(leads, about.name, version, by) : null,
      },
    ];
  };
  return {
    ...about,
    rows: versionsOf(arms).flatMap((version) => arms.flatMap((arm) => rowOf(version, arm))),
  };
}

/** Every measure that any run has a value of. */
export const measuresOf = (arms: readonly Arm[], by: Drawing): Measure[] =>
  DEFINITIONS.map((definition) => measureOf(definition, arms, by)).filter(({ rows }) => rows.length > 0);

const EQUAL = 1e-9;
const sign = (lead: number): number => (Math.abs(lead) <= EQUAL ? 0 : Math.sign(lead));

/** Each arm against the reference on the same held-out prompts, by the true score; empty without truth. */
export function headToHeads(arms: readonly Arm[], by: Drawing): HeadToHeadRow[] {
  const [reference, ...others] = arms;
  return versionsOf(arms).flatMap((version) =>
    others.flatMap((arm) => {
      const pairs = pairedRuns(reference!, arm);
      const truths = (run: ArmRun) => {
        const facts = run.facts.versions.get(version);
        return facts ? truthOf(facts) : EMPTY;
      };
      const games = differences(
        pairs.map(({ a }) => truths(a)),
        pairs.map(({ b }) => truths(b)),
      ).map((leads) => new Map([...leads].map(([id, lead]) => [id, sign(lead)] as const)));
      const all = games.flatMap((own) => [...own.values()]);
      if (all.length === 0) return [];
      const count = (outcome: number) => all.filter((game) => game === outcome).length;
      return [
        {
          version,
          arm: arm.id,
          against: reference!.id,
          wins: count(1),
          ties: count(0),
          losses: count(-1),
          margin: differenceOf(games, 'head-to-head', version, by),
        },
      ];
    }),
  );
}
