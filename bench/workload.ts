/**
 * What every contestant is given: token ids drawn from our generator, the same for all, and their sizes.
 */
import { keyOf, rngOf } from '../src/rng.js';

export const SEED = 1;
export const TEMPERATURE = 0.7;
export const TOP_P = 0.9;
/** Prompt and new tokens of plain sampling. */
export const PROMPT = 64;
export const FRESH = 64;
export const BATCHES = [8, 64] as const;
/** A training step: 16 rows (dpo: pairs with one prompt) of 128 tokens. */
export const STEP_ROWS = 16;
export const STEP_LENGTH = 128;
export const PAIR_PROMPT = 64;
export const LEARNING_RATE = 3e-4;
export const BETA = 0.1;
/** The loop's shape: prompts answered 4 times, each answer judged 3 times after a template that all share. */
export const LOOP = {
  prompts: 16,
  candidates: 4,
  samples: 3,
  template: 96,
  prompt: 32,
  answer: 32,
  judgement: 24,
};

/** One epoch of plain AdamW: what all trainings here share. */
export const ADAMW = {
  epochs: 1,
  batchSize: STEP_ROWS,
  weightDecay: 0,
  beta1: 0.9,
  beta2: 0.999,
  epsilon: 1e-8,
  clipNorm: 1,
  dropout: 0,
} as const;

export type Objective = 'sft' | 'dpo';
export type Rows = readonly (readonly number[])[];

/** Ids below 3 are special tokens in all models here. */
export function tokens(
  purpose: string,
  index: number,
  length: number,
  vocabulary: number,
): readonly number[] {
  const rng = rngOf(keyOf(SEED, 'bench', purpose, index));
  return Array.from({ length }, () => 3 + rng.below(vocabulary - 3));
}

export const prompts = (
  purpose: string,
  count: number,
  vocabulary: number,
  length = PROMPT,
): readonly (readonly number[])[] =>
  Array.from({ length: count }, (_, i) => tokens(purpose, i, length, vocabulary));

/** One batch a step: rows, or [chosen rows, rejected rows]. */
export function trainingBatches(
  objective: Objective,
  steps: number,
  vocabulary: number,
): readonly (Rows | readonly [Rows, Rows])[] {
  const rows = (purpose: string) => prompts(purpose, STEP_ROWS, vocabulary, STEP_LENGTH);
  return Array.from({ length: steps }, (_, step) => {
    const chosen = rows(`train-${step}`);
    if (objective === 'sft') return chosen;
    const other = rows(`rejected-${step}`);
    const rejected = chosen.map((row, i) => [...row.slice(0, PAIR_PROMPT), ...other[i]!.slice(PAIR_PROMPT)]);
    return [chosen, rejected] as const;
  });
}

export const targetStartOf = (objective: Objective): number => (objective === 'sft' ? 1 : PAIR_PROMPT);
