/**
 * What crosses the border between thinking and numbers: tokens, keys and plain numbers, never tensors.
 */
import type { VersionId } from './ids.js';

/** Key of one counter-based random stream: two unsigned 32-bit words. */
export type RngKey = readonly [number, number];

export interface Sampling {
  /** 0 = greedy. */
  readonly temperature: number;
  /** Nucleus mass in (0, 1]; 1 = off. */
  readonly topP: number;
  readonly maxNewTokens: number;
}

/** One sequence to continue. */
export interface SampleRow {
  readonly promptIds: readonly number[];
  readonly key: RngKey;
  readonly sampling: Sampling;
  readonly stopIds: readonly number[];
}

export interface SampleOutput {
  /** New tokens, without the stop token. */
  readonly ids: readonly number[];
  /** Sum of log p(token) at temperature 1 over the new tokens and the stop token, nats. */
  readonly logprob: number;
  readonly finish: 'stop' | 'length';
}

/** A training row: loss falls on ids[targetStart …], each predicted from what stands before it. */
export interface TargetRow {
  readonly ids: readonly number[];
  readonly targetStart: number;
}

export interface PreferenceRow {
  readonly chosen: TargetRow;
  readonly rejected: TargetRow;
}

export interface OptimizerConfig {
  readonly learningRate: number;
  /** Reached at the last step by a cosine. */
  readonly finalLearningRate: number;
  readonly warmupSteps: number;
  readonly epochs: number;
  /** Rows (pairs) a step. */
  readonly batchSize: number;
  /** Rows (pairs) a micro-batch: the unit of work of a worker; part of the result's definition. */
  readonly microBatchSize: number;
  readonly weightDecay: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  /** Global gradient norm above which gradients are scaled down; 0 = off. */
  readonly clipNorm: number;
  readonly dropout: number;
}

/** Low-rank adapters (Hu et al. 2022): W·x + (alpha / rank)·B·A·drop(x), A [rank, in] and B [out, rank]. */
export interface LoraConfig {
  /** From 1. */
  readonly rank: number;
  readonly alpha: number;
  /** Of what A is given. */
  readonly dropout: number;
  /** Linear layers that get one, by the last part of the family's own name for them (q_proj, c_attn …); none = all. */
  readonly targets: readonly string[];
}

/** What was trained of a version that an adapter made. */
export interface AdapterFacts {
  readonly rank: number;
  readonly alpha: number;
  readonly dropout: number;
  readonly targets: string[];
  /** Numbers that were trained. */
  readonly parameters: number;
}

/** What a preference loss is made of, where it is not plain DPO. */
export interface PairRecipe {
  /** Of the margin: −log σ(β·margin) (DPO), or (margin − 1/(2β))² (IPO). */
  readonly loss: 'sigmoid' | 'ipo';
  /** α of the chosen answer's negative log-likelihood a target token; 0 = none. */
  readonly nll: number;
  /** C in [0, 1]: share of the loss of the pair as it stands; the rest is that of the pair reversed. */
  readonly agreement: number;
}

export type TrainData =
  | { readonly objective: 'sft'; readonly rows: readonly TargetRow[] }
  | {
      readonly objective: 'dpo';
      readonly rows: readonly PreferenceRow[];
      readonly beta: number;
      readonly recipe?: PairRecipe;
    };

export interface TrainSpec {
  /** Weights to start from. */
  readonly from: VersionId;
  /** DPO's reference, of the same architecture and vocabulary; absent = `from`. */
  readonly reference?: VersionId;
  readonly to: VersionId;
  readonly data: TrainData;
  readonly optimizer: OptimizerConfig;
  /** Key of the data order and of dropout. */
  readonly key: RngKey;
  /** `given`: every epoch sees the rows as they stand. Default: shuffled anew each epoch. */
  readonly order?: 'shuffled' | 'given';
  /** Train adapters on `from`'s frozen weights; absent: all weights. */
  readonly lora?: LoraConfig;
  /** Steps that the learning rate's schedule spans, at least as many as are taken: for a training that ends early. */
  readonly scheduleSteps?: number;
}

export interface TrainStep {
  readonly step: number;
  readonly steps: number;
  readonly learningRate: number;
  /** Mean over target tokens (SFT) or pairs (DPO), nats. */
  readonly loss: number;
  readonly gradNorm: number;
  /** DPO: share of pairs with positive margin, mean β·margin. */
  readonly accuracy?: number;
  readonly margin?: number;
}

/** A step as an external trainer tells it: what it doesn't say is null. */
export type ToldStep = Omit<TrainStep, 'learningRate' | 'gradNorm'> & {
  readonly learningRate: number | null;
  readonly gradNorm: number | null;
};

/** A training after some of its steps: all that the next one needs. */
export interface TrainState {
  /** What each step done has said. */
  readonly curve: readonly TrainStep[];
  /** In canonical order, as long as the model, or as its adapter where only that is trained. */
  readonly weights: Float32Array;
  readonly mean: Float32Array;
  readonly square: Float32Array;
}

/** Where a training is kept, so that it can go on after a crash. */
export interface TrainKeeping {
  /** Kept after every so many steps; 0 = never. */
  readonly every: number;
  /** Where it had come to, if it was begun before. */
  load(): Promise<TrainState | null>;
  save(state: TrainState): Promise<void>;
}

export interface TrainOutcome {
  readonly steps: number;
  readonly curve: readonly TrainStep[];
  /** sha-256 of the new weights in canonical order; where an adapter was trained, of the merged ones. */
  readonly weightsHash: string;
  readonly adapter?: AdapterFacts;
}
