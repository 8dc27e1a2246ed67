import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createDrawer } from '../../src/lm/draw.js';
import { tokenSampler } from '../../src/lm/tfjs/token-sampler.js';
import { keyOf, rngOf } from '../../src/rng.js';

/** The definition, with a full sort: fewest and heaviest that hold topP, then the cumulative distribution by id. */
function reference(p: ArrayLike<number>, topP: number, uniform: number): number {
  const order = Array.from(p, (_, i) => i).sort((a, b) => p[b]! - p[a]! || a - b);
  const kept: number[] = [];
  let mass = 0;
  for (const id of order) {
    if (kept.length > 0 && mass >= topP) break;
    kept.push(id);
    mass += p[id]!;
  }
  kept.sort((a, b) => a - b);
  let sum = 0;
  for (const id of kept) {
    sum += p[id]!;
    if (sum > uniform * mass) return id;
  }
  return order[0]!;
}

const drawOf = (p: Float32Array, topP: number, uniform: number): number =>
  createDrawer(p.length).draw(p, 0, topP, uniform);

const LAST = 1 - 2 ** -24; // the largest uniform there is
const TOTAL = 2 ** 22;
/** Whole numbers over 2²²: any order of adding gives the same, so the nucleus has one right answer. */
const exact = fc
  .tuple(
    fc.array(
      fc.oneof(
        fc.constantFrom(0, 1, 2, 3, 64, 64, 4096, 65536),
        fc.integer({ min: 0, max: 19 }).map((n) => 2 ** n),
        fc.integer({ min: 0, max: 50000 }),
      ),
      { maxLength: 60 },
    ),
    fc.nat(),
  )
  .map(([some, place]) => {
    const weights: number[] = [];
    let left = TOTAL;
    for (const w of some) {
      weights.push(Math.min(w, left));
      left -= weights.at(-1)!;
    }
    weights.splice(place % (weights.length + 1), 0, left);
    return Float32Array.from(weights, (w) => w / TOTAL);
  });
const exactShare = fc
  .oneof(fc.integer({ min: 1, max: TOTAL }), fc.constantFrom(1, 2, TOTAL / 2, TOTAL - 1, TOTAL))
  .map((n) => n / TOTAL);
const uniform = fc.oneof(
  fc.constantFrom(0, 2 ** -24, 0.5, LAST),
  fc.nat(2 ** 24 - 1).map((n) => n / 2 ** 24),
);

/** Softmax of normal logits, rounded to float32 as an engine's. */
function softmax(logits: ArrayLike<number>, temperature = 1): Float32Array {
  const top = Array.from(logits).reduce((a, b) => Math.max(a, b));
  const e = Array.from(logits, (x) => Math.exp((x - top) / temperature));
  const total = e.reduce((a, b) => a + b, 0);
  return Float32Array.from(e, (x) => x / total);
}

