/**
 * Every message there is, as one discriminated union. Commands are imperative (`responses.request`), facts are past
 * (`judgement.made`). Callers give type and body; the sequencer stamps seq, from, cause and time.
 */
import { z } from 'zod';
import type { EndpointAddress } from './endpoints.js';
import type { EpisodeId, JudgementId, PairId, ResponseId, VersionId } from './ids.js';

const branded = <T extends string>() => z.string().min(1) as unknown as z.ZodType<T, string>;
const episode = branded<EpisodeId>();
const response = branded<ResponseId>();
const judgement = branded<JudgementId>();
const pair = branded<PairId>();
const version = branded<VersionId>();
const whole = z.number().int().min(0);
const ids = z.array(whole);
const rngKey = z.tuple([whole, whole]);
const sampling = z.object({ temperature: z.number(), topP: z.number(), maxNewTokens: whole });

const message = <T extends string, S extends z.ZodType>(type: T, body: S) =>
  z.object({ type: z.literal(type), body });

/** One text that a model made, with all that is needed to make it again. */
export const generation = z.object({
  text: z.string(),
  ids,
  /** log p at temperature 1 of the new tokens and the stop token, nats; null where a server doesn't tell. */
  logprob: z.number().nullable(),
  /** `no-room`: the prompt alone fills the model's context, so nothing was sampled. `filtered`: a server withheld the rest. */
  finish: z.enum(['stop', 'length', 'no-room', 'filtered']),
  key: rngKey,
  version,
  /** Not made here: taken from this message of another run's log. */
  recorded: z.object({ run: z.string(), seq: whole }).exactOptional(),
});

/** What answers of a server have cost. */
export const usage = z.object({
  /** Answers that were got; requests that had to be sent again. */
  requests: whole,
  retries: whole,
  promptTokens: whole,
  completionTokens: whole,
  /** Answers whose tokens the server didn't tell. */
  untold: whole,
  /** By the config's price; null where it names none. */
  cost: z.number().nullable(),
  currency: z.string(),
});

const sampleItem = z.object({ id: z.string(), prompt: z.string(), keys: z.array(rngKey).min(1) });
const candidate = generation.extend({ id: response });
const verdict = z.discriminatedUnion('status', [
  z.object({ status: z.literal('score'), score: z.number() }),
  z.object({ status: z.literal('unparseable'), reason: z.string() }),
]);
const scored = z.object({ response, text: z.string(), score: z.number(), judgements: z.array(whole) });

/** Each item's prompt is a user's message, read through the version's own chat template; absent = plain text. */
const through = z.literal('chat').exactOptional();
/** A judgement in a judgement pair, with its rating among those of the same answer. */
const ratedJudgement = z.object({
  judgement,
  text: z.string(),
  score: z.number(),
  elo: z.number(),
  /** Its seq, in a list. */
  judgements: ids,
});

/** (τ + 1)/2 of the rankings of the bench's two members; only where the trainer heeds it (CREAM). */
const consistency = z.number().min(0).max(1).exactOptional();

/** Of a version that low-rank adapters made: what they were like. */
const adapter = z.object({
  rank: whole,
  alpha: z.number(),
  dropout: z.number(),
  targets: z.array(z.string()),
  parameters: whole,
});

export const withheldReason = z.enum(['filtered', 'too-few', 'unparseable', 'tie', 'failed']);
export const filterReason = z.enum([
  'empty',
  'too-short',
  'too-long',
  'keyword',
  'duplicate',
  'held-out',
  'similar',
]);
/** `future`: a temporary version that an iteration makes on its way (Temporal Self-Rewarding). */
export const stage = z.enum(['sft-baseline', 'sft', 'iteration', 'future']);
const split = z.enum(['ift', 'eft', 'ranked', 'heldOut', 'probes']);

const trainJob = z.object({
  stage,
  from: version,
  to: version,
  /** DPO's reference where it is not `from`. */
  reference: version.exactOptional(),
  objective: z.enum(['sft', 'dpo']),
  /** Names of the datasets, in order; they are derived from the log. */
  datasets: z.array(z.string()).min(1),
  key: rngKey,
  /** What the loss of a pair is made of; absent = plain DPO. */
  recipe: z
    .object({ loss: z.enum(['sigmoid', 'ipo']), nll: z.number(), agreement: z.number() })
    .exactOptional(),
  /** `command`: the program of config.command trains; absent = our own trainer. */
  by: z.literal('command').exactOptional(),
});

