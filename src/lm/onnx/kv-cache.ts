/**
 * Keys and values of the rows under way, in host memory, a block of each a layer: keys [rows, KV, D, width] (a step
 * multiplies a row of queries with them, and onnxruntime is fast only where that needs no transposing), values [rows, KV,
 * width, D]. The graph reads them and gives back only what is new. A row's place may change; rows stand without gaps
 * from 0.
 */
import type { Architecture } from '../architecture.js';
import { type Feeds, float32 } from './session.js';

/** Widths are one less than a multiple of this: with the line itself, softmax then adds up in one order at any width. */
export const WIDTH_STEP = 16;
const GROWTH = 2 * WIDTH_STEP;
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

export interface KvCache {
  readonly width: number;
  /** Lines of each row. */
  readonly lengths: Int32Array;
  /** The row holds these lines and no others. */
  write(row: number, segments: readonly Segment[]): void;
  /** Each row gets one line more: `keys` and `values` [layers·count, KV·D], of which the first `rows` count. */
  append(keys: Float32Array, values: Float32Array, rows: number, count: number): void;
  move(from: number, to: number): void;
  /** The first `rows` rows as the decode graph wants them: K, V and mask. */
  feeds(rows: number): Feeds;
}

export const widthFor = (lines: number): number => Math.ceil((lines + 1) / WIDTH_STEP) * WIDTH_STEP - 1;

/** Bytes of one row, `width` lines wide. */
export const rowBytes = ({ layers, kvHeads, headDim }: Architecture, width: number): number =>
  2 * layers * kvHeads * headDim * width * 4;

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

/** Room for `capacity` rows of `lines` lines at first; rows may grow to `most`. */
export function createKvCache(
  architecture: Architecture,
  capacity: number,
  lines: number,
  most: number,
): KvCache {
  const { layers, kvHeads, headDim } = architecture;
  const line = kvHeads * headDim;
  const lengths = new Int32Array(capacity);
  let width = widthFor(lines);
  const blocks = () => Array.from({ length: layers }, () => new Float32Array(capacity * line * width));
  let keys = blocks();
  let values = blocks();
  let mask = new Float32Array(capacity * width).fill(MASKED);
  let made: { readonly rows: number; readonly feeds: Feeds } | undefined;

  const grow = (): void => {
    const before = { width, keys, values };
    width = Math.max(width + WIDTH_STEP, Math.min(width + GROWTH, widthFor(most)));
    keys = blocks();
    values = blocks();
    before.keys.forEach((from, layer) => {
      copyStrided(from, 0, before.width, keys[layer]!, 0, width, capacity * line, before.width);
    });
    before.values.forEach((from, layer) => {
      const size = before.width * headDim;
      copyStrided(from, 0, size, values[layer]!, 0, width * headDim, capacity * kvHeads, size);
    });
    mask = new Float32Array(capacity * width);
    lengths.forEach((length, row) => {
      mask.fill(MASKED, row * width + length, (row + 1) * width);
    });
    made = undefined;
  };

  return {
    get width() {
      return width;
    },
    lengths,
    write(row, segments) {
      let at = 0;
      for (const { keys: newKeys, values: newValues, count, index, lines: length, used } of segments) {
        const size = used * headDim;
        for (let layer = 0; layer < layers; layer++) {
          const from = (layer * count + index) * line * length;
          const to = row * line * width;
          copyStrided(newKeys, from, length, keys[layer]!, to + at, width, line, used);
          copyStrided(
            newValues,
            from,
            length * headDim,
            values[layer]!,
            to + at * headDim,
            width * headDim,
            kvHeads,
            size,
          );
        }
        at += used;
      }
      mask.fill(0, row * width, row * width + at);
      mask.fill(MASKED, row * width + at, (row + 1) * width);
      lengths[row] = at;
    },
    append(newKeys, newValues, rows, count) {
      for (let row = 0; row < rows; row++) if (lengths[row] === width) grow();
      for (let layer = 0; layer < layers; layer++) {
        for (let row = 0; row < rows; row++) {
          const from = (layer * count + row) * line;
          const to = row * line * width;
          const at = lengths[row]!;
          copyStrided(newKeys, from, 1, keys[layer]!, to + at, width, line, 1);
          const end = to + at * headDim;
          copyStrided(newValues, from, headDim, values[layer]!, end, width * headDim, kvHeads, headDim);
        }
      }
      for (let row = 0; row < rows; row++) mask[row * width + lengths[row]!++] = 0;
    },
    move(from, to) {
      const size = line * width;
      for (const block of [...keys, ...values]) block.copyWithin(to * size, from * size, (from + 1) * size);
      mask.copyWithin(to * width, from * width, (from + 1) * width);
      lengths[to] = lengths[from]!;
    },
    feeds(rows) {
      if (made?.rows !== rows) {
        const part = (block: Float32Array) => block.subarray(0, rows * line * width);
        const feeds: Record<string, Feeds[string]> = {
          mask: float32(mask.subarray(0, rows * width), [rows, 1, 1, width]),
        };
        for (let layer = 0; layer < layers; layer++) {
          feeds[`K${layer}`] = float32(part(keys[layer]!), [rows, kvHeads, headDim, width]);
          feeds[`V${layer}`] = float32(part(values[layer]!), [rows, kvHeads, width, headDim]);
        }
        made = { rows, feeds };
      }
      return made.feeds;
    },
  };
}
