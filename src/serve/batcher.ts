/**
 * One call for whatever waits: the first item starts a batch, those that come while it runs are the next. Only items of one
 * company stand in a batch: a row's last bits may depend on the rows beside it, so who must be repeatable is a company of its own.
 * A batch that fails fails for all of its items; items are checked before they come here.
 */
import { refusal } from './refusal.js';

/** Who may stand beside whom: those that bring the same one. Items that one company brings at the same time are one batch. */
export type Company = object;

export interface BatchCounts {
  /** Items that wait now. */
  readonly waiting: number;
  readonly batches: number;
  readonly items: number;
  readonly largest: number;
}

export interface Batcher<Item, Result> {
  /** An item whose signal says so leaves the queue; one that runs stays to its end. */
  run(item: Item, signal: AbortSignal, company: Company): Promise<Result>;
  readonly counts: BatchCounts;
}

export interface BatchLimits {
  /** Items of one batch. */
  readonly most: number;
  /** Batches under way at once; of one company never more than one. */
  readonly atOnce: number;
  /** Items that may wait. */
  readonly waiting: number;
}

interface Waiting<Item, Result> {
  readonly item: Item;
  readonly signal: AbortSignal;
  readonly company: Company;
  resolve(result: Result): void;
  reject(error: unknown): void;
}

export function createBatcher<Item, Result>(
  work: (items: readonly Item[]) => Promise<readonly Result[]>,
  limits: BatchLimits,
): Batcher<Item, Result> {
  let queue: Waiting<Item, Result>[] = [];
  const counts = { waiting: 0, batches: 0, items: 0, largest: 0 };
  /** Companies with a batch under way. */
  const running = new Set<Company>();
  let woken = false;

  const dropGone = () => {
    for (const { signal, reject } of queue) if (signal.aborted) reject(signal.reason);
    queue = queue.filter(({ signal }) => !signal.aborted);
  };
  /** The oldest item whose company is free, and what waits of that company. */
  const nextBatch = (): Waiting<Item, Result>[] => {
    const first = queue.find(({ company }) => !running.has(company));
    if (first === undefined || running.size >= limits.atOnce) return [];
    const batch = queue.filter(({ company }) => company === first.company).slice(0, limits.most);
    queue = queue.filter((one) => !batch.includes(one));
    return batch;
  };
  const answer = async (batch: readonly Waiting<Item, Result>[]) => {
    const { company } = batch[0]!;
    counts.batches++;
    counts.items += batch.length;
    counts.largest = Math.max(counts.largest, batch.length);
    running.add(company);
    try {
      const results = await work(batch.map(({ item }) => item));
      batch.forEach(({ resolve }, i) => {
        resolve(results[i]!);
      });
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
    running.delete(company);
    wake();
  };
  const wake = () => {
    if (woken) return;
    woken = true;
    // Whoever is answered goes on at once, and stands in the next batch too.
    setImmediate(() => {
      woken = false;
      dropGone();
      for (let batch = nextBatch(); batch.length > 0; batch = nextBatch()) void answer(batch);
      counts.waiting = queue.length;
    });
  };
  return {
    counts,
    run: (item, signal, company) =>
      new Promise((resolve, reject) => {
        if (queue.length >= limits.waiting) {
          reject(refusal(503, 'too many requests wait; try again later', { code: 'overloaded' }));
          return;
        }
        counts.waiting = queue.push({ item, signal, company, resolve, reject });
        wake();
      }),
  };
}
