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
  run(item: Item): Promise<Result>;
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

  const next = async () => {
    const batch = queue.splice(0, limits.most);
    counts.waiting = queue.length;
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
    run: (item) =>
      new Promise((resolve, reject) => {
        if (queue.length >= limits.waiting) {
          reject(refusal(503, 'too many requests wait; try again later', { code: 'overloaded' }));
          return;
        }
        counts.waiting = queue.push({ item, resolve, reject });
        if (running) return;
        running = true;
        void drain();
      }),
  };
}
