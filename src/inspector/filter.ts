/**
 * Which messages a reader wants to see: by role, type, phase, episode, and by a text anywhere in the line. The first four are
 * looked up in the columns; a text is searched in the file, a block at a time, so that a long log blocks nobody.
 */
import { z } from 'zod';
import type { RunIndex } from './run-index.js';

const list = z
  .string()
  .transform((text) => text.split(',').filter((one) => one !== ''))
  .default([]);

/** As it stands in a page's address. */
export const filterSchema = z.object({
  /** Addresses that said or heard it; `episode` means all episodes. */
  role: list,
  type: list,
  phase: list,
  episode: z.string().default(''),
  text: z.string().max(1000).default(''),
});
export type Filter = z.output<typeof filterSchema>;

export interface Found {
  /** Ascending. */
  readonly seqs: Uint32Array;
  /** Of the log's messages, so many were looked at; fewer than there are while a text is being searched. */
  readonly searched: number;
}

export interface Finder {
  find(filter: Filter): Found;
}

/** Lines are searched in blocks of about so many bytes. */
const BLOCK = 1 << 22;
const KEPT = 8;

type Test = (seq: number) => boolean;

function testOf(index: RunIndex, { role, type, phase, episode }: Filter): Test {
  const { columns, names } = index;
  const ids = (wanted: readonly string[]) => new Set(wanted.map(names.find));
  const tests: Test[] = [];
  if (role.length > 0) {
    const exact = ids(role);
    const isWanted = (address: number) =>
      exact.has(address) || (role.includes('episode') && names.nameOf(address).startsWith('episode:'));
    tests.push((seq) => isWanted(columns.get('from', seq)) || isWanted(columns.get('to', seq)));
  }
  if (type.length > 0) {
    const wanted = ids(type);
    tests.push((seq) => wanted.has(columns.get('type', seq)));
  }
  if (phase.length > 0) {
    const wanted = ids(phase);
    tests.push((seq) => wanted.has(columns.get('phase', seq)));
  }
  if (episode !== '') {
    const wanted = names.find(episode);
    tests.push((seq) => wanted >= 0 && columns.get('episode', seq) === wanted);
  }
  return (seq) => tests.every((test) => test(seq));
}

/** A list that only grows. */
function createSeqs() {
  let room = new Uint32Array(1024);
  let count = 0;
  return {
    push(seq: number) {
      if (count === room.length) {
        const wider = new Uint32Array(2 * count);
        wider.set(room);
        room = wider;
      }
      room[count++] = seq;
    },
    all: () => room.subarray(0, count),
  };
}

/** One filter, kept up with the log. */
function createSearch(index: RunIndex, filter: Filter) {
  const passes = testOf(index, filter);
  // As it stands in the log, where texts are JSON.
  const needle = JSON.stringify(filter.text).slice(1, -1).toLowerCase();
  const found = createSeqs();
  let next = 0;
  let failure: unknown;
  let busy = false;

  /** Looks at the lines of one block; gives control back after each. */
  const searchBlock = (): void => {
    const { columns, tail } = index;
    const begin = columns.get('offset', next);
    let end = next;
    while (end < index.count && columns.get('offset', end) + columns.get('bytes', end) - begin < BLOCK) end++;
    end = Math.max(end, next + 1);
    const last = end - 1;
    const bytes = columns.get('offset', last) + columns.get('bytes', last) - begin;
    const block = tail.read(begin, bytes);
    const holds = (seq: number) => {
      const at = columns.get('offset', seq) - begin;
      return block
        .toString('utf8', at, at + columns.get('bytes', seq))
        .toLowerCase()
        .includes(needle);
    };
    const isThere = block.toString('utf8').toLowerCase().includes(needle);
    for (; next < end; next++) if (isThere && passes(next) && holds(next)) found.push(next);
  };
  const searchOn = (): void => {
    try {
      if (next < index.count) searchBlock();
      busy = next < index.count;
      if (busy) setImmediate(searchOn);
    } catch (error) {
      busy = false;
      failure = error;
    }
  };
  return (): Found => {
    if (failure !== undefined) throw failure;
    if (needle === '') for (; next < index.count; next++) passes(next) && found.push(next);
    else if (!busy) searchOn();
    return { seqs: found.all(), searched: next };
  };
}

/** Keeps the newest few searches. */
export function createFinder(index: RunIndex): Finder {
  const kept = new Map<string, ReturnType<typeof createSearch>>();
  return {
    find(filter) {
      const key = JSON.stringify(filter);
      const search = kept.get(key) ?? createSearch(index, filter);
      kept.delete(key);
      kept.set(key, search);
      if (kept.size > KEPT) kept.delete(kept.keys().next().value!);
      return search();
    },
  };
}

/** Place of the first seq ≥ this one, by bisection. */
export function placeOf(seqs: Uint32Array, seq: number): number {
  let low = 0;
  let high = seqs.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (seqs[middle]! < seq) low = middle + 1;
    else high = middle;
  }
  return low;
}
