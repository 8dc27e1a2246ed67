import { describe, expect, it } from 'vitest';
import { calibration, cohenKappa, pairAgreement, reliability } from '../../src/stages/agreement.js';

const by = { key: [1, 2] as const, resamples: 50, confidence: 0.95 };

describe('agreement', () => {
  it('κ is scikit-learn’s', () => {
    // cohen_kappa_score([0, 1, 2, 0, 1, 2, 0, 0], [0, 2, 2, 0, 1, 1, 0, 2]): 5/8 observed, 22/64 by chance
    expect(cohenKappa([0, 1, 2, 0, 1, 2, 0, 0], [0, 2, 2, 0, 1, 1, 0, 2])).toBeCloseTo(
      (40 - 22) / (64 - 22),
      12,
    );
    expect(cohenKappa([1, 1], [1, 1])).toBeNull();
    expect(() => cohenKappa([1], [])).toThrow(RangeError);
  });

  it('a judge that always takes the first shown is never consistent', () => {
    const pairs = ([1, 2, 1, 2] as const).map((human) => ({
      human,
      asShown: 1 as const,
      swapped: 2 as const,
    }));
    const { position, accuracy, kappa } = pairAgreement(pairs, by);
    expect(accuracy).toMatchObject({ value: 0.5, n: 8 });
    expect(position).toMatchObject({
      consistent: { value: 0 },
      firstChosen: { value: 1 },
      rightTwice: { value: 0 },
    });
    expect(kappa).toBe(0);
  });

  it('an unread verdict is a miss and chooses no place', () => {
    const { accuracy, parseFailures, position } = pairAgreement(
      [{ human: 1, asShown: 1, swapped: null }],
      by,
    );
    expect([accuracy.value, parseFailures.value]).toEqual([0.5, 0.5]);
    expect(position).toMatchObject({ firstChosen: { value: 1, n: 1 }, consistent: { value: 0 } });
  });

  it('calibration: pairs stand in the bin of their difference, ties in none', () => {
    const group = (a: number, b: number, value = 1) => ({
      responses: [
        { score: a, value },
        { score: b, value: 0 },
      ],
    });
    const bins = calibration([group(5, 4), group(4, 5), group(5, 0), group(3, 3), group(5, 1, 0)], by);
    expect(bins).toMatchObject([
      { over: 0.5, upTo: 1, pairs: 2, accuracy: { value: 0.5 } },
      { over: 4, pairs: 1, accuracy: { value: 1 } },
    ]);
    expect(reliability([group(5, 4), group(4, 5)], by)).toMatchObject([
      { score: 4, responses: 2, preferred: { value: 0.5 } },
      { score: 5, responses: 2, preferred: { value: 0.5 } },
    ]);
  });
});
