/**
 * One call for whatever waits: the first item starts a batch, those that come while it runs are the next. A batch that fails
 * fails for all of its items; items are checked before they come here.
 */
import { refusal } from './refusal.js';

export interface BatchCounts {
  /** Items that wait now. */
  readonly waiting: number;
  readonly batches: number;
  readonly items: number;
  readonly largest: number;
}

export interface Batcher<Item, Result> {
  /** An item whose signal says so leaves the queue; one that runs stays to its end. */
  run(item: Item, signal: AbortSignal): Promise<Result>;
  readonly counts: BatchCounts;
}

export interface BatchLimits {
  /** Items of one batch. */
  readonly most: number;
  /** Items that may wait. */
  readonly waiting: number;
}

interface Waiting<Item, Result> {
  readonly item: Item;
  readonly signal: AbortSignal;
  resolve(result: Result): void;
  reject(error: unknown): void;
}

export function createBatcher<Item, Result>(
  work: (items: readonly Item[]) => Promise<readonly Result[]>,
  limits: BatchLimits,
): Batcher<Item, Result> {
  const queue: Waiting<Item, Result>[] = [];
  const counts = { waiting: 0, batches: 0, items: 0, largest: 0 };
  let running = false;

  const nextBatch = () => {
    const batch: Waiting<Item, Result>[] = [];
    while (batch.length < limits.most) {
      const first = queue.shift();
      if (first === undefined) break;
      if (first.signal.aborted) first.reject(first.signal.reason);
      else batch.push(first);
    }
    return batch;
  };
  const next = async () => {
    const batch = nextBatch();
    counts.waiting = queue.length;
    if (batch.length === 0) return;
    counts.batches++;
    counts.items += batch.length;
    counts.largest = Math.max(counts.largest, batch.length);
    try {
      const results = await work(batch.map(({ item }) => item));
      batch.forEach(({ resolve }, i) => {
        resolve(results[i]!);
      });
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  };
  const drain = async () => {
    while (queue.length > 0) {
      // Whoever is answered goes on at once, and stands in the next batch too.
      await new Promise((resolve) => setImmediate(resolve));
      await next();
    }
    running = false;
  };
  return {
    counts,
    run: (item, signal) =>
      new Promise((resolve, reject) => {
        if (queue.length >= limits.waiting) {
          reject(refusal(503, 'too many requests wait; try again later', { code: 'overloaded' }));
          return;
        }
        counts.waiting = queue.push({ item, signal, resolve, reject });
        if (running) return;
        running = true;
        void drain();
      }),
  };
}
