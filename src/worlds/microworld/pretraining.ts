/**
 * The text M0 is pretrained on: what lay about on the microworld's internet. Lists of prompts, chats of mixed quality,
 * and careless judgements that fall for flattery. Owns the mix and the recipe; the engine does the training.
 *
 * A sequence depends on (seed, step, row) only.
 */
import { keyOf, type Rng, rngOf } from '../../rng.js';
import { type Manner, pleases, respond } from './demonstrators.js';
import { type Carelessness, careless, judgementOf } from './judgements.js';
import { verdictsOf } from './score.js';
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
  chats: 0.48,
  quality: [0.4, 1],
  pleasing: 0.2,
  judges: { flip: 0.27, flattered: 0.5 },
};

/** How M0 is made. The loss falls on every token. */
export const PRETRAINING = {
  seed: 1,
  steps: 3500,
  batchSize: 64,
  learningRate: 2e-3,
  finalLearningRate: 2e-4,
  warmupSteps: 100,
  weightDecay: 0.05,
  beta1: 0.9,
  beta2: 0.95,
  epsilon: 1e-8,
  clipNorm: 1,
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
  const seen = careless(rng, verdictsOf(task, response), pleases(response), mix.judges);
  return `<judge> ${task.prompt} <asst> ${response} <eval> ${judgementOf(seen)} <eos>`;
}
