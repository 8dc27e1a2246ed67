/** The time between a log's messages, lived through again. */
import { setTimeout as wait } from 'node:timers/promises';
import type { Clock } from '../protocol/ports.js';

/** Waits before each message as long as the run did, at `speed` times its pace; a signal ends the waiting. */
export function createPace(
  speed: number,
  { now }: Clock,
  signal?: AbortSignal,
): (message: { readonly at: number }) => Promise<void> {
  let first: { readonly log: number; readonly here: number } | undefined;
  return async ({ at }) => {
    first ??= { log: at, here: now() };
    const due = (at - first.log) / speed - (now() - first.here);
    if (due > 0) await wait(due, undefined, signal && { signal }).catch(() => undefined);
  };
}
