/**
 * Places for the lines of a sequence, in host memory, a block of keys and one of values a layer: keys [places, KV, D, width]
 * (a step multiplies a row of queries with them, and onnxruntime is fast only where that needs no transposing), values
 * [places, KV, width, D]. Knows nothing of who stands where.
 */
import type { Architecture } from '../architecture.js';
import { type Feeds, float32 } from './session.js';

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
  if (size === 1) {
    for (let i = 0; i < count; i++) to[toAt + i * toStep] = from[fromAt + i * fromStep]!;
    return;
  }
  for (let i = 0; i < count; i++) {
    const source = fromAt + i * fromStep;
    const target = toAt + i * toStep;
    if (size >= SHORT) to.set(from.subarray(source, source + size), target);
    else for (let j = 0; j < size; j++) to[target + j] = from[source + j]!;
  }
}

/** `count` stretches of `size` floats move apart, to `step` from one to the next, in the same memory. */
function spread(block: Float32Array, count: number, size: number, step: number): void {
  for (let i = count - 1; i > 0; i--) {
    const [from, to] = [i * size, i * step];
    if (size >= SHORT) block.copyWithin(to, from, from + size);
    else for (let j = size - 1; j >= 0; j--) block[to + j] = block[from + j]!;
  }
}

/** Places of `first` lines each, `most` in time, a block a layer: where prompts stand, and where tails do. */
export function createKvBlocks(
  { layers, kvHeads, headDim }: Architecture,
  places: number,
  first: number,
  most: number,
) {
  const line = kvHeads * headDim;
  const blocks = () => Array.from({ length: layers }, () => new Float32Array(places * line * most));
  let width = first;
  const keys = blocks();
  const values = blocks();
  const all = [...keys, ...values];
  return {
    get width() {
      return width;
    },
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
    /** The first `used` places keep what they hold; what is new in them holds anything. */
    widen(wider: number, used: number): void {
      for (const block of keys) spread(block, used * line, width, wider);
      for (const block of values) spread(block, used * kvHeads, width * headDim, wider * headDim);
      width = wider;
    },
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
