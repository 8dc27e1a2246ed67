/**
 * Plays a log into the Stately inspector: as it grows, or at the pace at which it was written. The machines are folded here, so
 * that every snapshot has its context, whoever writes the log.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { machineDefinition } from '../../actors/machines.js';
import { createStaging } from '../../actors/staging.js';
import { openIndex } from '../inspector/run-index.js';
import { actorMessage, takenMessages, type Wording } from '../inspector/stately-messages.js';
import { type StatelyRelay, startRelay } from '../inspector/stately-relay.js';
import { reasonOf } from '../protocol/errors.js';
import type { Envelope } from '../protocol/messages.js';
import { readRunConfig } from '../store/run-config.js';
import { runFolder } from '../store/run-folder.js';
import { systemClock } from './options.js';
import { createPace } from './pace.js';

export interface FeedOptions extends Wording {
  readonly run: string;
  /** As fast as the run was, times this; absent: at once. */
  readonly speed?: number;
  readonly signal: AbortSignal;
}

const POLL_MS = 100;
/** Messages at a stretch before others have their turn. */
const STRETCH = 100;

const machineOf = (address: string): string => (address.startsWith('episode:') ? 'episode' : address);

/** Until the signal. */
export async function feedStately(relay: StatelyRelay, options: FeedOptions): Promise<void> {
  const { run, speed, signal } = options;
  const index = openIndex(runFolder(run).log);
  const staging = createStaging(readRunConfig(run).initial);
  const known = new Set<string>();
  const pace = speed === undefined ? null : createPace(speed, systemClock, signal);
  const tell = (envelope: Envelope): void => {
    staging.take(envelope);
    const { to, at } = envelope;
    const state = staging.snapshotOf(to);
    if (state === null) return;
    if (!known.has(to)) {
      known.add(to);
      relay.send(actorMessage({ address: to, ...state }, machineDefinition(machineOf(to)), at, options));
    }
    for (const message of takenMessages(
      envelope,
      { address: to, ...state },
      (one) => known.has(one),
      options,
    ))
      relay.send(message);
  };
  try {
    for (let seq = 0; !signal.aborted; ) {
      while (index.grow());
      for (; seq < index.count && !signal.aborted; seq++) {
        const envelope = index.read(seq);
        await pace?.(envelope);
        tell(envelope);
        if (seq % STRETCH === 0) await wait(0);
      }
      await wait(POLL_MS, undefined, { signal }).catch(() => undefined);
    }
  } finally {
    index.close();
  }
}

export interface OpenStately {
  readonly url: string;
  close(): Promise<void>;
}

/** The relay with a log played into it. */
export async function openStately({
  port,
  ...feed
}: Omit<FeedOptions, 'signal'> & { readonly port: number }): Promise<OpenStately> {
  const relay = await startRelay(port);
  const stop = new AbortController();
  const fed = feedStately(relay, { ...feed, signal: stop.signal }).catch((error: unknown) => {
    process.stderr.write(`stately: ${reasonOf(error)}\n`);
  });
  return {
    url: relay.url,
    async close() {
      stop.abort();
      await fed;
      await relay.close();
    },
  };
}
