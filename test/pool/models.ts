/** Checkpoints and golden numbers of test/fixtures, and models over real worker threads that close with their test. */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { type Checkpoint, readCheckpoint } from '../../src/lm/checkpoint.js';
import {
  createLanguageModel,
  type LanguageModelOptions,
  type SharedModel,
} from '../../src/pool/language-model.js';
import { type VersionId, versionId } from '../../src/protocol/ids.js';
import type {
  OptimizerConfig,
  PreferenceRow,
  SampleRow,
  TargetRow,
  TrainData,
  TrainSpec,
} from '../../src/protocol/lm.js';

export const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
export const STORIES = here('../../../shared/data/stories260K/derived');
export const hasStories = existsSync(STORIES);

export const fixture = (name: string): Promise<Checkpoint> =>
  readCheckpoint(here(`../fixtures/llama/${name}`));
export const json = <T>(path: string): T => JSON.parse(readFileSync(path, 'utf8')) as T;

export interface Golden {
  readonly sequences: number[][];
  readonly logprobs: (number | null)[][];
  readonly greedy: { readonly prompt: number[]; readonly ids: number[] }[];
}

export interface GoldenSteps {
  readonly optimizer: Pick<
    OptimizerConfig,
    'learningRate' | 'beta1' | 'beta2' | 'epsilon' | 'weightDecay' | 'clipNorm'
  >;
  readonly beta: number;
  readonly data: { readonly sft: TargetRow[]; readonly dpo: PreferenceRow[] };
  readonly cases: {
    readonly model: string;
    readonly objective: 'sft' | 'dpo';
    readonly weightsAfter: string;
    readonly steps: { readonly loss: number; readonly gradNorm: number; readonly margin?: number }[];
  }[];
}

export const M0 = versionId('M0');
export const M1 = versionId('M1');

/** M0 is registered; whoever calls closes. */
export async function create(options: Partial<LanguageModelOptions> = {}): Promise<SharedModel> {
  const model = await createLanguageModel({ workers: 1, backend: 'wasm', ...options });
  model.register(M0, await fixture('gqa-untied'));
  return model;
}

/** Closes with the test. */
export async function open(options: Partial<LanguageModelOptions> = {}): Promise<SharedModel> {
  const model = await create(options);
  onTestFinished(() => model.close());
  return model;
}

let versions = 0;
/** A version that no other test of the file uses. */
export const nextVersion = (): VersionId => versionId(`T${versions++}`);

/** Rows of many lengths; `seed` makes them differ. */
export const rowsOf = (count: number, seed: number): TargetRow[] =>
  Array.from({ length: count }, (_, i) => {
    const length = 5 + ((i * 7 + seed) % 19);
    return {
      ids: [1, ...Array.from({ length }, (_, j) => 3 + ((i * 31 + j * 17 + seed * 5) % 61))],
      targetStart: 2 + (i % 3),
    };
  });

export const pairsOf = (count: number): PreferenceRow[] => {
  const [chosen, rejected] = [rowsOf(count, 1), rowsOf(count, 2)];
  return chosen.map((row, i) => ({ chosen: row, rejected: rejected[i]! }));
};

export const OPTIMIZER: OptimizerConfig = {
  learningRate: 1e-3,
  finalLearningRate: 1e-4,
  warmupSteps: 1,
  epochs: 2,
  batchSize: 6,
  microBatchSize: 2,
  weightDecay: 0.05,
  beta1: 0.9,
  beta2: 0.95,
  epsilon: 1e-8,
  clipNorm: 1,
  dropout: 0.1,
};

export const specOf = (data: TrainData, optimizer: Partial<OptimizerConfig> = {}): TrainSpec => ({
  from: M0,
  to: M1,
  data,
  optimizer: { ...OPTIMIZER, ...optimizer },
  key: [11, 12],
});

export const sampleRows = (count: number): SampleRow[] =>
  rowsOf(count, 3).map(({ ids }, i) => ({
    promptIds: ids,
    key: [i, 99],
    sampling: { temperature: 0.9, topP: 0.95, maxNewTokens: 6 + i },
    stopIds: [2],
  }));
