import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { learningRateAt } from '../../src/lm/schedule.js';

const config = { learningRate: 1, finalLearningRate: 0.1, warmupSteps: 3 };

describe('learning rate', () => {
  it('climbs in equal steps, is whole after the warm-up, and ends at the final rate', () => {
    const rates = Array.from({ length: 12 }, (_, i) => learningRateAt(i, 12, config));
    expect(rates.slice(0, 4)).toEqual([0.25, 0.5, 0.75, 1]);
    expect(rates[11]).toBeCloseTo(0.1, 12);
    // Half way between step 3 and step 11 the cosine stands half way between the rates.
    expect(rates[7]).toBeCloseTo(0.55, 12);
  });

  it('never rises after the warm-up and stays between the two rates', () => {
    const cases = fc.record({ n: fc.integer({ min: 1, max: 200 }), warmupSteps: fc.nat(20) });
    fc.assert(
      fc.property(cases, ({ n, warmupSteps }) => {
        let before = Number.POSITIVE_INFINITY;
        for (let i = warmupSteps; i < n; i++) {
          const rate = learningRateAt(i, n, { ...config, warmupSteps });
          expect(rate).toBeLessThanOrEqual(before);
          expect(rate).toBeGreaterThanOrEqual(0.1 - 1e-12);
          before = rate;
        }
      }),
    );
  });

  it('a single step is taken at the full rate; equal rates are constant', () => {
    expect(learningRateAt(0, 1, { ...config, warmupSteps: 0 })).toBe(1);
    for (let i = 0; i < 9; i++)
      expect(learningRateAt(i, 9, { learningRate: 0.3, finalLearningRate: 0.3, warmupSteps: 0 })).toBe(0.3);
  });
});
