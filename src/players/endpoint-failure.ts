/**
 * What a failed request means: who is away comes back, who is faulty may do better, who refuses refuses everything, who rejects
 * rejects this one request. The first two are asked again; a refusal stops the run, which `resume` then goes on with.
 */
import { APIConnectionError, APIError } from 'openai';
import { isSoliloquyError, reasonOf } from '../protocol/errors.js';
import type { Clock } from '../protocol/ports.js';

export type FailureKind = 'away' | 'faulty' | 'refused' | 'rejected' | 'no-room';

export interface Failure {
  readonly kind: FailureKind;
  readonly status: number | null;
  /** In the server's words, if it had any; cut to a line's length. */
  readonly text: string;
  /** Milliseconds that the server asks to wait. */
  readonly wait: number | null;
}

const MOST_TEXT = 300;
const short = (text: string): string => {
  const line = text.replace(/\s+/g, ' ').trim();
  return line.length <= MOST_TEXT ? line : `${line.slice(0, MOST_TEXT)}…`;
};

/** Retry-After: seconds or a date; OpenAI's own header has milliseconds. */
export function waitAsked(headers: Headers | undefined, clock: Clock): number | null {
  const exact = Number(headers?.get('retry-after-ms') ?? Number.NaN);
  if (exact >= 0) return exact;
  const text = headers?.get('retry-after')?.trim() ?? '';
  if (/^\d+(\.\d+)?$/.test(text)) return 1000 * Number(text);
  const date = /[a-z]/i.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(date) ? null : Math.max(0, date - clock.now());
}

const AWAY = new Set([429, 502, 503, 504, 529]);
const REFUSING = new Set([401, 402, 403, 404, 405, 407, 410]);
/** What all requests of an endpoint have in common. */
const SETTING = /^(model|logprobs|top_logprobs|seed|n|stop|max_(completion_)?tokens|temperature|top_p)$/;
const TOO_LONG =
  /context_length_exceeded|exceed_context_size|(maximum|max) context|context (length|size|window)/i;

function kindOf(status: number, code: unknown, param: unknown, text: string): FailureKind {
  if (code === 'insufficient_quota' || REFUSING.has(status) || status < 400) return 'refused';
  if (AWAY.has(status)) return 'away';
  if (status >= 500 || status === 408 || status === 409) return 'faulty';
  if (TOO_LONG.test(`${code} ${text}`)) return 'no-room';
  return SETTING.test(String(param)) ? 'refused' : 'rejected';
}

/** The innermost reason of a connection that failed, such as ECONNREFUSED. */
function rootOf(error: unknown): string {
  const { cause, code } = error as { readonly cause?: unknown; readonly code?: unknown };
  if (cause instanceof Error) return rootOf(cause);
  return typeof code === 'string' ? code : reasonOf(error);
}

/** Where no answer came, or none that could be read. */
const unread = (kind: FailureKind, text: string): Failure => ({ kind, status: null, text, wait: null });

/** `timedOut`: it was we who gave up on the answer. */
export function failureOf(error: unknown, timedOut: boolean, clock: Clock): Failure {
  if (timedOut) return unread('faulty', 'no answer in time');
  if (error instanceof APIConnectionError) {
    const inner = error.cause;
    return isSoliloquyError(inner) ? unread('rejected', inner.message) : unread('away', rootOf(error));
  }
  if (!(error instanceof APIError) || error.status === undefined)
    return unread('rejected', `no answer of the OpenAI API: ${short(reasonOf(error))}`);
  const status = error.status as number;
  const text = short(error.message.replace(/^\d+ /, ''));
  const kind = kindOf(status, error.code, error.param, error.message);
  return { kind, status, text, wait: waitAsked(error.headers as Headers | undefined, clock) };
}
