/**
 * The microworld's M0 from nothing: architecture, random start, and its text as one training whose rows are seen once, in
 * the order of (step, row). The recipe's numbers stand in src/worlds/microworld/pretraining.ts; what is added here is part
 * of the result's definition too: the architecture and the size of a micro-batch.
 *
 * Invariant: the first n steps don't depend on how many follow: the text is keyed by step, the schedule spans the recipe.
 */
import type { Architecture } from '../lm/architecture.js';
import type { Checkpoint } from '../lm/checkpoint.js';
import { initialise } from '../lm/initialise.js';
import { tokenizerOf } from '../lm/tokenizer.js';
import type { SharedModel } from '../pool/language-model.js';
import { SoliloquyError } from '../protocol/errors.js';
import { type VersionId, versionId } from '../protocol/ids.js';
import type { OptimizerConfig, TargetRow, TrainOutcome, TrainStep } from '../protocol/lm.js';
import type { Tokenizer } from '../protocol/ports.js';
import { keyOf } from '../rng.js';
import { MODEL, PRETRAINING, pretrainingSequence, TEXT_MIX } from '../worlds/microworld/pretraining.js';
import { tokenizerConfig, tokenizerJson } from '../worlds/microworld/tokenizer.js';
import { TOKENS } from '../worlds/microworld/vocabulary.js';

/** Steps whose weights are kept as a fingerprint that anyone can derive again in seconds. */
export const PREFIX_STEPS = 20;

export const ARCHITECTURE: Architecture = {
  family: 'llama',
  vocabSize: TOKENS.length,
  ...MODEL,
  ropeScaling: null,
  tiedHead: true,
  attentionBias: false,
  mlpBias: false,
};

export interface Pretraining {
  readonly seed: number;
  /** That the learning rate's schedule spans. */
  readonly steps: number;
}

const START = versionId('start');

const optimizer: OptimizerConfig = {
  learningRate: PRETRAINING.learningRate,
  finalLearningRate: PRETRAINING.finalLearningRate,
  warmupSteps: PRETRAINING.warmupSteps,
  epochs: 1,
  batchSize: PRETRAINING.batchSize,
  microBatchSize: 16,
  weightDecay: PRETRAINING.weightDecay,
  beta1: PRETRAINING.beta1,
  beta2: PRETRAINING.beta2,
  epsilon: PRETRAINING.epsilon,
  clipNorm: PRETRAINING.clipNorm,
  dropout: 0,
};

/** All that the weights follow from, for recipe.json. */
export const recipeOf = ({ seed, steps }: Pretraining) => ({
  ...PRETRAINING,
  ...optimizer,
  seed,
  steps,
  mix: TEXT_MIX,
  architecture: ARCHITECTURE,
});

/** Random weights with the microworld's tokenizer. */
export function startOf(seed: number): Checkpoint {
  const json = (value: object): string => `${JSON.stringify(value, null, 2)}\n`;
  const tokenizer = { json: json(tokenizerJson()), config: json(tokenizerConfig()) };
  const eos = tokenizerOf(tokenizer, { bosId: undefined, eosIds: [] }).eosIds;
  return {
    weights: initialise(ARCHITECTURE, seed, PRETRAINING.init),
    tokenizer,
    bosId: undefined,
    eosIds: eos,
    config: null,
    generationConfig: { eos_token_id: eos[0] },
  };
}

function rowsOf(tokenizer: Tokenizer, seed: number, steps: number): TargetRow[] {
  const { batchSize } = PRETRAINING;
  const unknown = tokenizer.tokenId('<unk>');
  const answer = tokenizer.tokenId(PRETRAINING.lossAfter) ?? -1;
  return Array.from({ length: steps * batchSize }, (_, i): TargetRow => {
    const text = pretrainingSequence(seed, Math.floor(i / batchSize), i % batchSize);
    const ids = tokenizer.encode(text);
    if (unknown !== undefined && ids.includes(unknown))
      throw new SoliloquyError('data.invalid', `pretraining text outside the vocabulary: ${text}`, { text });
    return { ids, targetStart: Math.max(1, ids.indexOf(answer) + 1) };
  });
}

/** Trains version `to` for the first `stopAfter` of the recipe's steps. */
export async function pretrain(
  model: SharedModel,
  to: VersionId,
  { seed, steps }: Pretraining,
  stopAfter: number,
  onStep?: (step: TrainStep) => void,
): Promise<TrainOutcome> {
  if (!model.has(START)) model.register(START, startOf(seed));
  const rows = rowsOf(model.tokenizer(START), seed, stopAfter);
  try {
    return await model.train(
      {
        from: START,
        to,
        data: { objective: 'sft', rows },
        optimizer,
        key: keyOf(seed, 'microworld/pretraining'),
        order: 'given',
        scheduleSteps: steps,
      },
      onStep,
    );
  } finally {
    model.release(START);
  }
}