export const interval = z.object({ low: z.number(), high: z.number() });
/** One number of an evaluation. `value` is null where it is undefined (no data, constant ranks). */
export const metric = z.object({
  name: z.string(),
  value: z.number().nullable(),
  interval: interval.nullable(),
  n: whole,
});

export const messageSchema = z.discriminatedUnion('type', [
  // the run
  message('run.start', z.object({ configHash: z.string(), baseHash: z.string() })),
  message('run.pause', z.object({})),
  message('run.resume', z.object({})),
  /** A fork begins: all before it is the parent's, all after it is made with this config. */
  message(
    'run.forked',
    z.object({
      /** The parent's folder name, the first seq that is not shared, the parent's head before it. */
      parent: z.object({ run: z.string(), seq: whole, headHash: z.string() }),
      config: z.record(z.string(), z.unknown()),
      /** What differs from the parent's config: dotted path → new value. */
      changes: z.record(z.string(), z.unknown()),
      /** Facts that were changed by hand: they stand after this message as they are now. */
      overrides: z.array(
        z.object({
          /** In the parent's log. */
          seq: whole,
          /** Type and id: what the fact is known by, wherever it stands. */
          fact: z.string(),
          path: z.string(),
          was: z.unknown(),
          value: z.unknown(),
        }),
      ),
    }),
  ),
  /** The run goes on after a crash or a stop. */
  message('run.resumed', z.object({ tornBytes: whole })),
  message('run.finished', z.object({ versions: z.array(version) })),
  message('run.failed', z.object({ reason: z.string(), at: z.string() })),
  message('worker.crashed', z.object({ task: z.string(), attempt: whole, reason: z.string() })),
  message('message.refused', z.object({ by: z.string(), state: z.string(), type: z.string() })),
  // the world
  message('seed.request', z.object({})),
  message('seed.given', z.object({ split, rows: z.array(z.record(z.string(), z.unknown())) })),
  message('seed.ready', z.object({ counts: z.record(split, whole), notes: z.array(z.string()) })),
  message('prompts.known', z.object({ seed: z.array(z.string()), heldOut: z.array(z.string()) })),
  // generator
  message('prompts.request', z.object({ iteration: whole, version, asks: whole, credit: whole })),
  message('prompts.credit', z.object({ iteration: whole, episodes: whole })),
  message(
    'prompt.made',
    z.object({ episode, iteration: whole, prompt: z.string(), shots: z.array(z.string()), generation }),
  ),
  message(
    'prompt.filtered',
    z.object({
      episode,
      iteration: whole,
      prompt: z.string(),
      reason: filterReason,
      detail: z.string(),
      shots: z.array(z.string()),
      generation,
    }),
  ),
  message('prompt.failed', z.object({ episode, iteration: whole, reason: z.string() })),
  message('prompts.made', z.object({ iteration: whole, episodes: whole, filtered: whole, failed: whole })),
  // responder
  message(
    'responses.request',
    z.object({
      episode,
      iteration: whole,
      prompt: z.string(),
      /** Who answers once more, and the first candidate's number; absent = whoever is cast, from 0. */
      again: z.object({ version, first: whole }).exactOptional(),
    }),
  ),
  message('responses.made', z.object({ episode, candidates: z.array(candidate) })),
  message('responses.failed', z.object({ episode, reason: z.string() })),
  // judge
  message(
    'judgements.request',
    z.object({
      episode,
      iteration: whole,
      prompt: z.string(),
      responses: z.array(z.object({ id: response, text: z.string() })),
    }),
  ),
  message(
    'judgement.made',
    z.object({
      id: judgement,
      response,
      player: z.string(),
      verdict,
      /** What the judge wrote and how it was drawn; a scorer has none. */
      generation: generation.nullable(),
      /** Further judgements of this episode that are still to come. */
      left: whole,
    }),
  ),
  message('judgements.failed', z.object({ episode, reason: z.string() })),
  // pairing
  message(
    'pair.made',
    z.object({
      id: pair,
      iteration: whole,
      prompt: z.string(),
      chosen: scored,
      rejected: scored,
      positives: z.array(scored),
      consistency,
    }),
  ),
  message(
    'pair.withheld',
    z.object({
      episode,
      iteration: whole,
      reason: withheldReason,
      detail: z.string(),
      positives: z.array(scored),
      consistency,
    }),
  ),
  // pairs looked at again with a later version's answers (Temporal Self-Rewarding)
  message('pair.revise', z.object({ id: pair, iteration: whole, version })),
  message(
    'pair.revised',
    z.object({
      id: pair,
      iteration: whole,
      prompt: z.string(),
      chosen: scored,
      rejected: scored,
      /** Whose answer is the chosen one. */
      by: z.enum(['present', 'future']),
      detail: z.string(),
    }),
  ),
  // judgements compared with one another (Meta-Rewarding)
  message(
    'meta-judgements.request',
    z.object({
      episode,
      iteration: whole,
      prompt: z.string(),
      response: z.object({ id: response, text: z.string() }),
      judgements: z
        .array(z.object({ id: judgement, seq: whole, text: z.string(), score: z.number() }))
        .min(1),
    }),
  ),
  message(
    'meta-judgement.made',
    z.object({
      /** `<response>/<first>-<second>`, e.g. `1-0042/3/0.0-0.2`. */
      id: z.string(),
      episode,
      iteration: whole,
      first: judgement,
      second: judgement,
      player: z.string(),
      verdict: z.discriminatedUnion('status', [
        z.object({ status: z.literal('first') }),
        z.object({ status: z.literal('second') }),
        z.object({ status: z.literal('none'), reason: z.string() }),
      ]),
      /** What the meta-judge wrote and how it was drawn; a scorer and a likelihood have none. */
      generation: generation.nullable(),
    }),
  ),
  message('judgement-pairs.request', z.object({ iteration: whole })),
  message(
    'judgement-pair.made',
    z.object({
      /** Its episode's name: an episode gives one judgement pair or none. */
      id: pair,
      iteration: whole,
      prompt: z.string(),
      response: z.object({ id: response, text: z.string() }),
      chosen: ratedJudgement,
      rejected: ratedJudgement,
      /** Seqs of the verdicts behind the ratings. */
      metaJudgements: ids,
    }),
  ),
  message(
    'judgement-pair.withheld',
    z.object({
      episode,
      iteration: whole,
      reason: z.enum(['undisputed', 'no-verdict', 'tie', 'too-long', 'failed']),
      detail: z.string(),
    }),
  ),
  message(
    'judgement-pairs.made',
    z.object({
      iteration: whole,
      pairs: whole,
      withheld: whole,
      /** How often the judgement shown first, and the second, won in this iteration. */
      wins: z.object({ first: whole, second: whole }),
    }),
  ),
  // demonstrations as chosen answers (SPIN)
  message('demonstrations.request', z.object({ iteration: whole, offset: whole })),
  message(
    'demonstrations.given',
    z.object({
      rows: z.array(z.object({ id: z.string(), prompt: z.string(), response: z.string() })),
      /** Rows that are still to come. */
      left: whole,
    }),
  ),
  message(
    'demonstration.answered',
    z.object({
      id: pair,
      iteration: whole,
      prompt: z.string(),
      demonstration: z.string(),
      generation,
    }),
  ),
  // trainer
  message(
    'training.request',
    z.object({ stage, iteration: whole, from: version, to: version, judge: z.string(), episodes: whole }),
  ),
  message('model.train', trainJob),
  message(
    'training.stepped',
    z.object({
      to: version,
      step: whole,
      steps: whole,
      loss: z.number(),
      /** This and the next: null where an external trainer doesn't say. */
      gradNorm: z.number().nullable(),
      learningRate: z.number().nullable(),
      accuracy: z.number().nullable(),
      margin: z.number().nullable(),
    }),
  ),
  message(
    'model.trained',
    z.object({
      from: version,
      to: version,
      objective: z.enum(['sft', 'dpo']),
      rows: whole,
      /** Rows left out because they don't fit the model's context. */
      tooLong: whole,
      steps: whole,
      loss: z.number(),
      weightsHash: z.string(),
      dataHash: z.string(),
      adapter: adapter.exactOptional(),
    }),
  ),
  message(
    'version.made',
    z.object({
      version,
      from: version,
      reference: version.nullable(),
      stage,
      iteration: whole,
      weightsHash: z.string(),
      datasets: z.array(z.string()),
      dataHash: z.string(),
      rows: whole,
      /** Rows left out because they don't fit the model's context. */
      tooLong: whole,
      judge: z.string().nullable(),
      adapter: adapter.exactOptional(),
    }),
  ),
  message('training.failed', z.object({ to: version, reason: z.string() })),
  // the model and the scorers as addressees
  message(
    'model.request',
    z.object({
      id: z.string(),
      version,
      sampling,
      stop: z.array(z.string()),
      through,
      /** A run whose log answers what was asked there too. */
      recorded: z.string().exactOptional(),
      items: z.array(sampleItem).min(1),
    }),
  ),
  message(
    'model.result',
    z.object({
      id: z.string(),
      items: z.array(z.object({ id: z.string(), outputs: z.array(generation) })),
      /** Where a server answered. */
      usage: usage.exactOptional(),
    }),
  ),
  message(
    'score.request',
    z.object({
      id: z.string(),
      player: z.string(),
      prompt: z.string(),
      items: z.array(z.object({ id: z.string(), text: z.string(), keys: z.array(rngKey).min(1) })),
    }),
  ),
  message(
    'score.result',
    z.object({ id: z.string(), items: z.array(z.object({ id: z.string(), verdicts: z.array(verdict) })) }),
  ),
  /** How likely a version finds given answers. */
  message(
    'likelihood.request',
    z.object({
      id: z.string(),
      version,
      reference: version.nullable(),
      through,
      items: z.array(z.object({ id: z.string(), prompt: z.string(), target: z.string() })).min(1),
    }),
  ),
  message(
    'likelihood.result',
    z.object({
      id: z.string(),
      items: z.array(
        z.object({
          id: z.string(),
          /** Σ log p of the target and its end, nats; null where it doesn't fit the context. */
          logprob: z.number().nullable(),
          reference: z.number().nullable(),
          tokens: whole,
        }),
      ),
    }),
  ),
  message('request.failed', z.object({ id: z.string(), reason: z.string() })),
  // evaluation
  message(
    'evaluation.request',
    z.object({ version, against: z.array(version), reference: version.nullable(), judge: z.string() }),
  ),
  message(
    'evaluation.answered',
    z.object({
      version,
      prompt: z.string(),
      id: z.string(),
      generation,
      tokens: whole,
      truth: z.number().nullable(),
      selfScores: z.array(verdict),
      logprob: z.number().nullable(),
      referenceLogprob: z.number().nullable(),
    }),
  ),
  message(
    'evaluation.judged',
    z.object({
      version,
      group: z.string(),
      index: whole,
      value: z.number(),
      verdicts: z.array(verdict),
      texts: z.array(z.string()),
    }),
  ),
  /** Answers of `against`, kept from its own evaluation, as `version`'s judge scores them. */
  message(
    'evaluation.compared',
    z.object({ version, against: version, id: z.string(), verdicts: z.array(verdict) }),
  ),
  /** What the cast judge, behind a server, has cost in measuring a version. */
  message('evaluation.billed', z.object({ version, endpoint: z.string(), usage })),
  message('evaluation.made', z.object({ version, metrics: z.array(metric) })),
  message('evaluation.failed', z.object({ version, reason: z.string() })),
  message('eft.request', z.object({ version })),
  message('eft.given', z.object({ rows: z.array(z.record(z.string(), z.unknown())) })),
  message('eft.made', z.object({ kept: whole, leftOut: z.record(z.string(), whole) })),
]);

