/**
 * A long list read in windows: what is on the screen is asked for, what was read is kept, and the newest part is read again as the
 * list grows. Owns the asking; what a row is and where it comes from is the caller's.
 */
import { signal } from '@preact/signals';

/** Rows asked for at once. */
export const WINDOW = 100;
/** Windows that are kept; a row is some 300 bytes. */
const KEPT = 60;

export interface Answer<T> {
  readonly total: number;
  readonly rows: readonly T[];
}

export interface Windows<T> {
  /** Rows that there are; grows. Read it in a component to be drawn again. */
  readonly total: number;
  /** Undefined while it isn't read yet. */
  at(index: number): T | undefined;
  /** These rows are on the screen. */
  want(first: number, last: number): void;
  /** There may be more, and rows that weren't final may be now. */
  refresh(): void;
  /** Nobody looks at it any more. */
  close(): void;
}

export interface WindowsOptions<T> {
  readonly read: (from: number, count: number, signal: AbortSignal) => Promise<Answer<T>>;
  /** A row that will not change any more. */
  readonly isFinal: (row: T) => boolean;
  readonly onError: (error: unknown) => void;
}

export function createWindows<T>({ read, isFinal, onError }: WindowsOptions<T>): Windows<T> {
  const kept = new Map<number, readonly T[]>();
  const stale = new Set<number>();
  const asked = new Set<number>();
  const end = new AbortController();
  const total = signal(-1);
  const changed = signal(0);
  let wanted: readonly number[] = [];

  const ask = async (window: number): Promise<void> => {
    if (asked.has(window)) return;
    asked.add(window);
    stale.delete(window);
    try {
      const answer = await read(window * WINDOW, WINDOW, end.signal);
      kept.delete(window);
      kept.set(window, answer.rows);
      if (kept.size > KEPT) kept.delete(kept.keys().next().value!);
      total.value = answer.total;
      changed.value++;
    } catch (error) {
      if (!end.signal.aborted) onError(error);
    } finally {
      asked.delete(window);
    }
  };
  const askWanted = (): void => {
    for (const window of wanted) if (!kept.has(window) || stale.has(window)) void ask(window);
  };
  return {
    get total() {
      return Math.max(0, total.value);
    },
    at(index) {
      void changed.value;
      return kept.get(Math.floor(index / WINDOW))?.[index % WINDOW];
    },
    want(first, last) {
      const from = Math.floor(Math.max(0, first) / WINDOW);
      const to = Math.floor(Math.max(0, last) / WINDOW);
      wanted = Array.from({ length: to - from + 1 }, (_, i) => from + i);
      askWanted();
    },
    refresh() {
      for (const [window, rows] of kept) if (rows.length < WINDOW || !rows.every(isFinal)) stale.add(window);
      // Without one that is read again nobody would hear of a new total.
      if (!wanted.some((window) => !kept.has(window) || stale.has(window))) void ask(wanted[0] ?? 0);
      askWanted();
    },
    close: () => end.abort(),
  };
}
