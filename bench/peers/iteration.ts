/**
 * One whole iteration of the default world: new prompts → candidates → judgements → pairs → DPO → M2 on disk. Ours is the real
 * system (what `soliloquy run` is), timed by the log's own times from `prompts.request` to `version.made`; its log, roles and
 * hash chain are part of the time. Evaluation is not: it is made tiny, and the run is stopped at M2. The peer does the same in
 * Python with transformers + TRL, from the M1 and the settings in that run's folder.
 */
import { join } from 'node:path';
import { z } from 'zod';
import { createRun } from '../../actors/system.js';
import { systemClock } from '../../src/cli/options.js';
import { assetsFolder, packageVersion } from '../../src/cli/package.js';
import type { BackendChoice } from '../../src/protocol/backends.js';
import { resolveConfig } from '../../src/protocol/config.js';
import { SoliloquyError } from '../../src/protocol/errors.js';
import { versionOf } from '../../src/protocol/ids.js';
import type { BodyOf, Envelope, Generation } from '../../src/protocol/messages.js';
import { quick, worldPresets } from '../../src/protocol/presets.js';
import { median, range, ratios, showRatio, tableOf } from '../report.js';
import { OURS } from './contestants.js';
import type { Peers } from './process.js';
import type { Watch } from './quiet.js';

const PYTHON = 'transformers + TRL';
const madeSchema = z.object({
  asks: z.number(),
  prompts: z.number(),
  responses: z.number(),
  judgements: z.number(),
  pairs: z.number(),
  steps: z.number(),
  /** Sampled, with the tokens that ended a text. */
  tokens: z.number(),
});
type Made = z.infer<typeof madeSchema>;

export interface Iteration {
  readonly seconds: number;
  /** From the request for prompts until training starts, and after. */
  readonly sampling: number;
  readonly training: number;
  readonly made: Made;
}

const drawnIn = ({ ids, finish }: Generation): number => ids.length + (finish === 'stop' ? 1 : 0);

/** Fed every message; says what the first iteration made, and when. */
export function createStopwatch() {
  const made: Made = { asks: 0, prompts: 0, responses: 0, judgements: 0, pairs: 0, steps: 0, tokens: 0 };
  const at = { began: 0, trained: 0, ended: 0 };
  const next = versionOf(2);
  const count = (field: keyof Made, generations: readonly Generation[]) => {
    made[field] += generations.length;
    made.tokens += generations.reduce((sum, one) => sum + drawnIn(one), 0);
  };
  return {
    observe({ type, body, at: time }: Envelope): void {
      if (type === 'prompts.request') at.began = time;
      if (type === 'prompt.made' || type === 'prompt.filtered') made.asks++;
      if (type === 'prompt.made') count('prompts', [(body as BodyOf<'prompt.made'>).generation]);
      if (type === 'prompt.filtered') made.tokens += drawnIn((body as BodyOf<'prompt.filtered'>).generation);
      if (type === 'responses.made') count('responses', (body as BodyOf<'responses.made'>).candidates);
      if (type === 'judgement.made') {
        const { generation } = body as BodyOf<'judgement.made'>;
        if (generation) count('judgements', [generation]);
      }
      if (type === 'pair.made') made.pairs++;
      if (type === 'model.train' && (body as BodyOf<'model.train'>).to === next) at.trained = time;
      if (type === 'training.stepped' && (body as BodyOf<'training.stepped'>).to === next) made.steps++;
      if (type === 'version.made' && (body as BodyOf<'version.made'>).version === next) at.ended = time;
    },
    get result(): Iteration | null {
      if (at.ended === 0) return null;
      const { began, trained, ended } = at;
      return {
        seconds: (ended - began) / 1000,
        sampling: (trained - began) / 1000,
        training: (ended - trained) / 1000,
        made,
      };
    },
  };
}

interface Asked {
  readonly workers: number;
  readonly backend: BackendChoice;
  readonly rounds: number;
  readonly quick: boolean;
  readonly watch: Watch;
  /** Where runs are written. */
  readonly under: string;
}