/** Names of all types. */
export const MESSAGE_TYPES: ReadonlySet<string> = new Set(
  messageSchema.options.map(({ shape }) => shape.type.value),
);

export type Message = z.output<typeof messageSchema>;
export type MessageType = Message['type'];
export type MessageOf<T extends MessageType> = Extract<Message, { type: T }>;
export type BodyOf<T extends MessageType> = MessageOf<T>['body'];
export type Generation = z.output<typeof generation>;
export type Candidate = z.output<typeof candidate>;
export type Verdict = z.output<typeof verdict>;
export type ScoredResponse = z.output<typeof scored>;
export type WithheldReason = z.output<typeof withheldReason>;
export type FilterReason = z.output<typeof filterReason>;
export type Stage = z.output<typeof stage>;
export type Metric = z.output<typeof metric>;
export type SeedSplit = z.output<typeof split>;
export type Usage = z.output<typeof usage>;
export type SampleItem = z.output<typeof sampleItem>;

/** Who can be written to. `record` is nobody: the message is only kept. */
export type Address =
  | 'coordinator'
  | 'generator'
  | 'responder'
  | 'judge'
  | 'meta-judge'
  | 'trainer'
  | 'world'
  | 'model'
  | 'scorer'
  | 'evaluator'
  | 'user'
  | 'record'
  | EndpointAddress
  | `episode:${string}`;

/** What a role or an addressee says. */
export interface Outgoing {
  readonly to: Address;
  readonly message: Message;
}

export const FORMAT_VERSION = 2;

/** One line of the log, `h` aside. */
export interface Envelope {
  /** Format of the log; older ones are read as well. */
  readonly v: number;
  readonly seq: number;
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly from: Address;
  readonly to: Address;
  /** The seq this answers; −1 for the first. */
  readonly cause: number;
  readonly type: MessageType;
  readonly body: Message['body'];
}

/** What a machine is given: a message with its place in the log. No time. */
export type Received = Message & { readonly seq: number };