describe('drawer', () => {
  it('draws what a full sort would, bit by bit, with ties, zeros and a share met exactly', () => {
    fc.assert(
      fc.property(exact, exactShare, uniform, (p, topP, u) => {
        expect(drawOf(p, topP, u)).toBe(reference(p, topP, u));
      }),
      { numRuns: 3000 },
    );
  });

  it('draws what a full sort would where sums round, but for tokens on the very edge', () => {
    const rng = rngOf(keyOf(1, 'draw'));
    let otherwise = 0;
    for (let round = 0; round < 4000; round++) {
      const spread = rng.pick([0.1, 1, 4, 20]);
      const p = softmax(Array.from({ length: 1 + rng.below(300) }, () => spread * rng.normal()));
      const topP = rng.pick([1e-9, 0.01, 0.5, 0.9, 0.99, 0.9999, 0.999999, 1 - 2 ** -24, 1, rng.uniform()]);
      const u = rng.pick([0, LAST, rng.uniform()]);
      const drawn = drawOf(p, topP, u);
      if (drawn === reference(p, topP, u)) continue;
      otherwise += 1;
      const near = [-1, 0, 1].flatMap((a) =>
        [-1, 0, 1].map((b) => reference(p, topP + a * 1e-6, Math.min(LAST, Math.max(0, u + b * 1e-6)))),
      );
      expect(near).toContain(drawn);
    }
    expect(otherwise).toBeLessThan(20);
  });

  it('never draws what has no probability, nor what lies outside the nucleus', () => {
    fc.assert(
      fc.property(exact, exactShare, uniform, (p, topP, u) => {
        const id = drawOf(p, topP, u);
        expect(p[id]).toBeGreaterThan(0);
        const heavier = p.reduce((sum, w, i) => (w > p[id]! || (w === p[id] && i < id) ? sum + w : sum), 0);
        expect(heavier).toBeLessThan(topP);
      }),
    );
  });

  it('tokens come with their probabilities, of the nucleus renormalised', () => {
    const p = Float32Array.of(0.05, 0.5, 0.15, 0.3);
    for (const [topP, expected] of [
      [1, [0.05, 0.5, 0.15, 0.3]],
      [0.7, [0, 0.5 / 0.8, 0, 0.3 / 0.8]],
      [0.5, [0, 1, 0, 0]],
      [0.9, [0, 0.5 / 0.95, 0.15 / 0.95, 0.3 / 0.95]],
    ] as const) {
      const drawer = createDrawer(4);
      const counts = [0, 0, 0, 0];
      const draws = 20000;
      for (let i = 0; i < draws; i++) counts[drawer.draw(p, 0, topP, (i + 0.5) / draws)]! += 1 / draws;
      counts.forEach((share, id) => {
        expect(share).toBeCloseTo(expected[id]!, 3);
      });
    }
  });

  it('equal tokens: the lower ids are kept', () => {
    const p = new Float32Array(16).fill(1 / 16);
    const drawn = new Set(Array.from({ length: 64 }, (_, i) => drawOf(p, 0.25, i / 64)));
    expect([...drawn].sort((a, b) => a - b)).toEqual([0, 1, 2, 3]);
  });

  it('best — the likeliest, the lowest id of a tie, wherever the row stands', () => {
    const drawer = createDrawer(3);
    expect(drawer.best(Float32Array.of(9, 9, 9, 0.2, 0.4, 0.4, 9), 3)).toBe(1);
    expect(drawer.best(Float32Array.of(0, 0, 0), 0)).toBe(0);
  });

  it('a row’s draw does not depend on its place, on the block, or on what was drawn before', () => {
    const rng = rngOf(keyOf(2, 'draw'));
    const drawer = createDrawer(37);
    for (let round = 0; round < 300; round++) {
      const rows = Array.from({ length: 4 }, () =>
        softmax(Array.from({ length: 37 }, () => 3 * rng.normal())),
      );
      const block = new Float32Array(5 * 37);
      // Some blocks begin inside their buffer.
      const view = rng.chance(0.5) ? block : block.subarray(37);
      rows.forEach((row, i) => {
        view.set(row, i * 37);
      });
      const [topP, u] = [rng.pick([1, 0.9, 0.4]), rng.uniform()];
      rows.forEach((row, i) => {
        expect(drawer.draw(view, i * 37, topP, u)).toBe(createDrawer(37).draw(row, 0, topP, u));
      });
    }
  });

  it('chooses as the sampler of the TensorFlow.js engine, but for rounding on an edge', () => {
    const rng = rngOf(keyOf(3, 'draw'));
    let otherwise = 0;
    for (let round = 0; round < 3000; round++) {
      const size = 2 + rng.below(200);
      const logits = Float32Array.from({ length: size }, () => 3 * rng.normal());
      const temperature = rng.pick([0, 0.3, 0.7, 1, 1.5]);
      const topP = rng.pick([1, 0.99, 0.9, 0.5, 0.1]);
      const u = rng.uniform();
      const sampler = tokenSampler(size);
      const other = (share: number, v: number): number => {
        sampler.draw(logits, 0, { temperature, topP: Math.min(1, share), maxNewTokens: 1 }, () => v);
        return sampler.id;
      };
      const drawer = createDrawer(size);
      const p = softmax(logits, temperature || 1);
      const drawn = temperature === 0 ? drawer.best(p, 0) : drawer.draw(p, 0, topP, u);
      if (drawn === other(topP, u)) continue;
      otherwise += 1;
      const near = [-1, 0, 1].flatMap((a) => [-1, 0, 1].map((b) => other(topP + a * 1e-6, u + b * 1e-6)));
      expect(near).toContain(drawn);
    }
    expect(otherwise).toBeLessThan(10);
  });
});