async function ourIteration(out: string, { workers, backend, quick: small }: Asked): Promise<Iteration> {
  const config = resolveConfig({ name: 'bench' }, worldPresets.microworld, small ? quick : {}, {
    iterations: 1,
    world: { probes: 1 },
    evaluate: { judgeSamples: 1, sampling: { maxNewTokens: 1 }, resamples: 1 },
  });
  const versions = { soliloquy: packageVersion(), node: process.version };
  const run = await createRun({
    config,
    out,
    assets: assetsFolder(),
    workers,
    backend,
    clock: systemClock,
    versions,
  });
  const watch = createStopwatch();
  run.messages$.subscribe((envelope) => {
    watch.observe(envelope);
    if (watch.result) run.stop();
  });
  const { reason } = await run.start();
  if (watch.result) return watch.result;
  throw new SoliloquyError('model.failed', `the run under measurement failed: ${reason}`, { out });
}

const phases = z.object({
  invent: z.number(),
  respond: z.number(),
  judge: z.number(),
  train: z.number(),
});
const answer = z.object({ seconds: z.number(), phases, made: madeSchema });

async function theirIteration(peers: Peers, run: string, to: string, seed: number): Promise<Iteration> {
  const { seconds, phases, made } = await peers.call('iteration', { run, to, seed }, answer);
  return { seconds, sampling: seconds - phases.train, training: phases.train, made };
}

export interface Iterations {
  readonly ours: readonly Iteration[];
  /** Empty where the peer is skipped. */
  readonly theirs: readonly Iteration[];
}

export async function measureIterations(peers: Peers, asked: Asked): Promise<Iterations> {
  const ours: Iteration[] = [];
  const theirs: Iteration[] = [];
  for (let round = 0; round < asked.rounds; round++) {
    process.stderr.write(`  iteration: round ${round + 1} of ${asked.rounds} (with SFT of M1 first)\n`);
    const run = join(asked.under, `run-${round}`);
    ours.push(await asked.watch.watched(() => ourIteration(run, asked)));
    if (!peers.has('trl')) continue;
    const to = join(asked.under, `python-M2-${round}`);
    if (round === 0) await theirIteration(peers, run, to, 0); // warm-up, as ours had in training M1
    theirs.push(await asked.watch.watched(() => theirIteration(peers, run, to, round + 1)));
  }
  return { ours, theirs };
}

/** Seconds, then what was made by each, then seconds for equal work. */
export function tableOfIterations({ ours, theirs }: Iterations): string {
  const sides = [
    { name: OURS, all: ours },
    { name: PYTHON, all: theirs },
  ].filter(({ all }) => all.length > 0);
  const row = (title: string, of: (one: Iteration) => number, digits: number) => [
    title,
    ...sides.map(({ all }) => `${median(all.map(of)).toFixed(digits)} ${range(all.map(of), digits)}`),
    theirs.length > 0 ? '' : '–',
  ];
  const compared = (title: string, of: (one: Iteration) => number, digits: number) => {
    const cells = row(title, of, digits);
    if (theirs.length > 0) cells[cells.length - 1] = showRatio(ratios(ours.map(of), theirs.map(of), 'less'));
    return cells;
  };
  return tableOf(
    ['one iteration', ...sides.map(({ name }) => name), 'ratio'],
    [
      compared('seconds', (one) => one.seconds, 2),
      compared('  prompts, answers, judgements', (one) => one.sampling, 2),
      compared('  DPO, and M2 on disk', (one) => one.training, 2),
      ...(Object.keys(madeSchema.shape) as (keyof Made)[]).map((field) =>
        row(`  ${field}`, (one) => one.made[field], 0),
      ),
      compared('µs a sampled token', (one) => (1e6 * one.sampling) / one.made.tokens, 1),
      compared('ms a judgement, all sampling', (one) => (1e3 * one.sampling) / one.made.judgements, 2),
      compared('ms a DPO step', (one) => (1e3 * one.training) / Math.max(1, one.made.steps), 1),
    ],
  );
}
