/**
 * Keys and values of the rows under way. Prompts stand once for all rows that continue them; what a row added stands in a
 * tail of its own. The graph reads them and gives back only what is new. Places may change; rows and prompts stand without
 * gaps from 0, and a prompt leaves with its last row.
 */
import type { Architecture } from '../architecture.js';
import { createKvBlocks, type Segment } from './kv-blocks.js';
import { type Feeds, float32, int64 } from './session.js';

/** All widths are multiples of this, the line itself counted in: softmax then adds up in one order at any width. */
export const WIDTH_STEP = 16;
/** exp of it is exactly 0 beside any score. */
export const MASKED = -1e9;

export interface CacheSizes {
  /** Rows at once, at most. */
  readonly rows: number;
  /** Prompts at once, at most. */
  readonly prompts: number;
  /** Lines of the longest prompt. */
  readonly lines: number;
  /** New tokens of a row, at most. */
  readonly fresh: number;
  /** Rows find their prompt by number; else row i continues prompt i, and what is fed says nothing of it. */
  readonly shared: boolean;
}

export interface KvCache {
  /** Lines that a row is fed: of its prompt, and of its tail. */
  readonly widths: { readonly prompt: number; readonly tail: number };
  /** Lines of each row, its prompt's counted in. */
  readonly lengths: Int32Array;
  /** A prompt that the next rows continue. */
  open(segments: readonly Segment[]): void;
  /** One row more, after the prompt opened last. */
  add(): void;
  /** One row more, with what `row` has. */
  split(row: number): void;
  /** Each row gets one line more: `keys` and `values` [layers·count, KV·D], of which the first rows count. */
  append(keys: Float32Array, values: Float32Array, count: number): void;
  /** A row leaves; the last comes to its place. */
  remove(row: number): void;
  /** What the decode graph wants for `count` rows, the first of them ours. */
  feeds(count: number): Feeds;
}

/** Of a prompt. */
export const promptWidth = (lines: number): number => Math.ceil(lines / WIDTH_STEP) * WIDTH_STEP;
/** Of a tail, beside which the line itself stands. */
export const tailWidth = (lines: number): number => promptWidth(lines + 1) - 1;

/** Bytes of so many lines. */
export const lineBytes = ({ layers, kvHeads, headDim }: Architecture, lines: number): number =>
  2 * layers * kvHeads * headDim * lines * 4;

export function createKvCache(architecture: Architecture, sizes: CacheSizes): KvCache {
  const { shared } = sizes;
  const widest = promptWidth(sizes.lines);
  const prompts = createKvBlocks(architecture, sizes.prompts, widest, widest);
  const tails = createKvBlocks(architecture, sizes.rows, tailWidth(1), tailWidth(sizes.fresh));
  const lengths = new Int32Array(sizes.rows);
  const promptOf = new Int32Array(sizes.rows);
  const promptLengths = new Int32Array(sizes.prompts);
  /** Rows of each prompt. */
  const users = new Int32Array(sizes.prompts);
  let rows = 0;
  let opened = 0;
  let mask = new Float32Array(0);
  let made: { readonly count: number; readonly feeds: Feeds } | undefined;

  const maskWidth = (): number => 1 + prompts.width + tails.width;
  /** The line itself, its prompt, its tail. */
  const writeMask = (row: number): void => {
    const start = row * maskWidth();
    const length = promptLengths[promptOf[row]!]!;
    const tail = start + 1 + prompts.width;
    mask.fill(0, start, start + 1 + length);
    mask.fill(MASKED, start + 1 + length, tail);
    mask.fill(0, tail, tail + lengths[row]! - length);
    mask.fill(MASKED, tail + lengths[row]! - length, start + maskWidth());
  };
  const newMask = (): void => {
    mask = new Float32Array(sizes.rows * maskWidth());
    for (let row = 0; row < rows; row++) writeMask(row);
    made = undefined;
  };
  const tailOf = (row: number): number => lengths[row]! - promptLengths[promptOf[row]!]!;
  const grow = (): void => {
    tails.widen(tails.width + WIDTH_STEP, rows);
    newMask();
  };
  /** The prompt left with its last row; the last prompt comes to its place. */
  const close = (prompt: number): void => {
    opened -= 1;
    if (prompt === opened) return;
    prompts.move(opened, prompt);
    promptLengths[prompt] = promptLengths[opened]!;
    users[prompt] = users[opened]!;
    for (let row = 0; row < rows; row++) if (promptOf[row] === opened) promptOf[row] = prompt;
  };
  /** For each place beside a prompt the row that stands there (0 where none does), and where each row stands. */
  const seats = (count: number): Feeds => {
    const most = Math.max(
      1,
      users.subarray(0, opened).reduce((a, b) => Math.max(a, b), 0),
    );
    const slots = new BigInt64Array(opened * most);
    const places = new BigInt64Array(2 * count);
    const taken = new Int32Array(opened);
    for (let row = 0; row < rows; row++) {
      const prompt = promptOf[row]!;
      const seat = taken[prompt]!++;
      slots[prompt * most + seat] = BigInt(row);
      places[2 * row] = BigInt(prompt);
      places[2 * row + 1] = BigInt(seat);
    }
    return { slots: int64(slots, [opened, most]), places: int64(places, [count, 2]) };
  };
  newMask();

  return {
    get widths() {
      return { prompt: prompts.width, tail: tails.width };
    },
    lengths,
    open(segments) {
      let at = 0;
      for (const segment of segments) {
        prompts.write(opened, at, segment);
        at += segment.used;
      }
      promptLengths[opened] = at;
      users[opened] = 0;
      opened += 1;
      made = undefined;
    },
    add() {
      const prompt = opened - 1;
      users[prompt]! += 1;
      promptOf[rows] = prompt;
      lengths[rows] = promptLengths[prompt]!;
      writeMask(rows++);
      made = undefined;
    },
    split(row) {
      const prompt = promptOf[row]!;
      users[prompt]! += 1;
      promptOf[rows] = prompt;
      lengths[rows] = lengths[row]!;
      tails.move(row, rows);
      mask.copyWithin(rows * maskWidth(), row * maskWidth(), (row + 1) * maskWidth());
      rows += 1;
      made = undefined;
    },
    append(keys, values, count) {
      for (let row = 0; row < rows; row++) if (tailOf(row) === tails.width) grow();
      for (let row = 0; row < rows; row++) {
        const at = tailOf(row);
        tails.write(row, at, { keys, values, count, index: row, lines: 1, used: 1 });
        mask[row * maskWidth() + 1 + prompts.width + at] = 0;
        lengths[row]! += 1;
      }
    },
    remove(row) {
      const prompt = promptOf[row]!;
      rows -= 1;
      if (row !== rows) {
        tails.move(rows, row);
        mask.copyWithin(row * maskWidth(), rows * maskWidth(), (rows + 1) * maskWidth());
        lengths[row] = lengths[rows]!;
        promptOf[row] = promptOf[rows]!;
      }
      users[prompt]! -= 1;
      if (users[prompt] === 0) close(prompt);
      made = undefined;
    },
    feeds(count) {
      if (made?.count !== count) {
        const feeds = {
          ...prompts.feeds('prompt ', shared ? opened : count, shared ? [1] : []),
          ...tails.feeds('', count, []),
          mask: float32(mask.subarray(0, count * maskWidth()), [count, 1, 1, maskWidth()]),
          ...(shared ? seats(count) : {}),
        };
        made = { count, feeds };
      }
      return made.feeds;
    },
  };
}
