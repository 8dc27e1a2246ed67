/**
 * Versions between memory and disk: brings their weights to the model, derives what a new one is trained on, and keeps it in
 * the run's folder. A version is announced only when it is on disk; a training in mid-epoch is kept there too.
 */
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { writeAdapter } from '../src/lm/adapter-writer.js';
import { readCheckpoint } from '../src/lm/checkpoint.js';
import { writeCheckpoint } from '../src/lm/checkpoint-writer.js';
import { adapterFacts, freshAdapter } from '../src/lm/lora.js';
import { readTrainState, writeTrainState } from '../src/lm/training-checkpoint.js';
import { weightsHash } from '../src/lm/weights.js';
import { sha256 } from '../src/log/chain.js';
import type { Commands } from '../src/players/command-process.js';
import type { TrainingResult } from '../src/players/shared-model.js';
import type { SharedModel } from '../src/pool/language-model.js';
import { SoliloquyError } from '../src/protocol/errors.js';
import type { VersionId } from '../src/protocol/ids.js';
import type { ToldStep, TrainKeeping } from '../src/protocol/lm.js';
import type { BodyOf } from '../src/protocol/messages.js';
import { writeAtomic } from '../src/store/files.js';
import type { RunFolder } from '../src/store/run-folder.js';
import { styleOf } from './command/job.js';
import { trainByCommand } from './command/train.js';
import type { Bound } from './company.js';

/** Brings versions to the model, and new ones to the disk. */
export interface VersionStore {
  /** Writes a version down, whose weights may leave memory from then on. Of one that an adapter made: the adapter, on `from`. */
  readonly save: (version: VersionId, hash: string, from?: VersionId) => Promise<void>;
  readonly load: (version: VersionId) => Promise<void>;
  /**
   * Registers a version that the run's log has made, after checking that its weights are those that the log names. `dir`: where it
   * stands as long as the run's own folder has no copy.
   */
  readonly recall: (version: VersionId, hash: string, dir?: string) => Promise<void>;
}

export function createVersionStore(model: SharedModel, folder: RunFolder): VersionStore {
  const settle = (version: VersionId, hash: string): void =>
    model.settle(version, { hash, read: () => readCheckpoint(folder.model(version)) });
  return {
    async save(version, hash, from) {
      const checkpoint = await model.checkpoint(version);
      const { adapter } = checkpoint;
      const dir = folder.model(version);
      if (adapter === undefined || from === undefined) await writeCheckpoint(dir, checkpoint);
      else await writeAdapter(dir, `../${from}`, checkpoint, adapter);
      settle(version, hash);
    },
    async load(version) {
      if (model.has(version)) return;
      throw new SoliloquyError('checkpoint.missing', `version ${version} doesn't exist yet`, {
        version,
        fix: 'cast a version that is made before it is needed',
      });
    },
    async recall(version, hash, dir = folder.model(version)) {
      const checkpoint = await readCheckpoint(dir);
      if (weightsHash(checkpoint.weights) !== hash)
        throw new SoliloquyError(
          'checkpoint.invalid',
          `${dir} holds other weights than the log says of ${version}`,
          {
            dir,
            version,
            fix: `restore it from a copy, or go on from before it: soliloquy fork RUN --at ${version}`,
          },
        );
      model.register(version, checkpoint);
      settle(version, hash);
    },
  };
}

interface Training {
  readonly model: SharedModel;
  readonly folder: RunFolder;
  readonly save: VersionStore['save'];
  readonly commands: Commands;
  /** The external trainer's command that may be run; null: none. */
  readonly consented: string | null;
}

/** Derives the data, trains, stores. No row, no step: the new version has the old one's weights, and says so by 0 steps. */
export async function trainAndStore(
  job: BodyOf<'model.train'>,
  onStep: (step: ToldStep) => void,
  { config, datasets }: Bound,
  { model, folder, save, commands, consented }: Training,
): Promise<TrainingResult> {
  const { from, to, objective, key, reference } = job;
  const before = await model.checkpoint(from);
  const { weights } = before;
  const built = datasets.build(
    job,
    model.tokenizer(from),
    weights.architecture.maxPositions,
    (name, content) => writeAtomic(folder.data(name), content),
  );
  const { rows, tooLong, dataHash, data } = built;
  const lora = config.lora.rank > 0 ? { lora: config.lora } : {};
  const adapter = lora.lora && { adapter: adapterFacts(weights.architecture, lora.lora) };
  if (rows === 0) {
    const fresh = lora.lora && { lora: lora.lora, data: freshAdapter(weights.architecture, lora.lora, key) };
    const { adapter: _, ...same } = before;
    const hash = weightsHash(weights);
    model.register(to, { ...same, ...(fresh && { adapter: fresh }) });
    await save(to, hash, from);
    return { rows, tooLong, dataHash, steps: 0, curve: [], weightsHash: hash, ...adapter };
  }
  if (job.by === 'command') {
    const external = { commands, consented, dir: folder.command(to) };
    const given = built.trl(styleOf(config));
    const { checkpoint, ...outcome } = await trainByCommand(job, before, given, onStep, config, external);
    model.register(to, checkpoint);
    await save(to, outcome.weightsHash);
    return { rows, tooLong, dataHash, ...outcome };
  }
  const spec = {
    from,
    to,
    data,
    optimizer: config[objective],
    key,
    ...lora,
    ...(reference && { reference }),
  };
  const identity = sha256(JSON.stringify([spec, weightsHash(weights)]));
  const keeping = keepingAt(folder.training(to), identity, config.flow.keepSteps);
  const outcome = await model.train(spec, onStep, keeping);
  await save(to, outcome.weightsHash, from);
  return { rows, tooLong, dataHash, ...outcome };
}

const keepingAt = (file: string, identity: string, every: number): TrainKeeping => ({
  every,
  load: () => readTrainState(file, identity),
  async save(state) {
    mkdirSync(dirname(file), { recursive: true });
    await writeTrainState(file, identity, state);
  },
});
