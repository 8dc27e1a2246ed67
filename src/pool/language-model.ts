/**
 * The `LanguageModel` port over worker threads. Owns the threads and the registered versions; knows no role. `sample`,
 * `score` and `train` are cut into tasks by rules that don't depend on the number of workers.
 */
import type { Architecture } from '../lm/architecture.js';
import type { Checkpoint } from '../lm/checkpoint.js';
import { sequencesOf } from '../lm/training-plan.js';
import type { Backend, BackendChoice } from '../protocol/backends.js';
import { SoliloquyError } from '../protocol/errors.js';
import type { VersionId } from '../protocol/ids.js';
import type {
  SampleOutput,
  SampleRow,
  TrainKeeping,
  TrainOutcome,
  TrainSpec,
  TrainStep,
} from '../protocol/lm.js';
import type { Clock, LanguageModel } from '../protocol/ports.js';
import type { Held, ModelRef } from './messages.js';
import { createRunner, type PlannedFault, type Runner, type WorkerCrash } from './runner.js';
import { samplePartsOf } from './sample-parts.js';
import { scoreChunksOf } from './score-chunks.js';
import { type TrainerPorts, trainVersion } from './trainer.js';
import { createVersions, immutable, type Residency, type Settled, type Versions } from './versions.js';

export interface LanguageModelOptions {
  readonly workers: number;
  /** `auto`: the best this machine has, the same in every worker. */
  readonly backend: BackendChoice;
  /** What a chat template is told that asks for today; absent: such a template is refused. */
  readonly clock?: Clock;
  /** What stays in memory of large versions; default: memory-estimate.ts. */
  readonly residency?: Residency;
  /** A thread died; its task is done again unless `retried` is false. */
  readonly onWorkerCrash?: (crash: WorkerCrash) => void;
  /** Tests only. */
  readonly faults?: readonly PlannedFault[];
}

export interface SharedModel extends LanguageModel {
  register(version: VersionId, checkpoint: Checkpoint): void;
  has(version: VersionId): boolean;
  /** Where its files are, too: a large version's weights leave memory when others are wanted, and are read again. */
  settle(version: VersionId, settled: Settled): void;
  architecture(version: VersionId): Architecture;
  checkpoint(version: VersionId): Promise<Checkpoint>;
  release(version: VersionId): void;
  versions(): readonly VersionId[];
  /** What each worker that has answered keeps. */
  held(): readonly Held[];
  threadIds(): readonly number[];
  /** Tests only: kills one worker thread, whatever it does. */
  kill(index: number): Promise<void>;
}

function checkIds(versions: Versions, version: VersionId, sequences: readonly (readonly number[])[]): void {
  const { vocabSize, maxPositions } = versions.architecture(version);
  const refuse = (row: number, what: string) =>
    new SoliloquyError('data.invalid', `sequence ${row} for ${version} ${what}`, { version, row });
  sequences.forEach((ids, row) => {
    if (ids.length === 0) throw refuse(row, 'has no token');
    if (ids.length > maxPositions)
      throw refuse(row, `has ${ids.length} tokens; the model takes ${maxPositions}`);
    const odd = ids.find((id) => !Number.isInteger(id) || id < 0 || id >= vocabSize);
    if (odd !== undefined) throw refuse(row, `holds token ${odd}; the vocabulary has ${vocabSize}`);
  });
}

/** No row grows beyond the model's positions. */
function capped(rows: readonly SampleRow[], maxPositions: number): SampleRow[] {
  return rows.map((row) => {
    const maxNewTokens = Math.min(row.sampling.maxNewTokens, maxPositions - row.promptIds.length);
    return { ...row, sampling: { ...row.sampling, maxNewTokens } };
  });
}

async function startedRunner(options: LanguageModelOptions): Promise<Omit<Parts, 'versions'>> {
  const { workers, backend, onWorkerCrash = () => undefined, faults = [] } = options;
  if (!Number.isInteger(workers) || workers < 1)
    throw new SoliloquyError('config.invalid', `${workers} is not a number of workers`, { workers });
  const runner = createRunner({ workers, onWorkerCrash, faults });
  try {
    return { runner, ...(await runner.run(backend, { kind: 'hello' })) };
  } catch (error) {
    await runner.close();
    throw error;
  }
}

