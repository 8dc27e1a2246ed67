/**
 * The only source of randomness: Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"),
 * counter-based, keyed by (run seed, purpose, ids). A draw never depends on call order elsewhere.
 */
import { createHash } from 'node:crypto';
import type { RngKey } from './protocol/lm.js';

const M0 = 0xd2511f53;
const M1 = 0xcd9e8d57;
const W0 = 0x9e3779b9;
const W1 = 0xbb67ae85;

/** High 32 bits of the unsigned product a·b. */
function mulHigh(a: number, b: number): number {
  const a0 = a & 0xffff;
  const a1 = a >>> 16;
  const b0 = b & 0xffff;
  const b1 = b >>> 16;
  const mid = a1 * b0 + ((a0 * b0) >>> 16);
  const cross = (mid & 0xffff) + a0 * b1;
  return (a1 * b1 + Math.floor(mid / 0x10000) + Math.floor(cross / 0x10000)) >>> 0;
}

/** One block of four unsigned words, written into `out`. */
export function philox(
  key: RngKey,
  c0: number,
  c1: number,
  c2: number,
  c3: number,
  out: Uint32Array,
): Uint32Array {
  let [k0, k1] = key;
  let x0 = c0;
  let x1 = c1;
  let x2 = c2;
  let x3 = c3;
  for (let round = 0; round < 10; round++) {
    const high0 = mulHigh(M0, x0 >>> 0);
    const high1 = mulHigh(M1, x2 >>> 0);
    const low0 = Math.imul(M0, x0);
    const low1 = Math.imul(M1, x2);
    x0 = high1 ^ x1 ^ k0;
    x1 = low1;
    x2 = high0 ^ x3 ^ k1;
    x3 = low0;
    k0 = (k0 + W0) | 0;
    k1 = (k1 + W1) | 0;
  }
  out[0] = x0;
  out[1] = x1;
  out[2] = x2;
  out[3] = x3;
  return out;
}

/** A key for one purpose: `keyOf(run.seed, 'respond', '1-0042', 3)`. */
export function keyOf(seed: number, purpose: string, ...ids: readonly (string | number)[]): RngKey {
  const digest = createHash('sha256')
    .update(JSON.stringify([seed, purpose, ...ids]))
    .digest();
  return [digest.readUInt32LE(0), digest.readUInt32LE(4)];
}

/** Uniform in [0, 1) with 24 bits, from the block at `counter`: the same for the same (key, counter). */
export function uniformAt(key: RngKey, counter: number): number {
  return (philox(key, counter, 0, 0, 0, new Uint32Array(4))[0]! >>> 8) / 0x1000000;
}

/** A stream of draws over one key. */
export interface Rng {
  /** Unsigned 32 bits. */
  word(): number;
  /** [0, 1), 32 bits. */
  uniform(): number;
  /** Whole number in [0, n). */
  below(n: number): number;
  /** True with probability p. */
  chance(p: number): boolean;
  pick<T>(items: readonly T[]): T;
  /** A new array in random order (Fisher–Yates). */
  shuffle<T>(items: readonly T[]): T[];
  /** n different items, in random order. */
  take<T>(items: readonly T[], n: number): T[];
  /** Standard normal (Box–Muller, one of the two). */
  normal(): number;
}

export function rngOf(key: RngKey): Rng {
  const block = new Uint32Array(4);
  let counter = 0;
  let at = 4;
  const word = () => {
    if (at === 4) {
      philox(key, counter >>> 0, Math.floor(counter / 0x100000000), 0, 0, block);
      counter++;
      at = 0;
    }
    return block[at++]!;
  };
  const uniform = () => word() / 0x100000000;
  const below = (n: number) => Math.floor(uniform() * n);
  const shuffle = <T>(items: readonly T[]): T[] => {
    const out = [...items];
    for (let i = out.length - 1; i > 0; i--) {
      const j = below(i + 1);
      [out[i], out[j]] = [out[j]!, out[i]!];
    }
    return out;
  };
  return {
    word,
    uniform,
    below,
    chance: (p) => uniform() < p,
    pick: (items) => items[below(items.length)]!,
    shuffle,
    take: (items, n) => shuffle(items).slice(0, n),
    normal: () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()),
  };
}
