/** How versions are trained: the parts `sft` and `dpo` of the config's schema, with their defaults. */
import { z } from 'zod';
import type { OptimizerConfig } from './lm.js';

const positive = z.number().positive();
const count = z.number().int().min(0);
const atLeastOne = z.number().int().min(1);
const share = z.number().min(0).max(1);

const optimizer = (defaults: Omit<OptimizerConfig, 'beta1' | 'beta2' | 'epsilon'>) =>
  ({
    learningRate: positive.default(defaults.learningRate),
    finalLearningRate: z.number().min(0).default(defaults.finalLearningRate),
    warmupSteps: count.default(defaults.warmupSteps),
    epochs: atLeastOne.default(defaults.epochs),
    batchSize: atLeastOne.default(defaults.batchSize),
    microBatchSize: atLeastOne.default(defaults.microBatchSize),
    weightDecay: z.number().min(0).default(defaults.weightDecay),
    beta1: share.default(0.9),
    beta2: share.default(0.999),
    epsilon: positive.default(1e-8),
    clipNorm: z.number().min(0).default(defaults.clipNorm),
    dropout: z.number().min(0).lt(1).default(defaults.dropout),
  }) as const;

export const trainingOptions = {
  sft: z
    .strictObject(
      optimizer({
        learningRate: 3e-4,
        finalLearningRate: 3e-5,
        warmupSteps: 20,
        epochs: 4,
        batchSize: 16,
        microBatchSize: 8,
        weightDecay: 0.05,
        clipNorm: 1,
        dropout: 0.1,
      }),
    )
    .prefault({}),
  dpo: z
    .strictObject({
      beta: positive.default(0.1),
      ...optimizer({
        learningRate: 2e-4,
        finalLearningRate: 2e-5,
        warmupSteps: 5,
        epochs: 1,
        batchSize: 16,
        microBatchSize: 4,
        weightDecay: 0,
        clipNorm: 1,
        dropout: 0,
      }),
    })
    .prefault({}),
  /** Low-rank adapters instead of training all weights, in every training of the run. */
  lora: z
    .strictObject({
      /** 0 = off: all weights are trained. */
      rank: count.max(4096).default(0),
      /** An adapter's output is multiplied with alpha / rank. */
      alpha: positive.default(16),
      /** Of an adapter's input. */
      dropout: z.number().min(0).lt(1).default(0),
      /** Linear layers that get one (q_proj, c_attn …); empty = all of attention and MLP. */
      targets: z.array(z.string()).default([]),
    })
    .prefault({}),
};