interface Parts {
  readonly runner: Runner;
  readonly backend: Backend;
  readonly versions: Versions;
}

async function score(
  { runner, backend, versions }: Parts,
  version: VersionId,
  sequences: readonly (readonly number[])[],
): Promise<readonly Float32Array[]> {
  checkIds(versions, version, sequences);
  const out: Float32Array[] = new Array(sequences.length);
  const chunk = async (model: ModelRef, places: readonly number[]) => {
    const task = { kind: 'score' as const, model, sequences: places.map((place) => sequences[place]!) };
    const rows = await runner.run(backend, task);
    places.forEach((place, i) => {
      out[place] = rows[i]!;
    });
  };
  const chunks = scoreChunksOf(sequences);
  await versions.using(version, (model) => Promise.all(chunks.map((places) => chunk(model, places))));
  return out;
}

async function sample(
  { runner, backend, versions }: Parts,
  version: VersionId,
  rows: readonly SampleRow[],
): Promise<readonly SampleOutput[]> {
  const prompts = rows.map((row) => row.promptIds);
  checkIds(versions, version, prompts);
  if (rows.length === 0) return [];
  const all = capped(rows, versions.architecture(version).maxPositions);
  const out: SampleOutput[] = new Array(rows.length);
  const part = async (model: ModelRef, places: readonly number[]) => {
    const task = { kind: 'sample' as const, model, rows: places.map((place) => all[place]!) };
    const outputs = await runner.run(backend, task);
    places.forEach((place, i) => {
      out[place] = outputs[i]!;
    });
  };
  const shares = samplePartsOf(all);
  await versions.using(version, (model) => Promise.all(shares.map((places) => part(model, places))));
  return out;
}

/** `name` is given to one training only. */
async function train(
  parts: Parts,
  name: string,
  spec: TrainSpec,
  onStep: (step: TrainStep) => void,
  keeping: TrainKeeping | undefined,
): Promise<TrainOutcome> {
  const { runner, backend, versions } = parts;
  if (versions.has(spec.to)) throw immutable(spec.to);
  const rows = sequencesOf(spec.data).flat();
  const ids = rows.map((row) => row.ids);
  checkIds(versions, spec.from, ids);
  const { adapter: _, ...facts } = versions.facts(spec.from);
  const ports: TrainerPorts = {
    name,
    run: (task) => runner.run(backend, task),
    score: (sequences) => score(parts, spec.reference ?? spec.from, sequences),
    retire: runner.retire,
  };
  const { outcome, weights, adapter } = await versions.using(spec.from, (from) =>
    trainVersion(spec, from, ports, onStep, keeping),
  );
  const architecture = versions.architecture(spec.from);
  versions.register(spec.to, {
    ...facts,
    weights: { architecture, data: new Float32Array(weights) },
    ...(adapter && { adapter }),
  });
  return outcome;
}

export async function createLanguageModel(options: LanguageModelOptions): Promise<SharedModel> {
  const started = await startedRunner(options);
  const { runner, backend } = started;
  const versions = createVersions({ ...options, onRelease: runner.retire });
  const parts: Parts = { ...started, versions };
  let trainings = 0;
  return {
    backend,
    workers: options.workers,
    sample: (version, rows) => sample(parts, version, rows),
    score: (version, sequences) => score(parts, version, sequences),
    train: (spec, onStep = () => undefined, keeping) =>
      train(parts, `training ${trainings++} of ${spec.to}`, spec, onStep, keeping),
    register: versions.register,
    has: versions.has,
    settle: versions.settle,
    architecture: versions.architecture,
    checkpoint: versions.checkpoint,
    tokenizer: versions.tokenizer,
    contextLength: (version) => versions.architecture(version).maxPositions,
    release: versions.release,
    versions: versions.names,
    held: runner.held,
    threadIds: runner.threadIds,
    kill: runner.kill,
    close: runner.close,
  };
}
