/**
 * What the Progress view shows of a run, as the server answers it. Shapes only. Every number carries the seq of the message that
 * says it, so that a reader can go there.
 */
import type { BodyOf, FilterReason, Metric, WithheldReason } from '../protocol/messages.js';

/** Score, rounded to the nearest whole one → how many. */
export type Histogram = Readonly<Record<number, number>>;

/** The held-out answers of a version: how they are scored, by the cast judge and by the world's truth. */
export interface AnswerScores {
  readonly answers: number;
  readonly self: Histogram;
  readonly truth: Histogram;
  /** Answers without a single readable verdict. */
  readonly unreadable: number;
}

export interface VersionFacts {
  readonly version: string;
  /** Seq of `version.made`; of `run.start` for M0. */
  readonly seq: number;
  readonly weightsHash: string;
  /** Null: it was there from the start. */
  readonly made: Omit<BodyOf<'version.made'>, 'version' | 'weightsHash'> | null;
}

export interface MeasuredVersion extends AnswerScores {
  readonly version: string;
  /** Seqs of `evaluation.request` and `evaluation.made`; null while it is being measured. */
  readonly request: number;
  readonly seq: number | null;
  readonly judge: string;
  readonly metrics: readonly Metric[];
}

export interface IterationFacts {
  readonly iteration: number;
  /** Seq of `prompts.request`. */
  readonly seq: number;
  readonly asks: number;
  readonly prompts: number;
  readonly pairs: number;
  readonly judgements: number;
  readonly unparseable: number;
  readonly withheld: Readonly<Partial<Record<WithheldReason, number>>>;
  readonly filtered: Readonly<Partial<Record<FilterReason, number>>>;
  readonly failed: number;
}

/** One step, or the mean of a few neighbouring ones of a long training. */
export interface TrainingPoint {
  readonly seq: number;
  readonly step: number;
  readonly loss: number;
  readonly accuracy: number | null;
  readonly margin: number | null;
}

export interface TrainingFacts {
  readonly to: string;
  readonly objective: 'sft' | 'dpo' | null;
  readonly steps: number;
  /** Steps that one point is the mean of. */
  readonly perPoint: number;
  readonly points: readonly TrainingPoint[];
}

/** What answers of a server have cost, by who asked. */
export interface UsageFacts {
  readonly who: string;
  /** The last message that says so. */
  readonly seq: number;
  readonly requests: number;
  readonly promptTokens: number;
  readonly completionTokens: number;
  /** Null where no price is known. */
  readonly cost: number | null;
  readonly currency: string;
}

export interface PhaseTime {
  readonly name: string;
  /** `measuring`, `iteration`, `training` …: what colours are by. */
  readonly kind: string;
  readonly messages: number;
  /** Milliseconds, without the time in which a stopped run waited to be resumed. */
  readonly ms: number;
  /** Its first message. */
  readonly seq: number;
}

export interface Throughput {
  /** Milliseconds since the epoch; null for an empty log. */
  readonly from: number | null;
  /** Of working time: a power of two, as wide as it must be for a bounded number of buckets. */
  readonly bucketMs: number;
  readonly kinds: readonly string[];
  /** Bucket after bucket, the messages of each kind of phase. */
  readonly counts: readonly (readonly number[])[];
  readonly phases: readonly PhaseTime[];
}

export interface Progress {
  /** Messages of the log that the index holds, and how many of them are counted here. */
  readonly count: number;
  readonly folded: number;
  /** How it ended; null: it hasn't, or was cut off. */
  readonly end: { readonly seq: number; readonly type: string } | null;
  /** Seqs of the forks that the log holds. */
  readonly forks: readonly { readonly seq: number; readonly parent: string }[];
  readonly versions: readonly VersionFacts[];
  readonly measured: readonly MeasuredVersion[];
  readonly iterations: readonly IterationFacts[];
  readonly trainings: readonly TrainingFacts[];
  readonly usage: readonly UsageFacts[];
  readonly throughput: Throughput;
}
