/**
 * `npm run bench -- --peers`: this project beside the Python stack, interleaved in one run, after checking that all compute the
 * same. Owns the order of things and what is freed at the end.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { createLanguageModel, type SharedModel } from '../../src/pool/language-model.js';
import { SoliloquyError } from '../../src/protocol/errors.js';
import { versionId } from '../../src/protocol/ids.js';
import type { BenchOptions, Part } from '../options.js';
import { machineLine } from '../own.js';
import { type BenchModel, prepareModel, type SizeName } from '../sizes.js';
import { samplingCases, trainingCases } from './cases.js';
import { type Contestant, ourselves, peersOf } from './contestants.js';
import { measureIterations, tableOfIterations } from './iteration.js';
import { type Check, checkParity } from './parity.js';
import { PEERS, type Peers, type Skipped, startPeers } from './process.js';
import { createWatch, quietLine, type Watch } from './quiet.js';
import { type Conditions, type Measured, measureCase, tableOfCases } from './rounds.js';
import { growthWithWork, growthWithWorkers, tableOfGrowth, tableOfParameters } from './scaling.js';

const ROUNDS = 3;
/** Square matrices whose product is timed, best of so many. */
const SGEMM = [1024, 2048] as const;
const SGEMM_REPEATS = 30;
const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

const say = (text: string) => process.stdout.write(`${text}\n`);
const progress = (text: string) => process.stderr.write(`${text}\n`);

export const skippedLines = (skipped: readonly Skipped[]): readonly string[] =>
  skipped.map(({ peer, reason, fix }) => `skipped: ${PEERS[peer].label} (${reason})\n  way out: ${fix}`);

async function sgemmPeak(peers: Peers, watch: Watch): Promise<number> {
  if (!peers.has('lean')) return 0;
  let peak = 0;
  for (const size of SGEMM) {
    const args = { size, repeats: SGEMM_REPEATS };
    const ask = () => peers.call('sgemm', args, z.object({ gflops: z.number() }));
    const { gflops } = await watch.watched(ask);
    peak = Math.max(peak, gflops);
  }
  return peak;
}

function tellParity(size: SizeName, checks: readonly Check[]): void {
  for (const { peer, what, difference, allowed, ok } of checks)
    say(
      `${ok ? 'same' : 'DIFFERENT'}  ${size} ${peer}: ${what}, ${difference.toExponential(1)} (at most ${allowed.toExponential(1)})`,
    );
  const bad = checks.filter(({ ok }) => !ok);
  if (bad.length > 0)
    throw new SoliloquyError(
      'model.failed',
      `not the same at ${size}, so nothing is timed: ${bad.map(({ peer, what }) => `${peer}: ${what}`).join('; ')}`,
    );
}

/** Everything that one benchmark holds. */
interface Bench extends Conditions {
  readonly options: BenchOptions;
  readonly peers: Peers;
  readonly model: SharedModel;
  /** A temporary folder. */
  readonly under: string;
}

const wants = ({ options }: Bench, part: Part) => options.only.includes(part);

interface Stand {
  readonly bench: BenchModel;
  readonly ours: Contestant;
  readonly rivals: readonly Contestant[];
}

/** One model with everybody who can run it, freed after `use`. */
async function withModel<T>(
  { peers, model, under }: Bench,
  name: SizeName,
  use: (stand: Stand) => Promise<T>,
): Promise<T> {
  progress(`${name}: preparing`);
  const bench = await prepareModel(name, under);
  const version = versionId(`bench-${name}`);
  model.register(version, bench.checkpoint);
  await load(peers, bench);
  try {
    return await use({ bench, ours: ourselves(model, version, bench), rivals: peersOf(peers, bench) });
  } finally {
    model.release(version);
    if (peers.has('lean')) await peers.call('unload', { model: name }, z.null());
  }
}

async function load(peers: Peers, { name, folder }: BenchModel): Promise<void> {
  if (peers.has('lean')) await peers.call('load', { model: name, folder }, z.null());
}

async function measureSize(bench: Bench, stand: Stand): Promise<readonly Measured[]> {
  const { ours, rivals, bench: model } = stand;
  const parts = {
    sampling: wants(bench, 'sampling') || wants(bench, 'scaling'),
    training: wants(bench, 'training'),
  };
  progress(`${model.name}: checking that all compute the same`);
  tellParity(model.name, await checkParity(bench.peers, model, ours, rivals, parts));
  const who = [ours, ...rivals];
  const cases = [
    ...(wants(bench, 'sampling') ? samplingCases(model, who) : []),
    ...(wants(bench, 'training') ? trainingCases(model, who) : []),
  ];
  const measured: Measured[] = [];
  for (const one of cases) measured.push(await measureCase(one, bench));
  if (measured.length > 0) say(`\n${tableOfCases(measured)}\n`);
  return measured;
}

