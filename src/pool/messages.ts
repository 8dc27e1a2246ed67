/**
 * What crosses the border to a worker thread and back: one union of tasks, one answer for each. Validated at both doors,
 * except for what stands in shared memory.
 */
import { z } from 'zod';
import { ACTIVATIONS, type Architecture, FAMILIES, sizeOf } from '../lm/architecture.js';
import type { GradientSums, GradientTask } from '../lm/engine.js';
import { BACKEND_CHOICES, BACKENDS, type Backend } from '../protocol/backends.js';
import type { LoraConfig, PairRecipe, SampleOutput, SampleRow } from '../protocol/lm.js';

const count = z.number().int().nonnegative();
const block = z.instanceof(SharedArrayBuffer);
const ids: z.ZodType<readonly number[]> = z.array(count);
const someIds: z.ZodType<readonly number[]> = z.array(count).min(1);
const rngKey = z.tuple([count, count]);

const architecture: z.ZodType<Architecture> = z.strictObject({
  family: z.enum(FAMILIES),
  vocabSize: count,
  hiddenSize: count,
  intermediateSize: count,
  layers: count,
  heads: count,
  kvHeads: count,
  headDim: count,
  rmsNormEps: z.number(),
  ropeTheta: z.number(),
  ropeScaling: z
    .strictObject({
      kind: z.enum(['llama3', 'linear', 'dynamic', 'yarn']),
      factor: z.number(),
      lowFreqFactor: z.number().exactOptional(),
      highFreqFactor: z.number().exactOptional(),
      originalMaxPositions: z.number().exactOptional(),
      betaFast: z.number().exactOptional(),
      betaSlow: z.number().exactOptional(),
      attentionFactor: z.number().exactOptional(),
      truncate: z.boolean().exactOptional(),
    })
    .nullable(),
  maxPositions: count,
  tiedHead: z.boolean(),
  attentionBias: z.union([z.boolean(), z.literal('qkv')]),
  mlpBias: z.boolean(),
  activation: z.enum(ACTIVATIONS).exactOptional(),
});

/** Weights in shared memory under a key that never stands for other weights. */
const modelRef = z
  .strictObject({ key: z.string(), architecture, data: block })
  .refine(
    (model) => model.data.byteLength === 4 * sizeOf(model.architecture),
    'the block does not fit the architecture',
  );
export type ModelRef = z.infer<typeof modelRef>;

const sampleRow: z.ZodType<SampleRow> = z.strictObject({
  promptIds: someIds,
  key: rngKey,
  sampling: z.strictObject({
    temperature: z.number().nonnegative(),
    topP: z.number().positive().max(1),
    maxNewTokens: count,
  }),
  stopIds: ids,
});
const sequenceRow = z.strictObject({ ids, targetStart: count.min(1) });
const gradientBase = {
  scale: z.number().positive(),
  dropout: z.number().min(0).lt(1),
  keys: z.array(rngKey),
};
const pairRecipe: z.ZodType<PairRecipe> = z.strictObject({
  loss: z.enum(['sigmoid', 'ipo']),
  nll: z.number().nonnegative(),
  agreement: z.number().min(0).max(1),
});
const gradientTask: z.ZodType<GradientTask> = z.discriminatedUnion('objective', [
  z.strictObject({ ...gradientBase, objective: z.literal('sft'), rows: z.array(sequenceRow).min(1) }),
  z.strictObject({
    ...gradientBase,
    objective: z.literal('dpo'),
    beta: z.number().positive(),
    recipe: pairRecipe.exactOptional(),
    pairs: z
      .array(
        z.strictObject({
          chosen: sequenceRow,
          rejected: sequenceRow,
          referenceChosen: z.number(),
          referenceRejected: z.number(),
        }),
      )
      .min(1),
  }),
]);

