/** Golden numbers: scipy 1.17.1 and numpy; the call that made each stands beside it. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { keyOf } from '../src/rng.js';
import {
  bootstrapMargin,
  bootstrapMean,
  bootstrapPaired,
  kendallTauB,
  mean,
  quantiles,
  spearman,
  tEstimate,
  tQuantile,
} from '../src/stats.js';

const resampling = { key: keyOf(1, 'test.bootstrap'), resamples: 20_000, confidence: 0.95 };

describe('rank correlations — scipy.stats.spearmanr(x, y).statistic and kendalltau(x, y).statistic', () => {
  it.each([
    { x: [1, 2, 2, 3, 5, 8], y: [2, 1, 4, 4, 5, 5], rho: 0.8508410434878082, tau: 0.7412493166611012 },
    { x: [5, 3, 4, 1], y: [4, 4, 2, 0], rho: 0.632455532033676, tau: 0.5477225575051662 },
    { x: [1, 2, 3, 4, 5], y: [5, 4, 3, 2, 1], rho: -1, tau: -1 },
    { x: [0, -1, -2, -3, -4], y: [4.5, 5, 3.25, 4.5, 1], rho: 0.6668859288553501, tau: 0.5270462766947298 },
  ])('$x against $y', ({ x, y, rho, tau }) => {
    expect(spearman(x, y)).toBeCloseTo(rho, 12);
    expect(kendallTauB(x, y)).toBeCloseTo(tau, 12);
  });

  it('are null where scipy says nan: a constant side, or fewer than two values', () => {
    for (const correlation of [spearman, kendallTauB]) {
      expect(correlation([1, 1, 1], [1, 2, 3])).toBeNull();
      expect(correlation([1, 2, 3], [4, 4, 4])).toBeNull();
      expect(correlation([1], [2])).toBeNull();
      expect(correlation([], [])).toBeNull();
    }
  });

  it('do not depend on the order in which pairs are listed, and flip with one side', () => {
    const pairs = fc.array(fc.tuple(fc.integer({ min: 0, max: 5 }), fc.integer({ min: 0, max: 5 })), {
      maxLength: 9,
    });
    fc.assert(
      fc.property(pairs, (rows) => {
        const [x, y] = [rows.map((row) => row[0]), rows.map((row) => row[1])];
        for (const correlation of [spearman, kendallTauB]) {
          const r = correlation(x, y);
          if (r === null) continue;
          expect(correlation([...x].reverse(), [...y].reverse())).toBeCloseTo(r, 12);
          expect(
            correlation(
              x,
              y.map((value) => -value),
            ),
          ).toBeCloseTo(-r, 12);
        }
      }),
    );
  });
});

describe('quantiles and means', () => {
  it('interpolate as numpy does: np.quantile([3,1,4,1,5,9,2,6], [0,.025,.25,.5,.9,.975,1])', () => {
    const got = quantiles([3, 1, 4, 1, 5, 9, 2, 6], [0, 0.025, 0.25, 0.5, 0.9, 0.975, 1])!;
    [1, 1, 1.75, 3.5, 6.9, 8.475, 9].forEach((want, i) => {
      expect(got[i]).toBeCloseTo(want, 12);
    });
  });

  it('of nothing are null', () => {
    expect(mean([])).toBeNull();
    expect(quantiles([], [0.5])).toBeNull();
    expect(bootstrapMean([], resampling)).toEqual({ value: null, interval: null, n: 0 });
    expect(tEstimate([])).toEqual({ value: null, interval: null, n: 0 });
  });

  it('of one value have no interval', () => {
    expect(bootstrapMean([3], resampling)).toEqual({ value: 3, interval: null, n: 1 });
    expect(tEstimate([3])).toEqual({ value: 3, interval: null, n: 1 });
  });
});

describe("bootstrap — scipy.stats.bootstrap((v,), np.mean, method='percentile', n_resamples=200000)", () => {
  const values = [2.1, 3.4, 1.9, 5.6, 4.4, 3.3, 2.8, 4.9, 3.7, 2.2, 6.1, 3.0];

  it('of a mean: (2.9000, 4.3833)', () => {
    const { value, interval, n } = bootstrapMean(values, resampling);
    expect(value).toBeCloseTo(3.616666666666667, 12);
    expect(n).toBe(12);
    expect(Math.abs(interval!.low - 2.9)).toBeLessThan(0.03);
    expect(Math.abs(interval!.high - 4.3833)).toBeLessThan(0.03);
  });

  it('of paired differences (paired=True): (0.3, 0.9)', () => {
    const a = [4, 5, 3, 4, 5, 2, 4, 5, 3, 4];
    const b = [3, 5, 2, 4, 4, 2, 3, 4, 3, 3];
    const { value, interval } = bootstrapPaired(a, b, resampling);
    expect(value).toBeCloseTo(0.6, 12);
    expect(interval!.low).toBeCloseTo(0.3, 9);
    expect(interval!.high).toBeCloseTo(0.9, 9);
  });

  it('of win − loss, 50/30/20: (0.14…0.15, 0.45)', () => {
    const { value, interval, n } = bootstrapMargin({ wins: 50, ties: 30, losses: 20 }, resampling);
    expect([value, n]).toEqual([0.3, 100]);
    expect(Math.abs(interval!.low - 0.145)).toBeLessThan(0.011);
    expect(Math.abs(interval!.high - 0.45)).toBeLessThan(0.011);
  });

  it('is the same again for the same key, another for another key', () => {
    const few = { ...resampling, resamples: 100 };
    expect(bootstrapMean(values, few)).toEqual(bootstrapMean(values, few));
    expect(bootstrapMean(values, { ...few, key: keyOf(2, 'test.bootstrap') })).not.toEqual(
      bootstrapMean(values, few),
    );
  });

  it('of a constant has no width', () => {
    expect(bootstrapMean([4, 4, 4], resampling)).toEqual({ value: 4, interval: { low: 4, high: 4 }, n: 3 });
  });

  it('refuses pairs of different length', () => {
    expect(() => bootstrapPaired([1, 2], [1], resampling)).toThrow(RangeError);
  });
});

describe("Student's interval over seeds", () => {
  it.each([
    // scipy.stats.t.ppf(.975, df), scipy.stats.t.ppf(.95, df)
    [1, 12.706204736174694, 6.313751514675037],
    [2, 4.302652729749462, 2.9199855803537242],
    [3, 3.1824463052837078, 2.3533634348018233],
    [4, 2.7764451051977934, 2.1318467863266495],
    [9, 2.262157162798205, 1.833112932656237],
    [30, 2.0422724563012378, 1.697260886593957],
  ])('quantiles at %i degrees of freedom', (df, two, one) => {
    expect(tQuantile(0.975, df)).toBeCloseTo(two, 9);
    expect(tQuantile(0.95, df)).toBeCloseTo(one, 9);
  });

  it('scipy.stats.t.interval(.95, 4, loc=np.mean(v), scale=stats.sem(v))', () => {
    const { value, interval } = tEstimate([0.842, 0.849, 0.853, 0.861, 0.838]);
    expect(value).toBeCloseTo(0.8486, 12);
    expect(interval!.low).toBeCloseTo(0.8373357052342798, 10);
    expect(interval!.high).toBeCloseTo(0.85986429476572, 10);
  });
});
