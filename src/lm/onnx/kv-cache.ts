/**
 * Keys and values of the rows under way, in host memory, a block of each a layer. Prompts stand once for all rows that
 * continue them: keys [prompts, KV, D, lines] (a step multiplies a row of queries with them, and onnxruntime is fast only
 * where that needs no transposing), values [prompts, KV, lines, D]; what rows added stands in tails of the same layout,
 * [rows, KV, D, tail]. The graph reads them and gives back only what is new. Places may change; rows and prompts stand
 * without gaps from 0, and a prompt leaves with its last row.
 */
import type { Architecture } from '../architecture.js';
import { type Feeds, float32, int64 } from './session.js';

/** All widths are multiples of this, the line itself counted in: softmax then adds up in one order at any width. */
export const WIDTH_STEP = 16;
/** exp of it is exactly 0 beside any score. */
export const MASKED = -1e9;

/** The first `used` of the `lines` lines of sequence `index` of `count`. */
export interface Segment {
  /** [layers·count, KV, D, lines] */
  readonly keys: Float32Array;
  /** [layers·count, KV, lines, D] */
  readonly values: Float32Array;
  readonly count: number;
  readonly index: number;
  readonly lines: number;
  readonly used: number;
}

export interface CacheSizes {
  /** Rows at once, at most. */
  readonly rows: number;
  /** Prompts at once, at most. */
  readonly prompts: number;
  /** Lines of the longest prompt. */
  readonly lines: number;
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

/** Below this a loop is faster than a call. */
const SHORT = 128;

/** `count` stretches of `size` floats, `fromStep` and `toStep` apart. */
export function copyStrided(
  from: Float32Array,
  fromAt: number,
  fromStep: number,
  to: Float32Array,
  toAt: number,
  toStep: number,
  count: number,
  size: number,
): void {
  for (let i = 0; i < count; i++) {
    const source = fromAt + i * fromStep;
    const target = toAt + i * toStep;
    if (size >= SHORT) to.set(from.subarray(source, source + size), target);
    else for (let j = 0; j < size; j++) to[target + j] = from[source + j]!;
  }
}

interface Wider {
  readonly width: number;
  layer(layer: number): readonly [Float32Array, Float32Array];
}

/** Places of `width` lines each, a block a layer: where prompts stand, and where tails do. */
function createBlocks({ layers, kvHeads, headDim }: Architecture, places: number, width: number) {
  const line = kvHeads * headDim;
  const blocks = () => Array.from({ length: layers }, () => new Float32Array(places * line * width));
  const keys = blocks();
  const values = blocks();
  const all = [...keys, ...values];
  return {
    width,
    /** `lines` of sequence `index` of `count`, each [KV, D, stride] and [KV, stride, D] a layer → `place`, from line `at`. */
    write(place: number, at: number, { keys: k, values: v, count, index, lines, used }: Segment): void {
      for (let layer = 0; layer < layers; layer++) {
        const from = (layer * count + index) * line * lines;
        const to = place * line * width;
        const size = used * headDim;
        copyStrided(k, from, lines, keys[layer]!, to + at, width, line, used);
        const start = to + at * headDim;
        copyStrided(v, from, lines * headDim, values[layer]!, start, width * headDim, kvHeads, size);
      }
    },
    move(from: number, to: number): void {
      const size = line * width;
      for (const block of all) block.copyWithin(to * size, from * size, (from + 1) * size);
    },
    /** What stands here, in wider places. */
    copyTo(wider: Wider, used: number): void {
      for (let layer = 0; layer < layers; layer++) {
        const [k, v] = wider.layer(layer);
        copyStrided(keys[layer]!, 0, width, k, 0, wider.width, used * line, width);
        const [size, room] = [width * headDim, wider.width * headDim];
        copyStrided(values[layer]!, 0, size, v, 0, room, used * kvHeads, size);
      }
    },
    layer: (layer: number): readonly [Float32Array, Float32Array] => [keys[layer]!, values[layer]!],
    /** The first `count` places under names that begin so; `each`: sizes between places and heads. */
    feeds(name: string, count: number, each: readonly number[]): Record<string, Feeds[string]> {
      const part = (block: Float32Array) => block.subarray(0, count * line * width);
      const feeds: Record<string, Feeds[string]> = {};
      for (let layer = 0; layer < layers; layer++) {
        feeds[`${name}K${layer}`] = float32(part(keys[layer]!), [count, ...each, kvHeads, headDim, width]);
        feeds[`${name}V${layer}`] = float32(part(values[layer]!), [count, ...each, kvHeads, width, headDim]);
      }
      return feeds;
    },
  };
}

export function createKvCache(architecture: Architecture, sizes: CacheSizes): KvCache {
  const { shared } = sizes;
  const prompts = createBlocks(architecture, sizes.prompts, promptWidth(sizes.lines));
  let tails = createBlocks(architecture, sizes.rows, tailWidth(1));
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
    const wider = createBlocks(architecture, sizes.rows, tails.width + WIDTH_STEP);
    tails.copyTo(wider, rows);
    tails = wider;
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
