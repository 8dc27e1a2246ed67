/**
 * Makes a job's choices side by side and tells them: whole as one JSON, or piece by piece as server-sent events. Whoever has
 * left stops the work with the next round.
 */
import type { ServerResponse } from 'node:http';
import { type ChoiceSpec, choiceOf, type Piece, type TokenSaid, type Voice } from './choice.js';
import type { Job } from './jobs.js';
import { errorAnswer, refusal } from './refusal.js';
import { type Said, usageOf } from './shapes.js';

export interface Telling {
  readonly id: string;
  readonly model: string;
  /** Seconds since the epoch. */
  readonly created: number;
  readonly fingerprint: string;
  readonly voice: Voice;
  /** Ends the work between two rounds: the reader left, time is up, the server stops. */
  readonly signal: AbortSignal;
  /** Hears of a failure that came after the head of a stream. */
  readonly onFailure: (error: unknown) => void;
}

const headOf = ({ id, model, created, fingerprint }: Telling, object: string) => ({
  id,
  object,
  created,
  model,
  system_fingerprint: fingerprint,
});

async function* pieces(spec: ChoiceSpec, { voice, signal }: Telling): AsyncGenerator<Piece> {
  for await (const piece of choiceOf(spec, voice)) {
    signal.throwIfAborted();
    yield piece;
  }
}

async function whole(job: Job, spec: ChoiceSpec, telling: Telling): Promise<{ said: Said; made: number }> {
  const echo = await job.echo(spec.index);
  let text = echo?.text ?? '';
  const before = text.length;
  const tokens: TokenSaid[] = [...(echo?.tokens ?? [])];
  let last: Piece | undefined;
  for await (const piece of pieces(spec, telling)) {
    text += piece.text;
    tokens.push(...piece.tokens.map((token) => ({ ...token, offset: token.offset + before })));
    last = piece;
  }
  return { said: { index: spec.index, text, tokens, finish: last!.finish }, made: last!.made };
}

/** The one JSON of an answer that is not streamed. */
export async function wholeAnswer(job: Job, telling: Telling): Promise<unknown> {
  const all = await Promise.all(job.choices.map((spec) => whole(job, spec, telling)));
  const made = all.reduce((sum, one) => sum + one.made, 0);
  return {
    ...headOf(telling, job.shape.object),
    choices: all.map(({ said }) => job.shape.choice(said)),
    usage: usageOf(job.promptTokens, made),
  };
}

/** Resolves when the reader can take more, has left, or the answer is given up. */
function written(response: ServerResponse, text: string, signal: AbortSignal): Promise<void> {
  if (response.destroyed || response.write(text) || signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      response.off('drain', done);
      response.off('close', done);
      signal.removeEventListener('abort', done);
      resolve();
    };
    response.on('drain', done);
    response.on('close', done);
    signal.addEventListener('abort', done);
  });
}

type Send = (value: unknown) => Promise<void>;

async function tell(job: Job, spec: ChoiceSpec, telling: Telling, sendChoice: Send): Promise<number> {
  const { shape } = job;
  const { index } = spec;
  const opening = shape.opening(index);
  if (opening !== null) await sendChoice(opening);
  const echo = await job.echo(index);
  if (echo !== null) await sendChoice(shape.chunk(echo));
  const before = echo?.text.length ?? 0;
  let made = 0;
  for await (const piece of pieces(spec, telling)) {
    made = piece.made;
    if (piece.text === '' && piece.tokens.length === 0 && piece.finish === null) continue;
    const tokens = piece.tokens.map((token) => ({ ...token, offset: token.offset + before }));
    // The end comes by itself, after the last text.
    if (piece.text !== '' || tokens.length > 0)
      await sendChoice(shape.chunk({ index, text: piece.text, tokens, finish: null }));
    if (piece.finish !== null)
      await sendChoice(shape.chunk({ index, text: '', tokens: [], finish: piece.finish }));
  }
  return made;
}

/** Server-sent events, to the end of the response. */
export async function streamAnswer(
  job: Job,
  telling: Telling,
  response: ServerResponse,
  headers: Readonly<Record<string, string>>,
): Promise<void> {
  const head = headOf(telling, job.shape.chunkObject);
  const { signal } = telling;
  const send: Send = (value) => written(response, `data: ${JSON.stringify(value)}\n\n`, signal);
  const usage = (value: unknown) => (job.includeUsage ? { usage: value } : {});
  const sendChoice: Send = (choice) => send({ ...head, choices: [choice], ...usage(null) });
  response.writeHead(200, {
    ...headers,
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-cache',
  });
  try {
    const made = await Promise.all(job.choices.map((spec) => tell(job, spec, telling, sendChoice)));
    const total = made.reduce((sum, one) => sum + one, 0);
    if (job.includeUsage) await send({ ...head, choices: [], ...usage(usageOf(job.promptTokens, total)) });
    await written(response, 'data: [DONE]\n\n', signal);
  } catch (error) {
    telling.onFailure(error);
    await send(errorAnswer(error).body);
    // Whoever doesn't read would keep the connection for ever.
    if (response.writableNeedDrain) response.destroy();
  }
  response.end();
}

export const outOfTime = () => refusal(504, 'the answer took too long', { code: 'timeout' });
export const stopping = () => refusal(503, 'the server is stopping', { code: 'stopping' });
export const readerLeft = () => refusal(499, 'the client left', { code: 'client_closed_request' });
