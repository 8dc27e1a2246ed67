/**
 * The port of what does the numbers inside a worker. Two stand behind it: `onnx/` (compiled graphs on onnxruntime, the
 * default on CPUs) and `tfjs/` (TensorFlow.js: GPU engine and reference). One contract suite runs over all of them:
 * test/contracts/engine.ts.
 *
 * Laws: a row's outputs do not depend on the rows beside it, but for the last bits; the same input gives the same bits on one backend;
 * no tensor outlives a call except those of a loaded model, which `dispose` frees.
 */
import type { Backend } from '../protocol/backends.js';
import type { PairRecipe, RngKey, SampleOutput, SampleRow } from '../protocol/lm.js';
import type { Architecture } from './architecture.js';
import type { Adapter } from './lora.js';

/** All parameters of one version in one block, in the canonical order of `parametersOf(architecture)`. */
export interface Weights {
  readonly architecture: Architecture;
  /** float32, on a SharedArrayBuffer when shared between workers. */
  readonly data: Float32Array;
}

export interface SequenceRow {
  readonly ids: readonly number[];
  /** Loss on ids[targetStart …]; at least 1. */
  readonly targetStart: number;
}

/** One micro-batch. `scale` divides: total target tokens (sft) or pairs (dpo) of the whole batch. */
export type GradientTask = {
  readonly scale: number;
  readonly dropout: number;
  /** One dropout key a sequence (for dpo: chosen, rejected, chosen, rejected …). */
  readonly keys: readonly RngKey[];
} & (
  | { readonly objective: 'sft'; readonly rows: readonly SequenceRow[] }
  | {
      readonly objective: 'dpo';
      readonly beta: number;
      /** Absent: plain DPO. */
      readonly recipe?: PairRecipe;
      readonly pairs: readonly {
        readonly chosen: SequenceRow;
        readonly rejected: SequenceRow;
        /** Summed log-prob of the target tokens under the reference, nats. */
        readonly referenceChosen: number;
        readonly referenceRejected: number;
      }[];
    }
);

/** Sums over the micro-batch (not means): to be added up in a fixed order, then divided by `scale`. */
export interface GradientSums {
  readonly loss: number;
  /** dpo: pairs with positive margin; sum of β·margin. */
  readonly positive: number;
  readonly margin: number;
}

/** One call at a time. */
export interface LoadedModel {
  /** KV-cached; finished rows leave the batch. */
  sample(rows: readonly SampleRow[]): Promise<SampleOutput[]>;
  /** log p of each token given those before it; [0] is NaN. */
  score(sequences: readonly (readonly number[])[]): Promise<Float32Array[]>;
  /**
   * Writes d(loss / scale)/d(parameter) for this micro-batch into `into` (canonical order, overwritten). With an adapter: of
   * the model with the adapter on, the adapter's parameters only (lora.ts' order).
   */
  gradient(task: GradientTask, into: Float32Array, adapter?: Adapter): Promise<GradientSums>;
  dispose(): Promise<void>;
}

export interface Engine {
  readonly backend: Backend;
  load(weights: Weights): Promise<LoadedModel>;
  /** Tensors alive now: the count before a public call equals the count after. */
  liveTensors(): number;
}
