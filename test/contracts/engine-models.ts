/** Small random models and rows for the engine contract, and what its parts share. */
import { expect } from 'vitest';
import { type Architecture, parametersOf } from '../../src/lm/architecture.js';
import type { Engine, LoadedModel, SequenceRow, Weights } from '../../src/lm/engine.js';
import type { SampleRow } from '../../src/protocol/lm.js';
import { keyOf, type Rng, rngOf } from '../../src/rng.js';

/** A small model with everything that could go wrong: grouped heads, three layers, odd widths. */
export const SMALL: Architecture = {
  family: 'llama',
  vocabSize: 53,
  hiddenSize: 24,
  intermediateSize: 44,
  layers: 3,
  heads: 4,
  kvHeads: 2,
  headDim: 6,
  rmsNormEps: 1e-5,
  ropeTheta: 10000,
  ropeScaling: null,
  maxPositions: 64,
  tiedHead: true,
  attentionBias: false,
  mlpBias: false,
};

/** The same, as far as it goes, of the family that is least like Llama. */
export const GPT2: Architecture = {
  ...SMALL,
  family: 'gpt2',
  kvHeads: SMALL.heads,
  attentionBias: true,
  mlpBias: true,
  activation: 'gelu-tanh',
};

export function randomWeights(architecture: Architecture, seed: number): Weights {
  const rng = rngOf(keyOf(seed, 'weights'));
  const parameters = parametersOf(architecture);
  const last = parameters.at(-1)!;
  const data = new Float32Array(last.offset + last.size);
  for (const { shape, offset, size } of parameters) {
    for (let i = offset; i < offset + size; i++)
      data[i] = shape.length === 1 ? 1 + 0.1 * rng.normal() : 0.3 * rng.normal();
  }
  return { architecture, data };
}

export const tokens = (rng: Rng, length: number): number[] =>
  Array.from({ length }, () => rng.below(SMALL.vocabSize));

export function randomRow(rng: Rng, prompts: readonly (readonly number[])[]): SampleRow {
  const sampling = {
    temperature: rng.pick([0, 0.7, 1, 1.3]),
    topP: rng.pick([1, 0.9, 0.5]),
    maxNewTokens: 1 + rng.below(14),
  };
  const promptIds = rng.chance(0.5) ? rng.pick(prompts) : tokens(rng, 1 + rng.below(20));
  return {
    promptIds,
    key: [rng.word(), rng.word()],
    sampling,
    stopIds: rng.chance(0.5) ? [] : [1, 2, 3, 4, 5],
  };
}

export function randomSequence(rng: Rng): SequenceRow {
  const ids = tokens(rng, 3 + rng.below(14));
  return { ids, targetStart: 1 + rng.below(ids.length - 1) };
}

/** Loads, runs, disposes; and every tensor is freed, whatever was run. */
export type Using = (
  weights: Weights,
  run: (model: LoadedModel, engine: Engine) => Promise<void>,
) => Promise<void>;

export const usingEngine =
  (make: () => Promise<Engine>): Using =>
  async (weights, run) => {
    const engine = await make();
    const before = engine.liveTensors();
    const model = await engine.load(weights);
    const loaded = engine.liveTensors();
    await run(model, engine);
    expect(engine.liveTensors()).toBe(loaded);
    await model.dispose();
    expect(engine.liveTensors()).toBe(before);
  };

/** Number of tokens that the loss falls on. */
export const targetsIn = (rows: readonly SequenceRow[]): number =>
  rows.reduce((sum, row) => sum + row.ids.length - Math.max(1, row.targetStart), 0);

export const largest = (x: Float32Array): number => x.reduce((max, v) => Math.max(max, Math.abs(v)), 0);

/** Largest difference over largest number. */
export function relativeError(actual: Float32Array, expected: Float32Array): number {
  return largest(actual.map((x, i) => x - expected[i]!)) / largest(expected);
}
