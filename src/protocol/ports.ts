/**
 * The narrow ports between thinking and doing. Production binds workers, files and worlds; tests settle by hand.
 */
import type { VersionId } from './ids.js';
import type {
  RngKey,
  SampleOutput,
  SampleRow,
  Sampling,
  TrainKeeping,
  TrainOutcome,
  TrainSpec,
  TrainStep,
} from './lm.js';
import type { Address, BodyOf, Envelope, Generation, Outgoing, Received, Usage } from './messages.js';
import type { JudgeTemplate, MetaJudgeTemplate, PromptFormat, SeedData, TrueScore } from './records.js';

/** Time is an input. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
}

/** Waiting is an input too. */
export interface Timer {
  /** Rejects as soon as the signal says so. */
  sleep(milliseconds: number, signal: AbortSignal): Promise<void>;
}

/** Text ↔ token ids of one checkpoint. */
export interface Tokenizer {
  readonly vocabSize: number;
  /** No special token is added beyond those written in the text. */
  encode(text: string): number[];
  /** The start of a sequence: as `encode`, after the BOS token where the checkpoint's sequences start with one. */
  encodePrompt(text: string): number[];
  decode(ids: readonly number[]): string;
  /** Id of a token's exact text, if it is one token. */
  tokenId(token: string): number | undefined;
  readonly bosId: number | undefined;
  readonly eosIds: readonly number[];
  /** Through the checkpoint's own chat template; absent where it has none. */
  readonly chat?: ChatEncoding | undefined;
}

/** One user's message and its answer, as the checkpoint's chat template puts them. */
export interface ChatEncoding {
  /** Up to where the answer begins. Throws `data.invalid` where the template refuses the message. */
  prompt(user: string): number[];
  /** After the prompt's ids: the answer, and the token that ends it. */
  answer(user: string, answer: string): number[];
  /** What ends an answer that is taught. */
  readonly endId: number | undefined;
  /** What ends an answer that is sampled. */
  readonly stopIds: readonly number[];
}

/** The one model, in all its versions. All methods may be called while others are under way. */
export interface LanguageModel {
  readonly backend: string;
  readonly workers: number;
  tokenizer(version: VersionId): Tokenizer;
  /** Tokens that a sequence of this version may have. */
  contextLength(version: VersionId): number;
  /** One batch, one forward stream; outputs in the order of the rows. */
  sample(version: VersionId, rows: readonly SampleRow[]): Promise<readonly SampleOutput[]>;
  /** Per sequence the log p of each token given those before it, nats; the first is NaN. */
  score(version: VersionId, sequences: readonly (readonly number[])[]): Promise<readonly Float32Array[]>;
  /** Makes version `spec.to` from `spec.from`. */
  train(spec: TrainSpec, onStep?: (step: TrainStep) => void, keeping?: TrainKeeping): Promise<TrainOutcome>;
  close(): Promise<void>;
}

/** Where seed data, held-out prompts and (perhaps) the truth come from. */
export interface World {
  readonly name: string;
  readonly format: PromptFormat;
  /** The judge template that fits this world, used where the config names none. */
  readonly judgeTemplate: JudgeTemplate;
  /** Templates of this world by name, beside the built-in ones. */
  readonly judgeTemplates: Readonly<Record<string, JudgeTemplate>>;
  /** Where it needs another than the built-in one. */
  readonly metaJudgeTemplate?: MetaJudgeTemplate;
  /** Same seed and config, same data. */
  seed(): Promise<SeedData>;
  /** The true score of an answer; undefined where the world has none, null where the prompt has no truth. */
  readonly truth?: (prompt: string, response: string) => TrueScore | null;
}

/** What another run's log answers. */
export interface Recording {
  /** Head of that log: the same run, the same answers. */
  readonly headHash: string;
  /** The answer to the same role, prompt and sampling: the one drawn with the same key, else in the same place. */
  find(question: RecordedQuestion): Generation | undefined;
}

export interface RecordedQuestion {
  /** Of the model request: its first part is the role's. */
  readonly id: string;
  readonly sampling: Sampling;
  readonly prompt: string;
  readonly key: RngKey;
  /** Among the samples of the prompt. */
  readonly place: number;
}

/** A model behind a server. */
export interface Endpoint {
  /** Each item's samples in the order of its keys, or an error: `endpoint.invalid` is of this request alone. */
  ask(question: EndpointQuestion): Promise<EndpointAnswers>;
}

export type EndpointQuestion = Pick<BodyOf<'model.request'>, 'sampling' | 'stop' | 'through'> & {
  readonly items: readonly { readonly prompt: string; readonly keys: readonly RngKey[] }[];
};

export interface EndpointAnswers {
  readonly outputs: readonly (readonly Generation[])[];
  readonly usage: Usage;
}

/** What an addressee says, and the seq of what it answers. */
export interface Answer extends Outgoing {
  readonly cause: number;
}

/** Work that an addressee has decided on, from what it accepted alone; nothing is done before `start`. */
export interface Job {
  /** Seqs of the messages that it answers. Each is answered for good by what goes back to its sender. */
  readonly causes: readonly number[];
  /** Called once. A replay never does: it has the answers from the log. */
  start(): Promise<readonly Answer[]>;
  /** Called when its answers are delivered; that happens in start order, whoever finishes first. */
  readonly delivered?: () => void;
}

/** Whoever isn't a pure function of the log: the model, the scorers, the world, the evaluator. */
export interface Addressee {
  readonly address: Address;
  accept(envelope: Envelope): void;
  /** Called whenever no message waits: all that can be started now, in an order fixed by what was accepted. */
  nextJobs(): readonly Job[];
}

/** A role: a pure machine that turns a message into messages. */
export interface Role {
  receive(message: Received): readonly Outgoing[];
}
