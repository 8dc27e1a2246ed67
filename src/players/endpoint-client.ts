/**
 * One server of the OpenAI API as a model that is asked: which requests a question becomes, how many are under way, what comes
 * back as generations, and what it has cost. Each sample is asked for with a seed made of its own key, so the same run asks the
 * same whatever was asked before; with `n` the samples of a prompt share the seed of the first.
 * Owns no retry rule (endpoint-retry.ts), no reading of answers (endpoint-answer.ts), no environment: the key is given.
 */
import { setMaxListeners } from 'node:events';
import OpenAI from 'openai';
import { type EndpointConfig, endpointAddress } from '../protocol/endpoints.js';
import { reasonOf, SoliloquyError } from '../protocol/errors.js';
import { versionId } from '../protocol/ids.js';
import type { RngKey } from '../protocol/lm.js';
import type { Generation, Usage } from '../protocol/messages.js';
import type { Clock, Endpoint, EndpointAnswers, EndpointQuestion, Timer } from '../protocol/ports.js';
import { type Answered, answerOf, type Choice } from './endpoint-answer.js';
import type { Failure } from './endpoint-failure.js';
import { guardedFetch, strikeOut } from './endpoint-fetch.js';
import { createGate, type Gate } from './endpoint-gate.js';
import { tryToSend } from './endpoint-retry.js';

export interface EndpointOptions {
  readonly name: string;
  readonly config: EndpointConfig;
  /** Null: none is sent. */
  readonly key: string | null;
  readonly clock: Clock;
  readonly timer: Timer;
  /** Ends all that is under way. */
  readonly signal: AbortSignal;
  /** Bytes of one answer, at most. */
  readonly bodyLimit?: number;
}

/** 31 bits: every server takes them. */
export const seedOf = (key: RngKey): number => key[0] >>> 1;

type Page = 'chat' | 'completions';
const pageOf = ({ api }: EndpointConfig, { through }: EndpointQuestion): Page =>
  api === 'auto' ? (through === 'chat' ? 'chat' : 'completions') : api;

/** Nothing of the environment is taken but the key, which is given. */
const clientOf = ({ config, key, bodyLimit }: EndpointOptions): OpenAI =>
  new OpenAI({
    baseURL: config.url,
    apiKey: key ?? 'none',
    adminAPIKey: null,
    organization: null,
    project: null,
    webhookSecret: null,
    maxRetries: 0,
    timeout: 2 ** 31 - 1, // ours is over earlier
    logLevel: 'off',
    fetch: guardedFetch(strikeOut(key), bodyLimit),
    ...(key === null && { defaultHeaders: { authorization: null } }),
  });

interface One {
  readonly prompt: string;
  readonly keys: readonly RngKey[];
}

function bodyOf(config: EndpointConfig, page: Page, question: EndpointQuestion, { prompt, keys }: One) {
  const { sampling, stop } = question;
  const stops = stop.slice(0, config.stops);
  return {
    model: config.model,
    ...(page === 'chat' ? { messages: [{ role: 'user' as const, content: prompt }] } : { prompt }),
    [page === 'chat' ? config.limit : 'max_tokens']: sampling.maxNewTokens,
    ...(config.sampling && { temperature: sampling.temperature, top_p: sampling.topP }),
    ...(stops.length > 0 && { stop: stops }),
    ...(config.seed && { seed: seedOf(keys[0]!) }),
    ...(keys.length > 1 && { n: keys.length }),
    ...(config.logprobs && { logprobs: page === 'chat' ? true : 1 }),
  };
}

/** What one request came to. */
interface Reply extends Answered {
  readonly retries: number;
}

const NO_ROOM: Answered = { choices: [{ text: '', finish: 'no-room', logprob: 0 }], tokens: null };

export function createEndpoint(options: EndpointOptions): Endpoint {
  const { config } = options;
  const client = clientOf(options);
  const gate = createGate(config.concurrency);
  return {
    async ask(question) {
      const rest = new AbortController();
      const signal = AbortSignal.any([options.signal, rest.signal]);
      setMaxListeners(0, signal); // as many as samples wait
      try {
        const asked = question.items.map((item) =>
          samplesOf({ options, client, gate, signal, question }, item),
        );
        const replies = await Promise.all(asked);
        return answersOf(options, question, replies);
      } catch (error) {
        rest.abort(error); // one answer of a question is as good as none
        throw error;
      }
    },
  };
}

interface Asking {
  readonly options: EndpointOptions;
  readonly client: OpenAI;
  readonly gate: Gate;
  readonly signal: AbortSignal;
  readonly question: EndpointQuestion;
}

/** A choice for each key: in one request where the server knows `n`, those that it leaves out one by one. */
async function samplesOf(asking: Asking, { prompt, keys }: One): Promise<readonly Reply[]> {
  const alone = (some: readonly RngKey[]) =>
    Promise.all(some.map((key) => requestOf(asking, { prompt, keys: [key] })));
  if (!asking.options.config.n || keys.length === 1) return alone(keys);
  const first = await requestOf(asking, { prompt, keys });
  const [one] = first.choices;
  if (one?.finish === 'no-room') return [{ ...first, choices: keys.map(() => one) }];
  return [first, ...(await alone(keys.slice(first.choices.length)))];
}

