/**
 * A log's index in memory: a few numbers a message in growable columns, and the names that they stand for. About 60 bytes a
 * message, whatever the message holds. No text of a message is kept; lines are read again from the file.
 */

/** What each message is known by; −1 stands for none. */
const KINDS = {
  /** Byte at which its line begins. */
  offset: Float64Array,
  /** Milliseconds since the epoch. */
  at: Float64Array,
  /** Length of the line in bytes, without its newline. */
  bytes: Uint32Array,
  cause: Int32Array,
  /** Names: see `Names`. */
  type: Int32Array,
  from: Int32Array,
  to: Int32Array,
  phase: Int32Array,
  episode: Int32Array,
  /** State of the recipient after it took the message. */
  state: Int32Array,
  /** The first and the last message that name this one as their cause; the next with the same cause. */
  firstEffect: Int32Array,
  lastEffect: Int32Array,
  nextEffect: Int32Array,
  /** The message before to the same recipient; the one before of the same episode. */
  before: Int32Array,
  beforeInEpisode: Int32Array,
} as const;

export type Column = keyof typeof KINDS;
type Arrays = { [C in Column]: InstanceType<(typeof KINDS)[C]> };

const COLUMNS = Object.keys(KINDS) as Column[];

export interface Columns {
  readonly count: number;
  get(column: Column, seq: number): number;
  set(column: Column, seq: number, value: number): void;
  /** One more message; every column that isn't named is −1. Gives its seq. */
  push(values: Partial<Record<Column, number>>): number;
  /** Little-endian bytes, column after column. */
  toBytes(): Buffer;
}

const allocate = (room: number): Arrays =>
  Object.fromEntries(COLUMNS.map((name) => [name, new KINDS[name](room).fill(-1)])) as unknown as Arrays;

export function createColumns(stored?: { readonly count: number; readonly bytes: Buffer }): Columns {
  let count = stored?.count ?? 0;
  let room = Math.max(1024, count);
  let arrays = allocate(room);
  if (stored) {
    let at = 0;
    for (const name of COLUMNS) {
      const size = count * KINDS[name].BYTES_PER_ELEMENT;
      new Uint8Array(arrays[name].buffer, 0, size).set(stored.bytes.subarray(at, at + size));
      at += size;
    }
  }
  const grow = (): void => {
    room *= 2;
    const wider = allocate(room);
    for (const name of COLUMNS) wider[name].set(arrays[name]);
    arrays = wider;
  };
  return {
    get count() {
      return count;
    },
    get: (column, seq) => arrays[column][seq]!,
    set: (column, seq, value) => {
      arrays[column][seq] = value;
    },
    push(values) {
      if (count === room) grow();
      for (const name of Object.keys(values) as Column[]) arrays[name][count] = values[name]!;
      return count++;
    },
    toBytes: () =>
      Buffer.concat(
        COLUMNS.map((name) => {
          const { buffer, BYTES_PER_ELEMENT: size } = arrays[name];
          return new Uint8Array(buffer as ArrayBuffer, 0, count * size);
        }),
      ),
  };
}

/** Bytes that `count` messages take on disk. */
export const sizeOf = (count: number): number =>
  COLUMNS.reduce((sum, name) => sum + count * KINDS[name].BYTES_PER_ELEMENT, 0);

/** Strings by number, in the order in which they were first met. */
export interface Names {
  readonly all: readonly string[];
  /** Gives it a number if it has none. */
  idOf(name: string): number;
  /** −1 if it was never met. */
  find(name: string): number;
  /** Empty for −1. */
  nameOf(id: number): string;
}

export function createNames(known: readonly string[] = []): Names {
  const all = [...known];
  const ids = new Map(all.map((name, id) => [name, id]));
  return {
    all,
    idOf(name) {
      const found = ids.get(name);
      if (found !== undefined) return found;
      ids.set(name, all.length);
      return all.push(name) - 1;
    },
    find: (name) => ids.get(name) ?? -1,
    nameOf: (id) => all[id] ?? '',
  };
}
