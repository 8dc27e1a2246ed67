/**
 * Sends one request until it is answered, refused, or patience is over. Waits grow exponentially with jitter from our own
 * generator, or as the server says (Retry-After). Time and sleep are inputs.
 */

import type { RngKey } from '../protocol/lm.js';
import type { Clock, Timer } from '../protocol/ports.js';
import { keyOf, rngOf } from '../rng.js';
import { type Failure, failureOf } from './endpoint-failure.js';

export interface Trying {
  /** Of the first sample asked for: what jitter is drawn with. */
  readonly key: RngKey;
  readonly timeout: number;
  readonly retries: number;
  /** Milliseconds that a server may be away. */
  readonly patience: number;
  readonly clock: Clock;
  readonly timer: Timer;
  /** Ends all trying and waiting. */
  readonly signal: AbortSignal;
}

export type Tried<T> = { readonly retries: number } & (
  | { readonly value: T }
  | { readonly failure: Failure; readonly awayFor: number }
);

const FIRST_WAIT = 250;
const LONGEST_WAIT = 10_000;

/** Milliseconds before attempt `attempt` (from 1): doubling, jittered down to half. */
export function backOff(key: RngKey, attempt: number): number {
  const full = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** (attempt - 1));
  return full * (0.5 + 0.5 * rngOf(keyOf(key[0], 'back-off', key[1], attempt)).uniform());
}

/** What is sent, under a signal that also ends it when its time is over. */
async function once<T>(send: (signal: AbortSignal) => Promise<T>, trying: Trying): Promise<T | Failure> {
  const { timeout, timer, clock, signal } = trying;
  const done = new AbortController();
  const late = new AbortController();
  void timer.sleep(timeout, done.signal).then(
    () => late.abort(),
    () => undefined,
  );
  try {
    return await send(AbortSignal.any([signal, late.signal]));
  } catch (error) {
    signal.throwIfAborted();
    return failureOf(error, late.signal.aborted, clock);
  } finally {
    done.abort();
  }
}

const isFailure = (result: unknown): result is Failure =>
  typeof result === 'object' && result !== null && 'kind' in result && 'wait' in result;

export async function tryToSend<T extends object>(
  send: (signal: AbortSignal) => Promise<T>,
  trying: Trying,
): Promise<Tried<T>> {
  const { key, retries: most, patience, clock, timer, signal } = trying;
  let retries = 0;
  let faults = 0;
  /** When it was first found away; anything else it says ends that. */
  let since: number | null = null;
  for (;;) {
    const result = await once(send, trying);
    if (!isFailure(result)) return { value: result, retries };
    const { kind, wait } = result;
    if (kind !== 'away' && kind !== 'faulty') return { failure: result, retries, awayFor: 0 };
    since = kind === 'away' ? (since ?? clock.now()) : null;
    const awayFor = since === null ? 0 : clock.now() - since;
    const pause = wait === null ? backOff(key, retries + 1) : wait + backOff(key, 1);
    const over = kind === 'away' ? awayFor + pause > patience : ++faults > most || (wait ?? 0) > patience;
    if (over) return { failure: result, retries, awayFor };
    await timer.sleep(pause, signal);
    retries++;
  }
}
