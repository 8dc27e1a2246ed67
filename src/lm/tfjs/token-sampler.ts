/**
 * From one row of logits to one token: temperature, nucleus (Holtzman et al. 2020), greedy. Draws by the inverse of the
 * cumulative distribution in token-id order, in doubles, so the same logits and the same uniform give the same token.
 */
import type { Sampling } from '../../protocol/lm.js';

export interface TokenSampler {
  /** Reads `vocabSize` logits from `at`; leaves the choice in `id` and its log p at temperature 1 in `logprob`. */
  draw(logits: Float32Array, at: number, sampling: Sampling, uniform: () => number): void;
  readonly vocabSize: number;
  readonly id: number;
  readonly logprob: number;
}

export function tokenSampler(vocabSize: number): TokenSampler {
  const weights = new Float64Array(vocabSize);
  const nucleus = nucleusFilter(vocabSize);
  const result = { id: 0, logprob: 0 };
  return {
    vocabSize,
    get id() {
      return result.id;
    },
    get logprob() {
      return result.logprob;
    },
    draw(logits, at, { temperature, topP }, uniform) {
      const best = argmax(logits, at, vocabSize);
      const top = logits[at + best]!;
      const total = exponentials(logits, at, top, 1, weights);
      result.id = best;
      if (temperature > 0) {
        const mass = temperature === 1 ? total : exponentials(logits, at, top, temperature, weights);
        const kept = topP < 1 ? nucleus(weights, mass, topP) : mass;
        result.id = pick(weights, uniform() * kept, best);
      }
      result.logprob = logits[at + result.id]! - top - Math.log(total);
    },
  };
}

/** Lowest id wins a tie. */
function argmax(x: Float32Array, at: number, count: number): number {
  let best = 0;
  for (let i = 1; i < count; i++) if (x[at + i]! > x[at + best]!) best = i;
  return best;
}

function exponentials(
  logits: Float32Array,
  at: number,
  top: number,
  temperature: number,
  out: Float64Array,
): number {
  let sum = 0;
  for (let i = 0; i < out.length; i++) {
    const e = Math.exp((logits[at + i]! - top) / temperature);
    out[i] = e;
    sum += e;
  }
  return sum;
}

function pick(weights: Float64Array, target: number, fallback: number): number {
  let sum = 0;
  for (let i = 0; i < weights.length; i++) {
    sum += weights[i]!;
    if (sum > target) return i;
  }
  return fallback;
}

/**
 * Sets all weights but the heaviest to 0, as few as reach `share` of the mass (ties: lower id first), and gives what is
 * left. No vocabulary is sorted: tokens too light to matter never enter the heap, and it pops only those that stay.
 */
function nucleusFilter(size: number): (weights: Float64Array, mass: number, share: number) => number {
  const heap = new Int32Array(size);
  const kept = new Uint8Array(size);
  return (weights, mass, share) => {
    const before = (a: number, b: number) =>
      weights[a]! > weights[b]! || (weights[a] === weights[b] && a < b);
    // All tokens lighter than this weigh less than (1 − share) of the mass together.
    const lightest = ((1 - share) * mass) / size;
    let left = 0;
    for (let i = 0; i < size; i++) if (weights[i]! >= lightest) heap[left++] = i;
    for (let i = (left >> 1) - 1; i >= 0; i--) sink(heap, i, left, before);
    kept.fill(0);
    for (let reached = 0; left > 0 && reached < share * mass; ) {
      const id = heap[0]!;
      kept[id] = 1;
      reached += weights[id]!;
      heap[0] = heap[--left]!;
      sink(heap, 0, left, before);
    }
    let sum = 0;
    for (let i = 0; i < size; i++) {
      if (kept[i] === 0) weights[i] = 0;
      sum += weights[i]!; // in id order, as `pick` adds them
    }
    return sum;
  };
}

function sink(heap: Int32Array, from: number, size: number, before: (a: number, b: number) => boolean): void {
  const item = heap[from]!;
  let at = from;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= size) break;
    if (child + 1 < size && before(heap[child + 1]!, heap[child]!)) child++;
    if (!before(heap[child]!, item)) break;
    heap[at] = heap[child]!;
    at = child;
  }
  heap[at] = item;
}