const loraConfig: z.ZodType<LoraConfig> = z.strictObject({
  rank: count.min(1),
  alpha: z.number().positive(),
  dropout: z.number().min(0).lt(1),
  targets: z.array(z.string()),
});
/** On the model that stands beside it. */
const adapterRef = z.strictObject({ lora: loraConfig, data: block });

export type AdapterRef = z.infer<typeof adapterRef>;

const range = { begin: count, end: count };
const state = z.strictObject({ weights: block, mean: block, square: block });
const taskSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('hello') }),
  z.strictObject({ kind: z.literal('sample'), model: modelRef, rows: z.array(sampleRow).min(1) }),
  z.strictObject({ kind: z.literal('score'), model: modelRef, sequences: z.array(someIds).min(1) }),
  z.strictObject({
    kind: z.literal('gradient'),
    model: modelRef,
    adapter: adapterRef.exactOptional(),
    task: gradientTask,
    into: block,
  }),
  z.strictObject({ kind: z.literal('reduce'), parts: z.array(block).min(1), into: block, ...range }),
  z.strictObject({
    kind: z.literal('update'),
    from: state,
    gradient: block,
    into: state,
    ...range,
    config: z.strictObject({
      learningRate: z.number(),
      beta1: z.number(),
      beta2: z.number(),
      epsilon: z.number(),
      weightDecay: z.number(),
      step: count.min(1),
      gradientScale: z.number(),
    }),
  }),
  /** Adapted layers [begin, end) of the model, with the adapter in them. */
  z.strictObject({
    kind: z.literal('merge'),
    model: modelRef,
    adapter: adapterRef,
    into: block,
    ...range,
  }),
  z.strictObject({ kind: z.literal('hash'), model: modelRef }),
]);
export type Task = z.infer<typeof taskSchema>;
export type TaskKind = Task['kind'];

export const envelopeSchema = z.strictObject({
  backend: z.enum(BACKEND_CHOICES),
  /** Keys of weights that are gone: drop what is loaded of them. */
  retired: z.array(z.string()),
  /** One Int32: 1 says that the pool closes, and what is under way ends at its next step. */
  stop: block,
  /** Tests only: die after the work, before the answer. */
  fault: z.enum(['exit', 'throw']).nullable(),
  task: taskSchema,
});
export type Envelope = z.infer<typeof envelopeSchema>;
export type Fault = NonNullable<Envelope['fault']>;

export interface Answers {
  readonly hello: { readonly backend: Backend };
  readonly sample: readonly SampleOutput[];
  readonly score: readonly Float32Array[];
  readonly gradient: GradientSums;
  /** Sum of squares of the range. */
  readonly reduce: number;
  readonly update: null;
  readonly merge: null;
  readonly hash: string;
}

/** NaN and infinity too: whoever asked decides what they mean. */
const anyNumber = z.custom<number>((value) => typeof value === 'number');

export const answerSchemas: { readonly [K in TaskKind]: z.ZodType<Answers[K]> } = {
  hello: z.object({ backend: z.enum(BACKENDS) }),
  sample: z.array(z.object({ ids, logprob: z.number(), finish: z.enum(['stop', 'length']) })),
  score: z.array(z.instanceof(Float32Array)),
  gradient: z.object({ loss: anyNumber, positive: anyNumber, margin: anyNumber }),
  reduce: anyNumber,
  update: z.null(),
  merge: z.null(),
  hash: z.string(),
};

/** What a worker keeps between tasks. */
const heldSchema = z.object({ thread: count, models: z.array(z.string()), tensors: count });
export type Held = z.infer<typeof heldSchema>;

/** A worker never rejects: so a rejection always means that the worker itself is gone. */
export const replySchema = z.discriminatedUnion('ok', [
  z.object({ ok: z.literal(true), value: z.unknown(), held: heldSchema }),
  z.object({
    ok: z.literal(false),
    error: z.object({
      code: z.string().nullable(),
      message: z.string(),
      fields: z.record(z.string(), z.unknown()),
    }),
    held: heldSchema,
  }),
]);
export type Reply = z.infer<typeof replySchema>;
