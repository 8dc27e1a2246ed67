/**
 * Owns: a comparison of runs, as data: what was compared with what, the numbers, where paired runs part, and what a reader
 * must not overlook. Refuses what can't be compared. Showing it stands in comparison-tables.ts, -plots.ts and -page.ts.
 */
import { SoliloquyError } from '../protocol/errors.js';
import { type Arm, type ArmRun, armsOf, type ComparedRun, pairedRuns } from './arms.js';
import { notesOf } from './comparison-notes.js';
import { type Divergence, firstDivergence, firstOtherFacts, type OtherFacts } from './divergence.js';
import {
  type Drawing,
  type HeadToHeadRow,
  headToHeads,
  type Measure,
  measuresOf,
} from './measures-compared.js';

export interface PairsRow {
  readonly iteration: number;
  readonly arm: string;
  /** Runs that reached this iteration; the counts are their sums. */
  readonly runs: number;
  readonly asks: number;
  readonly prompts: number;
  readonly pairs: number;
  readonly judgements: number;
  readonly unparseable: number;
  readonly withheld: Readonly<Record<string, number>>;
  readonly filtered: Readonly<Record<string, number>>;
}

/** Two runs of one seed: how long they were one. */
export interface Parting extends Divergence {
  readonly seed: number;
  /** Their folders. */
  readonly runA: string;
  readonly runB: string;
  readonly armA: string;
  readonly armB: string;
  /** Versions with the same weights in both, and the first that has not. */
  readonly sameWeights: readonly string[];
  readonly firstOther: string | null;
  readonly sameOutcome: boolean;
  /** The first thing that the loop made in one and not in the other, whatever the order of the lines. */
  readonly otherFacts: OtherFacts;
}

export interface RunLine {
  readonly path: string;
  readonly arm: string;
  readonly seed: number;
  readonly status: ComparedRun['status'];
  readonly torn: boolean;
  readonly messages: number;
  readonly versions: readonly string[];
  readonly backend: string | null;
  readonly outcomeHash: string | null;
}

export interface Comparison {
  readonly format: 1;
  readonly world: string;
  /** The arm that differences are taken to. */
  readonly reference: string;
  readonly drawing: Drawing;
  readonly arms: readonly (Pick<Arm, 'id' | 'label' | 'differs'> & { readonly seeds: readonly number[] })[];
  readonly runs: readonly RunLine[];
  readonly measures: readonly Measure[];
  readonly headToHead: readonly HeadToHeadRow[];
  readonly pairs: readonly PairsRow[];
  readonly partings: readonly Parting[];
  readonly notes: readonly string[];
}

const incomparable = (message: string, fields: Record<string, unknown>): SoliloquyError =>
  new SoliloquyError('runs.incomparable', message, fields);

/** Held-out prompts of a run by id: every version answers the same. */
const heldOutOf = ({ facts }: ComparedRun): ReadonlyMap<string, { readonly prompt: string }> =>
  [...facts.versions.values()].reduce(
    (most, { answers }) => (answers.size > most.size ? answers : most),
    new Map(),
  );

function checkWorlds(runs: readonly ComparedRun[]): void {
  const [first] = runs;
  const other = runs.find(({ config }) => config.world.name !== first!.config.world.name);
  if (other)
    throw incomparable(
      `${first!.path} lives in ${first!.config.world.name}, ${other.path} in ${other.config.world.name}: they answered other prompts, and nothing can be paired`,
      { runs: [first!.path, other.path], fix: 'compare runs of one world' },
    );
}

function checkHeldOut(a: ArmRun, b: ArmRun): void {
  const [ownA, ownB] = [heldOutOf(a), heldOutOf(b)];
  if (ownA.size === 0 || ownB.size === 0) return;
  const shared = [...ownA.keys()].filter((id) => ownB.has(id));
  const fix = 'compare runs whose world options (world.data, world.language, world.maxChars …) are the same';
  if (shared.length === 0)
    throw incomparable(`${a.path} and ${b.path} share no held-out prompt`, { runs: [a.path, b.path], fix });
  const other = shared.find((id) => ownA.get(id)!.prompt !== ownB.get(id)!.prompt);
  if (other !== undefined)
    throw incomparable(
      `${a.path} and ${b.path} were measured on other prompts: ${other} is “${ownA.get(other)!.prompt}” in one and “${ownB.get(other)!.prompt}” in the other`,
      { runs: [a.path, b.path], prompt: other, fix },
    );
}

