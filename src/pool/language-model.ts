/**
 * The `LanguageModel` port over worker threads. Owns the threads and the registered versions; knows no role. One `sample` call
 * is one task; `score` and `train` are cut by rules that don't depend on the number of workers.
 */
import type { Checkpoint } from '../lm/checkpoint.js';
import { SoliloquyError } from '../protocol/errors.js';
import type { VersionId } from '../protocol/ids.js';
import type { SampleRow } from '../protocol/lm.js';
import type { LanguageModel } from '../protocol/ports.js';
import type { BackendChoice, Held } from './messages.js';
import { createRunner, type PlannedFault, type Runner, type WorkerCrash } from './runner.js';
import { scoreChunksOf } from './score-chunks.js';
import { trainVersion } from './trainer.js';
import { createVersions, type Versions } from './versions.js';

export interface LanguageModelOptions {
  readonly workers: number;
  /** `auto`: the best this machine has, the same in every worker. */
  readonly backend: BackendChoice;
  /** A thread died; its task is done again unless `retried` is false. */
  readonly onWorkerCrash?: (crash: WorkerCrash) => void;
  /** Tests only. */
  readonly faults?: readonly PlannedFault[];
}

export interface SharedModel extends LanguageModel {
  register(version: VersionId, checkpoint: Checkpoint): void;
  has(version: VersionId): boolean;
  checkpoint(version: VersionId): Checkpoint;
  release(version: VersionId): void;
  versions(): readonly VersionId[];
  /** What each worker that has answered keeps. */
  held(): readonly Held[];
  threadIds(): readonly number[];
  /** Tests only: kills one worker thread, whatever it does. */
  kill(index: number): Promise<void>;
}

function checkIds(versions: Versions, version: VersionId, sequences: readonly (readonly number[])[]): void {
  const { vocabSize, maxPositions } = versions.ref(version).architecture;
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

async function startedRunner(
  options: LanguageModelOptions,
): Promise<{ runner: Runner; backend: Exclude<BackendChoice, 'auto'> }> {
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

export async function createLanguageModel(options: LanguageModelOptions): Promise<SharedModel> {
  const { runner, backend } = await startedRunner(options);
  const versions = createVersions(runner.retire);
  let trainings = 0;

  const score: LanguageModel['score'] = async (version, sequences) => {
    const model = versions.ref(version);
    checkIds(versions, version, sequences);
    const out: Float32Array[] = new Array(sequences.length);
    const chunks = scoreChunksOf(sequences);
    await Promise.all(
      chunks.map(async (places) => {
        const rows = await runner.run(backend, {
          kind: 'score',
          model,
          sequences: places.map((place) => sequences[place]!),
        });
        places.forEach((place, i) => {
          out[place] = rows[i]!;
        });
      }),
    );
    return out;
  };
  const sample: LanguageModel['sample'] = async (version, rows) => {
    const model = versions.ref(version);
    checkIds(
      versions,
      version,
      rows.map((row) => row.promptIds),
    );
    if (rows.length === 0) return [];
    return runner.run(backend, {
      kind: 'sample',
      model,
      rows: capped(rows, model.architecture.maxPositions),
    });
  };
  const train: LanguageModel['train'] = async (spec, onStep = () => undefined) => {
    const from = versions.ref(spec.from);
    if (versions.has(spec.to))
      throw new SoliloquyError('protocol.violation', `version ${spec.to} exists and is immutable`, {
        version: spec.to,
      });
    const { data } = spec;
    checkIds(
      versions,
      spec.from,
      data.objective === 'sft'
        ? data.rows.map((r) => r.ids)
        : data.rows.flatMap((r) => [r.chosen.ids, r.rejected.ids]),
    );
    const checkpoint = versions.checkpoint(spec.from);
    const ports = {
      name: `training ${trainings++} of ${spec.to}`,
      run: runner.run.bind(null, backend) as Parameters<typeof trainVersion>[2]['run'],
      score: (sequences: readonly (readonly number[])[]) => score(spec.from, sequences),
      retire: runner.retire,
    };
    const { outcome, weights } = await trainVersion(spec, from, ports, onStep);
    versions.register(spec.to, {
      ...checkpoint,
      weights: { architecture: from.architecture, data: new Float32Array(weights) },
    });
    return outcome;
  };
  const contextLength = (version: VersionId) => versions.ref(version).architecture.maxPositions;
  const { register, has, checkpoint, tokenizer, release, names } = versions;
  const { held, threadIds, kill, close } = runner;
  return {
    backend,
    workers: options.workers,
    contextLength,
    sample,
    score,
    train,
    register,
    has,
    checkpoint,
    tokenizer,
    release,
    versions: names,
    held,
    threadIds,
    kill,
    close,
  };
}
