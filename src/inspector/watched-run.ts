/**
 * A run that somebody looks at: its index kept up with the log's file, the states of all machines, searches. Work goes on in
 * small pieces between requests. States are folded here, or given by the live run, which has them already.
 */
import { SoliloquyError } from '../protocol/errors.js';
import type { Clock } from '../protocol/ports.js';
import { type Contexts, createContexts, type Stage } from './contexts.js';
import { createFinder, type Finder } from './filter.js';
import { readIndex, writeIndex } from './index-file.js';
import { createMoments, type Moment } from './moments.js';
import { openIndex, type RunIndex } from './run-index.js';

export interface WatchedRun {
  readonly index: RunIndex;
  readonly finder: Finder;
  readonly contexts: Contexts;
  /** After message `seq`; of what isn't stated yet, the newest that is. */
  moment(seq: number): Moment;
  /** Shares of the file that are indexed and stated, 0–1. */
  progress(): { readonly indexed: number; readonly stated: number };
  /** Heard whenever there is something new; the returned function ends it. */
  onChange(listener: () => void): () => void;
  /** From the live run: the recipient's state after each message, in the order of seqs. */
  give(from: number, states: readonly (string | null)[]): void;
  /** What went wrong with the log, if something did. */
  readonly failure: unknown;
  /** Writes the index down, if it has grown, and lets go of everything. */
  close(): void;
}

export interface WatchOptions {
  readonly log: string;
  readonly roles: readonly string[];
  readonly createStage: () => Stage;
  readonly clock: Clock;
  /** The live run gives the states from this message on; absent: all are folded here. */
  readonly givenFrom?: number;
}

/** How often a file is looked at for new lines. */
const POLL_MS = 200;
/** Work at a stretch before others have their turn. */
const STRETCH_MS = 12;

export function watchRun({ log, roles, createStage, clock, givenFrom }: WatchOptions): WatchedRun {
  const stored = readIndex(log);
  const index = openIndex(log, stored);
  const momentAfter = createMoments(index, roles);
  const contexts = createContexts(log, index, stored !== undefined, createStage, clock);
  const listeners = new Set<() => void>();
  const waiting: (string | null)[] = [];
  let stage: Stage | null = null;
  let folded = 0;
  let failure: unknown;
  let closed = false;
  let timer: NodeJS.Timeout | undefined;
  const known = { count: index.count, stated: index.stated };

  /** A fold starts at the beginning; a log that was stated in part is folded again up to there. */
  const foldOne = (): void => {
    stage ??= createStage();
    const state = contexts.take(stage, index.read(folded), folded);
    if (folded >= index.stated) index.setState(folded, state);
    folded++;
  };
  const isGiven = (seq: number): boolean => givenFrom !== undefined && seq >= givenFrom;
  /** True if there is more to do at once. */
  const stateSome = (until: number): boolean => {
    while (index.stated < index.count) {
      if (isGiven(index.stated)) {
        if (waiting.length === 0) return false;
        index.setState(index.stated, waiting.shift()!);
      } else if (clock.now() >= until) return true;
      else foldOne();
    }
    return false;
  };
  const work = (): void => {
    if (closed) return;
    const before = index.count + index.stated;
    let more = false;
    try {
      const until = clock.now() + STRETCH_MS;
      do more = index.grow();
      while (more && clock.now() < until);
      more = stateSome(until) || more;
    } catch (error) {
      failure = error;
    }
    if (failure === undefined) timer = setTimeout(work, more ? 0 : POLL_MS);
    if (index.count + index.stated !== before || failure !== undefined)
      for (const listener of listeners) listener();
    if (!more && failure === undefined && givenFrom === undefined) save();
  };
  const save = (): void => {
    const grown = index.count - known.count + index.stated - known.stated;
    // A log that grows all the time is not written down at every step of it.
    if (grown === 0 || (grown < known.count / 4 && !closed)) return;
    if (index.stated < index.count) return;
    Object.assign(known, { count: index.count, stated: index.stated });
    try {
      writeIndex(log, index);
      contexts.save();
    } catch {
      // A folder that can't be written is looked at all the same; the index is made again next time.
    }
  };
  timer = setTimeout(work, 0);
  return {
    index,
    finder: createFinder(index),
    contexts,
    moment: (seq) => momentAfter(Math.min(seq, index.stated - 1)),
    progress() {
      const size = Math.max(1, index.tail.size());
      return {
        indexed: index.tail.bytes / size,
        stated: index.count === 0 ? 1 : index.stated / index.count,
      };
    },
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    give(from, states) {
      if (givenFrom === undefined || from < givenFrom)
        throw new SoliloquyError(
          'protocol.violation',
          `the state after message ${from} is folded, not given`,
        );
      waiting.push(...states);
    },
    get failure() {
      return failure;
    },
    close() {
      if (closed) return;
      closed = true;
      clearTimeout(timer);
      save();
      index.close();
    },
  };
}
