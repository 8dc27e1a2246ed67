/**
 * Versions between memory and disk: brings their weights to the model, derives what a new one is trained on, and keeps it in
 * the run's folder. A version is announced only when it is on disk.
 */
import { writeCheckpoint } from '../src/lm/checkpoint-writer.js';
import { weightsHash } from '../src/lm/weights.js';
import type { TrainingResult } from '../src/players/shared-model.js';
import type { SharedModel } from '../src/pool/language-model.js';
import type { Config } from '../src/protocol/config.js';
import { SoliloquyError } from '../src/protocol/errors.js';
import type { VersionId } from '../src/protocol/ids.js';
import type { TrainStep } from '../src/protocol/lm.js';
import type { BodyOf } from '../src/protocol/messages.js';
import { writeAtomic } from '../src/store/files.js';
import type { RunFolder } from '../src/store/run-folder.js';
import type { Datasets } from './datasets.js';

/** Brings versions to the model, and new ones to the disk. */
export function createVersionStore(model: SharedModel, folder: RunFolder) {
  const save = async (version: VersionId) => {
    await writeCheckpoint(folder.model(version), model.checkpoint(version));
  };
  const load = async (version: VersionId) => {
    if (model.has(version)) return;
    throw new SoliloquyError('checkpoint.missing', `version ${version} doesn't exist yet`, {
      version,
      fix: 'cast a version that is made before it is needed',
    });
  };
  return { save, load };
}

/** Derives the data, trains, stores. No row, no step: the new version has the old one's weights, and says so by 0 steps. */
export async function trainAndStore(
  job: BodyOf<'model.train'>,
  onStep: (step: TrainStep) => void,
  {
    config,
    model,
    folder,
    datasets,
    save,
  }: {
    config: Config;
    model: SharedModel;
    folder: RunFolder;
    datasets: Datasets;
    save: (version: VersionId) => Promise<void>;
  },
): Promise<TrainingResult> {
  const { from, to, objective, key } = job;
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
  const outcome = await model.train({ from, to, data, optimizer: config[objective], key }, onStep);
  await save(to);
  return { rows, tooLong, dataHash, ...outcome };
}
