/**
 * Before anything is timed: do all contestants compute the same? Log-probs within 1e-4, greedy tokens equal, the losses of the
 * first three optimizer steps within 1e-4, and draws that come from the nucleus at this temperature, ours too. Times of
 * different work are worth nothing, so a difference ends the benchmark.
 */
import { z } from 'zod';
import type { BenchModel } from '../sizes.js';
import { prompts, STEP_LENGTH, TEMPERATURE, TOP_P } from '../workload.js';
import type { Contestant } from './contestants.js';
import type { Peers } from './process.js';

const TOLERANCE = 1e-4;
const ROWS = 8;
const STEPS = 3;
const FRESH = 32;
/** Rows drawn; how many standard errors their mean surprise may be from what is expected. */
const DRAWN = 64;
const ERRORS = 5;

export interface Check {
  readonly peer: string;
  readonly what: string;
  readonly difference: number;
  readonly allowed: number;
  readonly ok: boolean;
}

const check = (peer: string, what: string, difference: number, allowed: number): Check => ({
  peer,
  what,
  difference,
  allowed,
  ok: difference <= allowed,
});

/** NaN, or another length, is as different as can be. */
export function largestDifference(a: readonly number[], b: readonly number[]): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  const differences = a.map((x, i) => Math.abs(x - b[i]!));
  return differences.some(Number.isNaN) ? Number.POSITIVE_INFINITY : Math.max(0, ...differences);
}

const drawsSchema = z.object({ outside: z.number(), excess: z.number(), error: z.number() });

/** A contestant's draws, judged by an exact nucleus in Python: none outside it, and as surprising as it is uncertain. */
async function drawChecks(peers: Peers, bench: BenchModel, who: readonly Contestant[]): Promise<Check[]> {
  const asked = prompts('drawn', DRAWN, bench.checkpoint.weights.architecture.vocabSize);
  const sampling = { temperature: TEMPERATURE, topP: TOP_P };
  const checks: Check[] = [];
  for (const one of who) {
    if (!one.sample || !peers.has('lean')) continue;
    const { rows } = await one.sample(asked, { ...sampling, copies: 1, fresh: FRESH });
    const args = { model: bench.name, prompts: asked, rows, temperature: TEMPERATURE, top_p: TOP_P };
    const { outside, excess, error } = await peers.call('draws', args, drawsSchema);
    checks.push(check(one.name, 'draws outside the nucleus', outside, 0));
    checks.push(check(one.name, 'draws: |surprise − entropy|', Math.abs(excess), ERRORS * error));
  }
  return checks;
}

async function samplers(
  ours: Contestant,
  peers: readonly Contestant[],
  vocabulary: number,
): Promise<Check[]> {
  const sequences = prompts('parity', ROWS, vocabulary, STEP_LENGTH);
  const few = prompts('greedy', ROWS, vocabulary);
  const greedy = { copies: 1, fresh: FRESH, temperature: 0, topP: 1 };
  const scores = await ours.logprobs!(sequences);
  const best = (await ours.sample!(few, greedy)).rows.flat();
  const checks: Check[] = [];
  for (const peer of peers) {
    if (!peer.logprobs || !peer.sample) continue;
    const theirs = await peer.logprobs(sequences);
    checks.push(check(peer.name, 'log-probs', largestDifference(scores.flat(), theirs.flat()), TOLERANCE));
    const tokens = (await peer.sample(few, greedy)).rows.flat();
    const others = tokens.filter((token, i) => token !== best[i]).length;
    checks.push(
      check(peer.name, 'greedy tokens that differ', tokens.length === best.length ? others : Infinity, 0),
    );
  }
  return checks;
}

async function trainers(ours: Contestant, peers: readonly Contestant[]): Promise<Check[]> {
  const checks: Check[] = [];
  for (const objective of ['sft', 'dpo'] as const) {
    if (!peers.some((peer) => peer.train)) continue;
    const { losses } = await ours.train!(objective, STEPS);
    for (const peer of peers) {
      if (!peer.train) continue;
      const theirs = await peer.train(objective, STEPS);
      const what = `${objective.toUpperCase()} losses, ${STEPS} steps`;
      checks.push(check(peer.name, what, largestDifference(losses, theirs.losses), TOLERANCE));
    }
  }
  return checks;
}

export async function checkParity(
  python: Peers,
  bench: BenchModel,
  ours: Contestant,
  peers: readonly Contestant[],
  parts: { readonly sampling: boolean; readonly training: boolean },
): Promise<readonly Check[]> {
  const { vocabSize } = bench.checkpoint.weights.architecture;
  return [
    ...(parts.sampling ? await samplers(ours, peers, vocabSize) : []),
    ...(parts.sampling ? await drawChecks(python, bench, [ours, ...peers]) : []),
    ...(parts.training ? await trainers(ours, peers) : []),
  ];
}
