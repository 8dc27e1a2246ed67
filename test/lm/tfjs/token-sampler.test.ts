import { describe, expect, it } from 'vitest';
import { tokenSampler } from '../../../src/lm/tfjs/token-sampler.js';
import type { Sampling } from '../../../src/protocol/lm.js';
import { keyOf, rngOf, uniformAt } from '../../../src/rng.js';

const at = (temperature: number, topP = 1): Sampling => ({ temperature, topP, maxNewTokens: 1 });
const logs = (...p: readonly number[]): Float32Array => Float32Array.from(p, Math.log);

/** Share of each token over many uniforms. */
function shares(logits: Float32Array, sampling: Sampling, draws = 20000): number[] {
  const sampler = tokenSampler(logits.length);
  const counts = new Array<number>(logits.length).fill(0);
  for (let i = 0; i < draws; i++) {
    sampler.draw(logits, 0, sampling, () => (i + 0.5) / draws);
    counts[sampler.id]!++;
  }
  return counts.map((n) => n / draws);
}

/** The definition, with a full sort. */
function nucleusOf(p: readonly number[], topP: number): Set<number> {
  const order = p.map((_, i) => i).sort((a, b) => p[b]! - p[a]! || a - b);
  const kept = new Set<number>();
  let mass = 0;
  for (const id of order) {
    if (mass >= topP) break;
    kept.add(id);
    mass += p[id]!;
  }
  return kept;
}

describe('token sampler', () => {
  it('temperature 1 — tokens come with their probabilities', () => {
    const p = [0.1, 0.2, 0.05, 0.65];
    shares(logs(...p), at(1)).forEach((share, i) => {
      expect(share).toBeCloseTo(p[i]!, 3);
    });
  });

  it('temperature 0.5 — probabilities squared and renormalised', () => {
    const squared = [0.1, 0.2, 0.05, 0.65].map((p) => p * p);
    const total = squared.reduce((a, b) => a + b, 0);
    shares(logs(0.1, 0.2, 0.05, 0.65), at(0.5)).forEach((s, i) => {
      expect(s).toBeCloseTo(squared[i]! / total, 3);
    });
  });

  it('temperature 0 — the most probable, the lowest id in a tie, and no uniform is drawn', () => {
    const sampler = tokenSampler(4);
    const never = () => {
      throw new Error('drawn');
    };
    sampler.draw(Float32Array.of(1, 3, 3, 2), 0, at(0, 0.5), never);
    expect(sampler.id).toBe(1);
  });

  it('top-p — the token that crosses the mass stays, the next does not', () => {
    const s = shares(logs(0.05, 0.5, 0.15, 0.3), at(1, 0.7));
    expect(s[0]).toBe(0);
    expect(s[2]).toBe(0);
    expect(s[1]).toBeCloseTo(0.5 / 0.8, 3);
  });

  it('top-p — ties go to the lower ids', () => {
    expect(shares(logs(0.25, 0.25, 0.25, 0.25), at(1, 0.5)).map((s) => s > 0)).toEqual([
      true,
      true,
      false,
      false,
    ]);
  });

  it('top-p — over random distributions exactly the nucleus of a full sort is drawn from', () => {
    const rng = rngOf(keyOf(1, 'nucleus'));
    for (let round = 0; round < 60; round++) {
      const weights = Array.from({ length: 2 + rng.below(40) }, () => Math.exp(3 * rng.normal()));
      const total = weights.reduce((a, b) => a + b, 0);
      const topP = 0.05 + 0.94 * rng.uniform();
      const expected = nucleusOf(
        weights.map((w) => w / total),
        topP,
      );
      const drawn = shares(Float32Array.from(weights, Math.log), at(1, topP), 4000);
      drawn.forEach((share, id) => {
        if (share > 0) expect(expected.has(id)).toBe(true);
        if (weights[id]! / total > 0.001) expect(share > 0).toBe(expected.has(id));
      });
    }
  });

  it('log-prob — at temperature 1 over the whole vocabulary, whatever the sampling', () => {
    const sampler = tokenSampler(3);
    sampler.draw(logs(0.2, 0.7, 0.1), 0, at(0.3, 0.5), () => 0.9);
    expect(sampler.id).toBe(1);
    expect(sampler.logprob).toBeCloseTo(Math.log(0.7), 6);
  });

  it('a row stands anywhere in the block of logits', () => {
    const sampler = tokenSampler(2);
    sampler.draw(Float32Array.of(9, 0, 0, 9), 2, at(1), () => uniformAt([1, 2], 0));
    expect(sampler.id).toBe(1);
  });
});
