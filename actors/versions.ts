/**
 * Versions between memory and disk: brings their weights to the model, derives what a new one is trained on, and keeps it in
 * the run's folder. A version is announced only when it is on disk; a training in mid-epoch is kept there too.
 */
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { readCheckpoint } from '../src/lm/checkpoint.js';
import { writeCheckpoint } from '../src/lm/checkpoint-writer.js';
import { readTrainState, writeTrainState } from '../src/lm/training-checkpoint.js';
import { weightsHash } from '../src/lm/weights.js';
import { sha256 } from '../src/log/chain.js';
import type { TrainingResult } from '../src/players/shared-model.js';
import type { SharedModel } from '../src/pool/language-model.js';
import { SoliloquyError } from '../src/protocol/errors.js';
import type { VersionId } from '../src/protocol/ids.js';
import type { TrainKeeping, TrainStep } from '../src/protocol/lm.js';
import type { BodyOf } from '../src/protocol/messages.js';
import { writeAtomic } from '../src/store/files.js';
import type { RunFolder } from '../src/store/run-folder.js';
import type { Bound } from './company.js';

/** Brings versions to the model, and new ones to the disk. */
export interface VersionStore {
  readonly save: (version: VersionId) => Promise<void>;
  readonly load: (version: VersionId) => Promise<void>;
  /** Registers a version that the run's log has made, after checking that its weights are those that the log names. */
  readonly recall: (version: VersionId, hash: string) => Promise<void>;
}

export function createVersionStore(model: SharedModel, folder: RunFolder): VersionStore {
  return {
    save: (version) => writeCheckpoint(folder.model(version), model.checkpoint(version)),
    async load(version) {
      if (model.has(version)) return;
      throw new SoliloquyError('checkpoint.missing', `version ${version} doesn't exist yet`, {
        version,
        fix: 'cast a version that is made before it is needed',
      });
    },
    async recall(version, hash) {
      const dir = folder.model(version);
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
    },
  };
}

interface Training {
  readonly model: SharedModel;
  readonly folder: RunFolder;
  readonly save: VersionStore['save'];
}

/** Derives the data, trains, stores. No row, no step: the new version has the old one's weights, and says so by 0 steps. */
export async function trainAndStore(
  job: BodyOf<'model.train'>,
  onStep: (step: TrainStep) => void,
  { config, datasets }: Bound,
  { model, folder, save }: Training,
): Promise<TrainingResult> {
  const { from, to, objective, key, reference } = job;
  const { weights } = model.checkpoint(from);
  const built = datasets.build(
    job,
    model.tokenizer(from),
    weights.architecture.maxPositions,
    (name, content) => writeAtomic(folder.data(name), content),
  );
  const { rows, tooLong, dataHash, data } = built;
  if (rows === 0) {
    model.register(to, model.checkpoint(from));
    await save(to);
    return { rows, tooLong, dataHash, steps: 0, curve: [], weightsHash: weightsHash(weights) };
  }
  const spec = { from, to, data, optimizer: config[objective], key, ...(reference && { reference }) };
  const identity = sha256(JSON.stringify([spec, weightsHash(weights)]));
  const keeping = keepingAt(folder.training(to), identity, config.flow.keepSteps);
  const outcome = await model.train(spec, onStep, keeping);
  await save(to);
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
