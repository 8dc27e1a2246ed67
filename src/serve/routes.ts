/**
 * The routes: which page takes what, and how one request is served from its body to its end.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { reasonOf } from '../protocol/errors.js';
import { keyOf } from '../rng.js';
import type { BatchCounts } from './batcher.js';
import type { Voice } from './choice.js';
import { checkHost, readJson } from './door.js';
import { chatJob, completionJob, type Job } from './jobs.js';
import type { ServeOptions } from './options.js';
import { errorAnswer, refusal } from './refusal.js';
import { type ChatRequest, type CompletionRequest, chatRequest, completionRequest } from './requests.js';
import { outOfTime, readerLeft, stopping, streamAnswer, type Telling, wholeAnswer } from './respond.js';

const BODY_LIMIT = 1 << 20;
const ANSWER_TIMEOUT = 600_000;

/**
 * The last bits of a row's numbers may depend on the rows beside it. A request with a seed is to be repeatable, so it stands alone
 * with its own choices; those go in step where the answer is whole, and where it is streamed to readers of any pace, each alone.
 */
export type Beside = 'anybody' | 'itself' | 'nobody';
const besideOf = ({ seed, stream }: ChatRequest | CompletionRequest): Beside =>
  seed == null ? 'anybody' : stream === true ? 'nobody' : 'itself';

export interface House extends ServeOptions {
  /** The model as one request hears it: what waits leaves with the signal, rows stand beside those of … */
  readonly voiceOf: (signal: AbortSignal, beside: Beside) => Voice;
  readonly batches: BatchCounts;
  /** Throws 401. */
  readonly checkKey: (request: IncomingMessage) => void;
  readonly started: number;
  readonly counts: { requests: number; unseeded: number };
  readonly running: Set<AbortController>;
  state: 'open' | 'closing';
}

function json(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  const text = JSON.stringify(body);
  response.writeHead(status, { ...headers, 'content-type': 'application/json; charset=utf-8' });
  response.end(text);
}

/** A seed for a request that brings none: the nth one's is always the same. */
const freshSeed = (house: House) => (): number =>
  keyOf(house.seed, 'serve-unseeded', house.counts.unseeded++)[0];

const modelCard = ({ name, started }: House) => ({
  id: name,
  object: 'model',
  created: Math.floor(started / 1000),
  owned_by: 'soliloquy',
});

function checkModel(house: House, model: string): void {
  if (model === house.name) return;
  const [asked, here] = [JSON.stringify(model), JSON.stringify(house.name)];
  throw refusal(404, `there is no model ${asked} here; there is ${here}`, {
    param: 'model',
    code: 'model_not_found',
  });
}

/** The job, and who does it. */
type Work = readonly [Job, Voice];

async function workOf(
  house: House,
  signal: AbortSignal,
  isChat: boolean,
  request: IncomingMessage,
): Promise<Work> {
  const body = await readJson(request, house.bodyLimit ?? BODY_LIMIT);
  if (isChat) {
    const asked = chatRequest(body);
    checkModel(house, asked.model);
    const voice = house.voiceOf(signal, besideOf(asked));
    return [chatJob(asked, house.chat, voice, freshSeed(house)), voice];
  }
  const asked = completionRequest(body);
  checkModel(house, asked.model);
  const voice = house.voiceOf(signal, besideOf(asked));
  return [completionJob(asked, voice, freshSeed(house)), voice];
}

async function generate(
  house: House,
  path: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const isChat = path === '/v1/chat/completions';
  const number = house.counts.requests++;
  const abort = new AbortController();
  const left = () => abort.abort(readerLeft());
  response.on('close', left);
  // A reader who is gone in mid-write; 'close' follows.
  response.on('error', left);
  house.running.add(abort);
  const timer = setTimeout(() => abort.abort(outOfTime()), house.answerTimeout ?? ANSWER_TIMEOUT);
  try {
    const [job, voice] = await workOf(house, abort.signal, isChat, request);
    const headers: Record<string, string> = isChat ? { 'x-soliloquy-chat-format': house.chat.name } : {};
    const created = Math.floor(house.clock.now() / 1000);
    const telling: Telling = {
      id: `${isChat ? 'chatcmpl' : 'cmpl'}-${house.started.toString(36)}-${number}`,
      model: house.name,
      created,
      fingerprint: house.model.backend,
      voice,
      signal: abort.signal,
      onFailure: (error) => logFailure(house, path, error),
    };
    if (job.stream) await streamAnswer(job, telling, response, headers);
    else json(response, 200, await wholeAnswer(job, telling), headers);
  } finally {
    clearTimeout(timer);
    response.off('close', left);
    house.running.delete(abort);
    // What a failed choice leaves of its neighbours ends with the next round.
    abort.abort(readerLeft());
  }
}

const logFailure = ({ log }: House, path: string, error: unknown): void => {
  const { status } = errorAnswer(error);
  // Readers who left, and those who were sent away at a full or closing house.
  if (status !== 499 && status !== 503)
    log(`${path}: ${status} ${status === 500 ? reasonOf(error) : errorAnswer(error).body.error.code}`);
};

type Handler = (house: House, path: string, request: IncomingMessage, response: ServerResponse) => unknown;
const ROUTES: Readonly<Record<string, { readonly method: 'GET' | 'POST'; readonly handle: Handler }>> = {
  '/v1/models': {
    method: 'GET',
    handle: (house, _path, _request, response) =>
      json(response, 200, { object: 'list', data: [modelCard(house)] }),
  },
  '/v1/chat/completions': { method: 'POST', handle: generate },
  '/v1/completions': { method: 'POST', handle: generate },
};

function oneModel(house: House, path: string, response: ServerResponse): void {
  const name = path.slice('/v1/models/'.length);
  if (name !== encodeURIComponent(house.name) && name !== house.name)
    throw refusal(404, 'there is no such model here', { param: 'model', code: 'model_not_found' });
  json(response, 200, modelCard(house));
}

const health = ({ state, running, batches }: House) => ({
  status: state === 'open' ? 'ok' : 'stopping',
  /** Answers under way that somebody still wants; rows that wait; batches so far, rows in them and in the largest. */
  running: [...running].filter(({ signal }) => !signal.aborted).length,
  ...batches,
});

export async function handle(
  house: House,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const path = (request.url ?? '/').replace(/\?.*$/s, '');
  if (house.key === null) checkHost(request);
  if (path === '/health' && request.method === 'GET') return json(response, 200, health(house));
  house.checkKey(request);
  if (house.state !== 'open') throw stopping();
  if (path.startsWith('/v1/models/') && request.method === 'GET') return oneModel(house, path, response);
  const route = Object.hasOwn(ROUTES, path) ? ROUTES[path] : undefined;
  if (route === undefined) throw refusal(404, 'there is no such page', { code: 'not_found' });
  if (route.method !== request.method)
    throw refusal(405, `${path} takes ${route.method}`, { code: 'method_not_allowed' });
  await route.handle(house, path, request, response);
}

export function refuse(
  house: House,
  request: IncomingMessage,
  response: ServerResponse,
  error: unknown,
): void {
  const { status, body } = errorAnswer(error);
  if (status >= 500) logFailure(house, 'request', error);
  if (response.destroyed || response.headersSent) {
    response.destroy();
    return;
  }
  // An unread body is let go, and its connection with it.
  const unread = !request.complete;
  json(response, status, body, unread ? { connection: 'close' } : {});
  if (unread) request.resume();
}
