/** The model under measurement: the default M0, or one of its size with random weights where the asset is absent. */
import { join } from 'node:path';
import { assetsFolder } from '../src/cli/package.js';
import { readCheckpoint } from '../src/lm/checkpoint.js';
import { createLanguageModel } from '../src/pool/language-model.js';
import type { BackendChoice } from '../src/protocol/backends.js';
import { type VersionId, versionId } from '../src/protocol/ids.js';
import type { OptimizerConfig, SampleRow } from '../src/protocol/lm.js';
import { keyOf } from '../src/rng.js';
import { ADAMW } from './workload.js';

const PROMPT = 24;
const NEW = 16;
const ROWS = 256;
const LENGTH = 32;
const TRAIN_ROWS = 64;

const optimizer: OptimizerConfig = {
  learningRate: 1e-5,
  finalLearningRate: 1e-6,
  warmupSteps: 1,
  microBatchSize: 4,
  ...ADAMW,
};

export interface Subject {
  readonly describe: string;
  /** New tokens a second over 256 rows of 24 + 16 tokens. */
  sample(rowsPerBatch: number): Promise<number>;
  /** Tokens a second, forward and backward, over 64 rows (dpo: pairs) of 32 tokens. */
  train(objective: 'sft' | 'dpo'): Promise<number>;
  close(): Promise<void>;
}

const ids = (seed: number, length: number, vocabulary: number) =>
  Array.from({ length }, (_, i) => 10 + ((seed * 31 + i * 7) % (vocabulary - 10)));

export async function createSubject(workers: number, backend: BackendChoice): Promise<Subject> {
  const checkpoint = await readCheckpoint(join(assetsFolder(), 'microworld-m0'));
  const { vocabSize, hiddenSize, layers } = checkpoint.weights.architecture;
  const model = await createLanguageModel({ workers, backend });
  const base: VersionId = versionId('base');
  model.register(base, checkpoint);
  const rows: SampleRow[] = Array.from({ length: ROWS }, (_, i) => ({
    promptIds: ids(i, PROMPT, vocabSize),
    key: keyOf(1, 'bench', i),
    sampling: { temperature: 0.7, topP: 0.9, maxNewTokens: NEW },
    stopIds: [],
  }));
  const target = (i: number) => ({ ids: ids(i, LENGTH, vocabSize), targetStart: LENGTH / 2 });
  let made = 0;
  const timed = async (tokens: number, work: () => Promise<unknown>) => {
    const began = performance.now();
    await work();
    return tokens / ((performance.now() - began) / 1000);
  };
  return {
    describe: `${model.backend}, ${layers} layers of width ${hiddenSize}, ${(checkpoint.weights.data.length / 1e6).toFixed(2)}M parameters`,
    sample: (size) =>
      timed(ROWS * NEW, () =>
        Promise.all(
          Array.from({ length: ROWS / size }, (_, i) =>
            model.sample(base, rows.slice(i * size, (i + 1) * size)),
          ),
        ),
      ),
    async train(objective) {
      const to = versionId(`bench-${made++}`);
      const indices = Array.from({ length: TRAIN_ROWS }, (_, i) => i);
      const data =
        objective === 'sft'
          ? { objective, rows: indices.map(target) }
          : {
              objective,
              beta: 0.1,
              rows: indices.map((i) => ({ chosen: target(2 * i), rejected: target(2 * i + 1) })),
            };
      const sequences = objective === 'sft' ? TRAIN_ROWS : 2 * TRAIN_ROWS;
      const figure = await timed(sequences * LENGTH, () =>
        model.train({ from: base, to, data, optimizer, key: keyOf(1, 'bench') }),
      );
      model.release(to);
      return figure;
    },
    close: () => model.close(),
  };
}
