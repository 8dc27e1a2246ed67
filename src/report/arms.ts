/**
 * Owns: which runs are seeds of one arm, what an arm is called, and which runs stand beside each other. Two runs are of
 * one arm if nothing but the seed differs: config, forks and facts changed by hand. The first run's arm is the reference.
 */
import type { Config } from '../protocol/config.js';
import { leavesOf } from '../protocol/plain.js';
import type { RunFacts } from './run-facts.js';

export interface ComparedRun {
  /** The folder, as it was named. */
  readonly path: string;
  readonly log: string;
  readonly config: Config;
  /** As the manifest says. */
  readonly status: 'running' | 'finished' | 'stopped' | 'failed';
  /** What did the numbers; null where config.json doesn't say. */
  readonly backend: string | null;
  readonly outcomeHash: string | null;
  readonly facts: RunFacts;
}

export interface ArmRun extends ComparedRun {
  /** The seed it is paired by: its parent's, where a fork changed it. */
  readonly seed: number;
}

export interface Arm {
  /** A, B … Z, A2 … */
  readonly id: string;
  readonly label: string;
  /** Dotted path → this arm's value, of each path in which any two arms differ. */
  readonly differs: Readonly<Record<string, unknown>>;
  /** In order of seed. */
  readonly runs: readonly ArmRun[];
}

type Flat = ReadonlyMap<string, unknown>;

/** A name has no effect, and a seed makes no arm, nor does the day on which a run through chat templates began. */
const NO_ARM = new Set(['name', 'seed', 'world.date']);
const ABSENT = 'absent';

const shown = (value: unknown): string =>
  typeof value === 'string' ? value : value === undefined ? ABSENT : JSON.stringify(value);

/** Where it left its parent, and the facts that were changed by hand; of a fork's fork also what each one changed. */
function forkTraits({ facts }: ComparedRun): [string, unknown][] {
  return facts.forks.map(({ after, changes, overrides }, i) => {
    const path = i === 0 ? 'fork' : `fork.${i + 1}`;
    const what =
      facts.forks.length > 1 ? Object.entries(changes).map(([key, value]) => `${key}=${shown(value)}`) : [];
    const edits = overrides.map(({ seq, path, value }) => `seq ${seq} ${path}=${shown(value)}`);
    return [path, [`after ${after}`, ...what, ...edits].join(' ')];
  });
}

const traitsOf = (run: ComparedRun): Flat =>
  new Map([...leavesOf(run.config).filter(([path]) => !NO_ARM.has(path)), ...forkTraits(run)]);

const keyOf = (traits: Flat): string => JSON.stringify([...traits].sort(([a], [b]) => (a < b ? -1 : 1)));

/** A fork that changed the seed stands beside runs with its parent's seed. */
function pairingSeed(run: ComparedRun, all: readonly ComparedRun[]): number {
  const reseeded = ({ facts }: ComparedRun) => facts.forks.some(({ changes }) => 'seed' in changes);
  if (!reseeded(run)) return run.config.seed;
  const kin = all.find((other) => other.facts.origin === run.facts.origin && !reseeded(other));
  return (kin ?? run).config.seed;
}

interface Draft {
  readonly traits: Flat;
  readonly runs: ArmRun[];
}

/** The same arm and seed once more: a fork from another place, or a repetition. An arm of its own in any case. */
function turned(run: ComparedRun, traits: Flat, turn: number): Flat {
  if (turn === 1) return traits;
  const fork = run.facts.forks.at(-1);
  const place: [string, unknown][] = fork ? [['fork.seq', fork.seq]] : [];
  return turn === 2 && fork
    ? new Map([...traits, ...place])
    : new Map([...traits, ...place, ['repetition', fork ? turn - 1 : turn]]);
}

function draftsOf(runs: readonly ComparedRun[]): Draft[] {
  const drafts = new Map<string, Draft>();
  for (const run of runs) {
    const traits = traitsOf(run);
    const seed = pairingSeed(run, runs);
    for (let turn = 1; ; turn++) {
      const own = turned(run, traits, turn);
      const draft = drafts.get(keyOf(own)) ?? { traits: own, runs: [] };
      if (draft.runs.some((known) => known.seed === seed)) continue;
      drafts.set(keyOf(own), { ...draft, runs: [...draft.runs, { ...run, seed }] });
      break;
    }
  }
  return [...drafts.values()];
}

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ';
const armId = (i: number): string =>
  `${LETTERS[i % LETTERS.length]}${i < LETTERS.length ? '' : Math.floor(i / LETTERS.length) + 1}`;

/** Paths in which two arms differ. */
function differingPaths(drafts: readonly Draft[]): string[] {
  const paths = [...new Set(drafts.flatMap(({ traits }) => [...traits.keys()]))];
  return paths.filter((path) => new Set(drafts.map(({ traits }) => shown(traits.get(path)))).size > 1);
}

function labelOf(traits: Flat, paths: readonly string[], name: string): string {
  if (paths.length === 0) return name;
  const told = paths.filter(
    (path) => !(traits.get(path) === undefined && /^(fork|repetition|reseed\.)/.test(path)),
  );
  return told.map((path) => `${path}=${shown(traits.get(path))}`).join(' ') || name;
}

/** Arms in the order in which their first runs were named. */
export function armsOf(runs: readonly ComparedRun[]): Arm[] {
  const drafts = draftsOf(runs);
  const paths = differingPaths(drafts);
  return drafts.map(({ traits, runs: own }, i) => ({
    id: armId(i),
    label: labelOf(traits, paths, own[0]!.config.name),
    differs: Object.fromEntries(paths.map((path) => [path, traits.get(path) ?? null])),
    runs: [...own].sort((a, b) => a.seed - b.seed),
  }));
}

/** Runs of both arms with the same seed, in order of seed. */
export const pairedRuns = (a: Arm, b: Arm): { readonly a: ArmRun; readonly b: ArmRun }[] =>
  a.runs.flatMap((run) => {
    const other = b.runs.find(({ seed }) => seed === run.seed);
    return other ? [{ a: run, b: other }] : [];
  });