const sumCounts = (all: readonly Readonly<Partial<Record<string, number>>>[]): Record<string, number> => {
  const sums: Record<string, number> = {};
  for (const counts of all)
    for (const [reason, count] of Object.entries(counts)) sums[reason] = (sums[reason] ?? 0) + (count ?? 0);
  return sums;
};

function pairsOf(arms: readonly Arm[]): PairsRow[] {
  const all = arms.flatMap(({ runs }) => runs.flatMap(({ facts }) => [...facts.tally.iterations.keys()]));
  const iterations = [...new Set(all)].sort((a, b) => a - b);
  return iterations.flatMap((iteration) =>
    arms.flatMap(({ id, runs }) => {
      const own = runs.flatMap(({ facts }) => facts.tally.iterations.get(iteration) ?? []);
      if (own.length === 0) return [];
      const sum = (part: 'asks' | 'prompts' | 'pairs' | 'judgements' | 'unparseable') =>
        own.reduce((total, tally) => total + tally[part], 0);
      const { filtered: _counted, ...withheld } = sumCounts(own.map((tally) => tally.withheld));
      return [
        {
          iteration,
          arm: id,
          runs: own.length,
          asks: sum('asks'),
          prompts: sum('prompts'),
          pairs: sum('pairs'),
          judgements: sum('judgements'),
          unparseable: sum('unparseable'),
          withheld,
          filtered: sumCounts(own.map((tally) => tally.filtered)),
        },
      ];
    }),
  );
}

async function partingOf(a: ArmRun, b: ArmRun, armA: Arm, armB: Arm): Promise<Parting> {
  const logs = [
    { log: a.log, lines: a.facts.messages },
    { log: b.log, lines: b.facts.messages },
  ] as const;
  const found = await firstDivergence(...logs);
  const both = [...a.facts.weights.keys()].filter((version) => b.facts.weights.has(version));
  const isSame = (version: string) => a.facts.weights.get(version) === b.facts.weights.get(version);
  return {
    seed: a.seed,
    runA: a.path,
    runB: b.path,
    armA: armA.id,
    armB: armB.id,
    ...found,
    sameWeights: both.filter(isSame),
    firstOther: both.find((version) => !isSame(version)) ?? null,
    otherFacts: found.a || found.b ? await firstOtherFacts(...logs) : { a: null, b: null },
    sameOutcome: a.outcomeHash !== null && a.outcomeHash === b.outcomeHash,
  };
}

/** Each run beside the first arm that has its seed. */
function couples(arms: readonly Arm[]): { a: ArmRun; b: ArmRun; armA: Arm; armB: Arm }[] {
  return arms.flatMap((armB, i) =>
    armB.runs.flatMap((b) => {
      const armA = arms.slice(0, i).find(({ runs }) => runs.some(({ seed }) => seed === b.seed));
      const a = armA?.runs.find(({ seed }) => seed === b.seed);
      return armA && a ? [{ a, b, armA, armB }] : [];
    }),
  );
}

/** `runs`: at least one, in the order in which they were named. */
export async function compareRuns(runs: readonly ComparedRun[], drawing: Drawing): Promise<Comparison> {
  checkWorlds(runs);
  const arms = armsOf(runs);
  for (const other of arms.slice(1)) for (const { a, b } of pairedRuns(arms[0]!, other)) checkHeldOut(a, b);
  const measures = measuresOf(arms, drawing);
  const partings: Parting[] = [];
  for (const { a, b, armA, armB } of couples(arms)) partings.push(await partingOf(a, b, armA, armB));
  return {
    format: 1,
    world: runs[0]!.config.world.name,
    reference: arms[0]!.id,
    drawing,
    arms: arms.map(({ id, label, differs, runs: own }) => ({
      id,
      label,
      differs,
      seeds: own.map(({ seed }) => seed),
    })),
    runs: arms.flatMap(({ id, runs: own }) => own.map((run) => lineOf(id, run))),
    measures,
    headToHead: headToHeads(arms, drawing),
    pairs: pairsOf(arms),
    partings,
    notes: notesOf(arms, measures),
  };
}

const lineOf = (arm: string, { path, seed, status, facts, backend, outcomeHash }: ArmRun): RunLine => ({
  path,
  arm,
  seed,
  status,
  torn: facts.torn,
  messages: facts.messages,
  versions: [...facts.versions.keys()],
  backend,
  outcomeHash,
});