async function requestOf({ options, client, gate, signal, question }: Asking, one: One): Promise<Reply> {
  const { config, clock, timer } = options;
  const page = pageOf(config, question);
  const body = bodyOf(config, page, question, one);
  const send = async (until: AbortSignal): Promise<object> => ({
    said:
      page === 'chat'
        ? await client.chat.completions.create(body as OpenAI.ChatCompletionCreateParamsNonStreaming, {
            signal: until,
          })
        : await client.completions.create(body as OpenAI.CompletionCreateParamsNonStreaming, {
            signal: until,
          }),
  });
  const trying = {
    key: one.keys[0]!,
    timeout: 1000 * config.timeoutSeconds,
    retries: config.retries,
    patience: 1000 * config.patienceSeconds,
    clock,
    timer,
    signal,
  };
  const tried = await gate.through(() => tryToSend(send, trying), signal);
  const { retries } = tried;
  if ('failure' in tried) {
    if (tried.failure.kind === 'no-room') return { ...NO_ROOM, retries };
    throw errorOf(options, page, tried.failure, tried.awayFor);
  }
  const { said } = tried.value as { readonly said: unknown };
  const answered = readAnswer(options, page, said, question.stop);
  return { ...answered, choices: answered.choices.slice(0, one.keys.length), retries };
}

function readAnswer(options: EndpointOptions, page: Page, said: unknown, stop: readonly string[]): Answered {
  try {
    return answerOf(page, said, stop);
  } catch (error) {
    throw errorOf(options, page, { kind: 'rejected', status: null, text: reasonOf(error), wait: null }, 0);
  }
}

function errorOf(
  { name, config, key }: EndpointOptions,
  page: Page,
  failure: Failure,
  awayFor: number,
): SoliloquyError {
  const { kind, status, text } = failure;
  const at = `${config.url.replace(/\/+$/, '')}${page === 'chat' ? '/chat/completions' : '/completions'}`;
  const said = strikeOut(key)(status === null ? text : `${status} ${text}`);
  const fields = { endpoint: name, url: at, status };
  if (kind === 'away')
    return new SoliloquyError(
      'endpoint.away',
      `endpoint ${name}: ${at} is away for ${Math.round(awayFor / 1000)} s: ${said}`,
      {
        ...fields,
        fix: `start the server and go on with \`soliloquy resume RUN\`, or raise endpoints.${name}.patienceSeconds`,
      },
    );
  if (kind === 'refused')
    return new SoliloquyError('endpoint.refused', `endpoint ${name}: ${at} refuses: ${said}`, {
      ...fields,
      fix: fixOf(name, config, failure),
    });
  return new SoliloquyError('endpoint.invalid', `endpoint ${name}: ${at}: ${said}`, {
    ...fields,
    fix: 'see what the server logs',
  });
}

function fixOf(name: string, { keyEnv, model }: EndpointConfig, { status, text }: Failure): string {
  if (status === 401 || status === 403)
    return keyEnv === undefined
      ? `put its key into an environment variable and name that: --set endpoints.${name}.keyEnv=NAME`
      : `see whether ${keyEnv} holds the right key`;
  if (status === 404)
    return `see whether endpoints.${name}.url ends as the server's API begins (…/v1), and whether it has a model "${model}"`;
  if (text.includes('max_completion_tokens'))
    return `give it its name for the most tokens: --set endpoints.${name}.limit=max_completion_tokens`;
  if (/\b(temperature|top_p)\b/.test(text)) return `send it none: --set endpoints.${name}.sampling=false`;
  return `correct endpoints.${name}: what the server takes, it says above`;
}

function answersOf(
  { name, key: secret, config: { price } }: EndpointOptions,
  { items }: EndpointQuestion,
  replies: readonly (readonly Reply[])[],
): EndpointAnswers {
  const version = versionId(endpointAddress(name));
  const clean = strikeOut(secret);
  const generation = ({ text, finish, logprob }: Choice, key: RngKey): Generation => {
    return { text: clean(text), ids: [], logprob, finish, key: [key[0], key[1]], version };
  };
  const outputs = items.map(({ keys }, i) => {
    const choices = replies[i]!.flatMap((reply) => reply.choices);
    return keys.map((key, k) => generation(choices[k]!, key));
  });
  const all = replies.flat();
  const sum = (of: (reply: Reply) => number): number => all.reduce((total, reply) => total + of(reply), 0);
  const promptTokens = sum(({ tokens }) => tokens?.prompt ?? 0);
  const completionTokens = sum(({ tokens }) => tokens?.completion ?? 0);
  const priced = price.input > 0 || price.output > 0;
  const usage: Usage = {
    requests: all.length,
    retries: sum(({ retries }) => retries),
    promptTokens,
    completionTokens,
    untold: sum(({ tokens }) => (tokens === null ? 1 : 0)),
    cost: priced ? (promptTokens * price.input + completionTokens * price.output) / 1e6 : null,
    currency: price.currency,
  };
  return { outputs, usage };
}