/** At S, or the smallest that is asked for. */
async function measureGrowth(bench: Bench, stand: Stand): Promise<object> {
  const { model, options } = bench;
  const growth = await growthWithWork(stand.bench, [stand.ours, ...stand.rivals], bench);
  for (const one of growth) say(`\n${one.title}\n${tableOfGrowth(one)}`);
  if (options.workers < 2) return { growth };
  const single = await createLanguageModel({ workers: 1, backend: options.backend });
  try {
    const version = versionId('bench-alone');
    single.register(version, stand.bench.checkpoint);
    const alone = ourselves(single, version, stand.bench);
    const workers = await growthWithWorkers(stand.bench, stand.ours, alone, bench);
    say(`\n1 → ${model.workers} workers\n${tableOfCases(workers)}\n`);
    return { growth, workers };
  } finally {
    await single.close();
  }
}

async function measureAll(bench: Bench): Promise<object> {
  const { options, rounds, peers, under } = bench;
  const { sizes, workers, backend, quick } = options;
  const models: { bench: BenchModel; measured: readonly Measured[] }[] = [];
  let growth: object | null = null;
  let peak = bench.peak;
  const growing = sizes.includes('S') ? 'S' : sizes[0];
  for (const name of sizes) {
    if (!options.only.some((part) => part !== 'iteration')) break;
    // Again, so that one bad moment at the start makes nobody look better used than it is.
    peak = Math.max(peak, await sgemmPeak(peers, bench.watch));
    const now = { ...bench, peak };
    await withModel(now, name, async (stand) => {
      models.push({ bench: stand.bench, measured: await measureSize(now, stand) });
      if (wants(now, 'scaling') && name === growing) growth = await measureGrowth(now, stand);
    });
  }
  if (wants(bench, 'scaling') && models.some(({ measured }) => measured.length > 0))
    say(`\n${tableOfParameters(models)}\n`);
  const iterations = wants(bench, 'iteration')
    ? await measureIterations(peers, { workers, backend, quick, rounds, under, watch: bench.watch })
    : null;
  if (iterations) say(`\n${tableOfIterations(iterations)}\n`);
  const sizesMeasured = models.map(({ bench: { name, parameters }, measured }) => ({
    name,
    parameters,
    measured,
  }));
  return { peak, sizes: sizesMeasured, growth, iterations };
}

export async function measurePeers(options: BenchOptions): Promise<object> {
  const { workers, backend, python } = options;
  const rounds = options.rounds ?? ROUNDS;
  const peers = await startPeers(python, workers);
  const under = mkdtempSync(join(tmpdir(), 'soliloquy-peers-'));
  const leave = () => {
    peers.kill();
    rmSync(under, { recursive: true, force: true });
    process.exit(130);
  };
  for (const signal of SIGNALS) process.once(signal, leave);
  try {
    const model = await createLanguageModel({ workers, backend });
    try {
      say(machineLine());
      say(`Soliloquy: ${model.backend} × ${workers} workers; torch: ${workers} threads; float32`);
      const found = Object.entries(peers.found).map(([name, version]) => `${name} ${version}`);
      if (found.length > 0) say(found.join(', '));
      for (const line of skippedLines(peers.skipped)) say(line);
      const watch = createWatch(peers);
      const peak = await sgemmPeak(peers, watch);
      say(peak > 0 ? `sgemm peak ${peak.toFixed(0)} GFLOP/s (torch)` : 'sgemm peak unknown: no torch');
      say(`medians of ${rounds} interleaved rounds; ratio: how many times faster this project is\n`);
      const figures = await measureAll({ options, rounds, peers, model, peak, under, watch });
      say(quietLine(watch.shares));
      return {
        machine: machineLine(),
        backend: model.backend,
        workers,
        rounds,
        found: peers.found,
        skipped: peers.skipped,
        otherProcesses: watch.shares,
        ...figures,
      };
    } finally {
      await model.close();
    }
  } finally {
    for (const signal of SIGNALS) process.off(signal, leave);
    await peers.close();
    rmSync(under, { recursive: true, force: true });
  }
}
