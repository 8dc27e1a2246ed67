import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { adamW, clipScale, type OptimizerState, reduceGradients } from '../../src/lm/adamw.js';
import type { OptimizerConfig } from '../../src/protocol/lm.js';

/** torch.optim.AdamW and clip_grad_norm_ said so: fixtures/adamw/make.py. */
const golden = JSON.parse(
  readFileSync(new URL('../fixtures/adamw/golden.json', import.meta.url), 'utf8'),
) as {
  config: Pick<OptimizerConfig, 'learningRate' | 'beta1' | 'beta2' | 'epsilon' | 'weightDecay' | 'clipNorm'>;
  steps: { gradNorm: number; weights: number[] }[];
};
const SIZE = golden.steps[0]!.weights.length;

/** As in make.py. */
const numbers = (seed: number, scale: number) =>
  Float32Array.from({ length: SIZE }, (_, i) => scale * Math.sin(1 + seed * 7.3 + i * 1.7));
const empty = (): OptimizerState => ({
  weights: new Float32Array(SIZE),
  mean: new Float32Array(SIZE),
  square: new Float32Array(SIZE),
});
const { clipNorm, ...hyper } = golden.config;

describe('AdamW', () => {
  it('ten steps with clipping, decay and a changing rate agree with torch', () => {
    let state: OptimizerState = { ...empty(), weights: numbers(0, 0.5) };
    golden.steps.forEach((said, step) => {
      const gradient = new Float32Array(SIZE);
      const norm = Math.sqrt(
        reduceGradients([numbers(step + 1, step % 2 === 0 ? 2 : 0.05)], gradient, 0, SIZE),
      );
      expect(norm).toBeCloseTo(said.gradNorm, 5);
      const next = empty();
      const learningRate = hyper.learningRate * (1 - step / (2 * golden.steps.length));
      adamW(
        state,
        gradient,
        next,
        { ...hyper, learningRate, step: step + 1, gradientScale: clipScale(norm, clipNorm) },
        0,
        SIZE,
      );
      state = next;
      const worst = Math.max(...said.weights.map((w, i) => Math.abs(w - state.weights[i]!)));
      expect(worst).toBeLessThan(2e-7);
    });
  });

  it('any cut into shards gives the same bits, and what is read is not written', () => {
    const from: OptimizerState = {
      weights: numbers(1, 1),
      mean: numbers(2, 0.1),
      square: numbers(3, 0.1).map(Math.abs),
    };
    const before = structuredClone(from);
    const config = { ...hyper, step: 4, gradientScale: 0.5 };
    const whole = empty();
    adamW(from, numbers(4, 1), whole, config, 0, SIZE);
    fc.assert(
      fc.property(fc.integer({ min: 0, max: SIZE }), (cut) => {
        const parts = empty();
        adamW(from, numbers(4, 1), parts, config, cut, SIZE);
        adamW(from, numbers(4, 1), parts, config, 0, cut);
        expect(parts).toEqual(whole);
      }),
    );
    expect(from).toEqual(before);
  });
});

describe('gradients of micro-batches', () => {
  it('are added in their order; any cut into shards gives the same sum', () => {
    const parts = [numbers(1, 1e4), numbers(2, 1e-3), numbers(3, -1e4)];
    const whole = new Float32Array(SIZE);
    reduceGradients(parts, whole, 0, SIZE);
    const expected = Float32Array.from(parts[0]!, (x, i) =>
      Math.fround(Math.fround(x + parts[1]![i]!) + parts[2]![i]!),
    );
    expect(whole).toEqual(expected);
    const halves = new Float32Array(SIZE);
    const squares = reduceGradients(parts, halves, 7, SIZE) + reduceGradients(parts, halves, 0, 7);
    expect(halves).toEqual(whole);
    expect(squares / whole.reduce((sum, x) => sum + x * x, 0)).toBeCloseTo(1, 12);
  });

  it('are scaled down to the norm only where they exceed it; 0 turns clipping off', () => {
    expect(clipScale(4, 1)).toBeCloseTo(1 / (4 + 1e-6), 15);
    expect(clipScale(0.5, 1)).toBe(1);
    expect(clipScale(1e9, 0)).toBe(1);
  });
});
