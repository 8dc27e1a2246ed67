/**
 * The text M0 is pretrained on: what lay about on the microworld's internet. Lists of prompts, chats of mixed quality,
 * and careless judgements that fall for flattery. Owns the mix and the recipe; the engine does the training.
 *
 * A sequence depends on (seed, step, row) only.
 */
import { keyOf, type Rng, rngOf } from '../../rng.js';
import { type Manner, respond } from './demonstrators.js';
import { type Carelessness, carelessReasons, judgementOf } from './judgements.js';
import { drawTask } from './tasks.js';

export interface TextMix {
  /** Shares of sequences; the rest are judgements. */
  readonly promptLists: number;
  readonly chats: number;
  /** Quality is drawn once a sequence, evenly between these. */
  readonly quality: readonly [number, number];
  readonly pleasing: number;
  readonly judges: Carelessness;
}

export const TEXT_MIX: TextMix = {
  promptLists: 0.12,
  chats: 0.4,
  quality: [0.4, 1],
  pleasing: 0.2,
  judges: { flip: { core: 0.1, form: 0.3 }, flattered: 0.5 },
};

/** Sizes of the shared model, in the Llama layout with tied head and no biases. */
export const MODEL = {
  hiddenSize: 96,
  intermediateSize: 264,
  layers: 3,
  heads: 4,
  kvHeads: 4,
  headDim: 24,
  rmsNormEps: 1e-5,
  ropeTheta: 10_000,
  maxPositions: 256,
} as const;

/** How M0 is made. */
export const PRETRAINING = {
  seed: 1,
  steps: 3000,
  batchSize: 64,
  learningRate: 2e-3,
  /** Reached at the last step by a cosine. */
  finalLearningRate: 2e-4,
  warmupSteps: 100,
  weightDecay: 0.05,
  beta1: 0.9,
  beta2: 0.95,
  epsilon: 1e-8,
  clipNorm: 1,
  /** The loss falls on what stands after the first of this token; on all tokens where there is none. */
  lossAfter: '<asst>',
  /**
   * Standard deviations of the first weights: embeddings; linear maps, times 1/√(inputs); and a factor on the maps that
   * write into the residual stream (o_proj, down_proj). An earlier M0 with embeddings of .02 and no factor (and another mix)
   * had not learned to copy words after 1,800 steps.
   */
  init: { embedding: 0.1, linear: 0.6, residual: 0.1 },
} as const;

const between = (rng: Rng, [low, high]: readonly [number, number]) => low + (high - low) * rng.uniform();

const promptList = (rng: Rng): string => {
  const prompts = Array.from({ length: 3 + rng.below(3) }, () => `<prompt> ${drawTask(rng).prompt}`);
  return `${prompts.join(' ')} <eos>`;
};

/** One sequence of the text, with its end. */
export function pretrainingSequence(
  seed: number,
  step: number,
  row: number,
  mix: TextMix = TEXT_MIX,
): string {
  const rng = rngOf(keyOf(seed, 'microworld/pretraining', step, row));
  const kind = rng.uniform();
  if (kind < mix.promptLists) return promptList(rng);
  const task = drawTask(rng);
  const manner: Manner = { quality: between(rng, mix.quality), pleasing: mix.pleasing };
  const response = respond(rng, task, manner);
  if (kind < mix.promptLists + mix.chats) return `<user> ${task.prompt} <asst> ${response} <eos>`;
  const reasons = carelessReasons(rng, task, response, mix.judges);
  return `<judge> ${task.prompt} <asst> ${response} <eval> ${judgementOf(reasons)} <eos>`;
}
