/** Golden numbers: scipy and numpy; test/fixtures/paired/make.py made them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  clusteredMean,
  differences,
  EXACT_UNITS,
  flipPrompts,
  flipSeeds,
  type SeedValues,
  signFlip,
} from '../../src/report/paired-stats.js';
import { keyOf, rngOf } from '../../src/rng.js';
import { bootstrapMean } from '../../src/stats.js';

type Seeds = readonly Record<string, number>[];
interface Golden {
  readonly exact: readonly { readonly values: number[]; readonly p: number }[];
  readonly drawn: readonly { readonly values: number[]; readonly p: number }[];
  readonly binomial: number;
  readonly single: { readonly seeds: Seeds; readonly interval: readonly [number, number] };
  readonly clustered: readonly {
    readonly seeds: Seeds;
    readonly value: number;
    readonly interval: readonly [number, number];
  }[];
}
const golden = JSON.parse(
  readFileSync(join(import.meta.dirname, '../fixtures/paired/golden.json'), 'utf8'),
) as Golden;

const key = keyOf(1, 'test.paired');
const by = { key, resamples: 4000, confidence: 0.9 };
const mapsOf = (seeds: Seeds): SeedValues[] => seeds.map((seed) => new Map(Object.entries(seed)));
const oneSeed = (values: readonly number[]): SeedValues[] => [
  new Map(values.map((value, i) => [`p${String(i).padStart(3, '0')}`, value])),
];
/** Quarters: sums are exact, so nothing hangs on rounding. */
const quarters = fc.integer({ min: -12, max: 12 }).map((n) => n / 4);
const seedsOf = fc.array(fc.array(quarters, { minLength: 1, maxLength: 12 }), { minLength: 1, maxLength: 4 });

describe("the sign-flip test — scipy.stats.permutation_test(permutation_type='samples')", () => {
  it.each(golden.exact)('of few units is exact: $values → $p', ({ values, p }) => {
    const found = signFlip(values, key, 10);
    expect(found.exact).toBe(true);
    expect(found.p).toBeCloseTo(p, 12);
  });

  it('by hand: of +1 +1 +1 two of the eight assignments are as far from nought', () => {
    expect(signFlip([1, 1, 1], key, 10)).toEqual({ p: 0.25, exact: true, units: 3 });
    expect(signFlip([2], key, 10).p).toBe(1);
    expect(signFlip([1, -1], key, 10).p).toBe(1);
    expect(signFlip([], key, 10)).toEqual({ p: null, exact: true, units: 0 });
  });

  it.each(golden.drawn)(
    'of many units comes within three errors of 200,000 draws of scipy: p = $p',
    ({ values, p }) => {
      const found = signFlip(values, key, 20_000);
      expect(found.exact).toBe(false);
      expect(Math.abs(found.p! - p)).toBeLessThan(3 * Math.sqrt((p * (1 - p)) / 20_000) + 1e-3);
    },
  );

  it('of wins and losses is the sign test: scipy.stats.binomtest(30, 48)', () => {
    const games = [...Array(30).fill(1), ...Array(18).fill(-1), ...Array(52).fill(0)] as number[];
    const found = signFlip(games, key, 20_000);
    expect(found.units).toBe(48);
    expect(Math.abs(found.p! - golden.binomial)).toBeLessThan(0.01);
  });

  it('drawn and counted agree on the same units', () => {
    const values = Array.from({ length: EXACT_UNITS }, (_, i) => Math.sin(i * 1.7) + 0.4);
    // Units too small to move a sum past the observed one make the test draw.
    const padded = [...values, ...Array<number>(4).fill(1e-7)];
    const [counted, drawn] = [signFlip(values, key, 1), signFlip(padded, key, 40_000)];
    expect([counted.exact, drawn.exact]).toEqual([true, false]);
    expect(Math.abs(counted.p! - drawn.p!)).toBeLessThan(0.01);
  });

  it('does not see the sign, the scale, the order, nor units of no difference', () => {
    fc.assert(
      fc.property(fc.array(quarters, { minLength: 1, maxLength: 9 }), (values) => {
        const { p } = signFlip(values, key, 10);
        expect(
          signFlip(
            values.map((value) => -value),
            key,
            10,
          ).p,
        ).toBe(p);
        expect(
          signFlip(
            values.map((value) => 100 * value),
            key,
            10,
          ).p,
        ).toBe(p);
        expect(signFlip([...values].reverse(), key, 10).p).toBe(p);
        expect(signFlip([...values, 0, 0], key, 10).p).toBe(p);
        expect(p).toBeGreaterThanOrEqual(2 ** (1 - values.length) / 2);
        expect(p).toBeLessThanOrEqual(1);
      }),
    );
  });

  it.each([
    [8, 'counted'],
    [40, 'drawn'],
  ])('keeps its level when nothing differs: %i units, %s', (units) => {
    const rng = rngOf(keyOf(7, 'test.null', units));
    const ps = Array.from(
      { length: 600 },
      (_, i) =>
        signFlip(
          Array.from({ length: units }, () => rng.normal()),
          keyOf(i, 'test.null.flip'),
          400,
        ).p!,
    );
    for (const level of [0.05, 0.1, 0.25, 0.5, 0.75]) {
      const share = ps.filter((p) => p <= level).length / ps.length;
      expect(Math.abs(share - level)).toBeLessThan(4 * Math.sqrt((level * (1 - level)) / ps.length));
    }
  });
});

describe('prompts and seeds as units', () => {
  it('a prompt is one unit in all seeds: by hand, two seeds of two prompts', () => {
    const seeds = mapsOf([
      { a: 1, b: 3 },
      { a: 1, b: -1 },
    ]);
    // Sums by prompt: a (1 + 1) / 4, b (3 − 1) / 4; of ± .5 ± .5 two of four reach 1.
    expect(flipPrompts(seeds, key, 10)).toEqual({ p: 0.5, exact: true, units: 2 });
    // Means by seed: 2 and 0; the nought is no unit.
    expect(flipSeeds(seeds, key, 10)).toEqual({ p: 1, exact: true, units: 1 });
  });

  it('five seeds that all say the same sign: 2 of 32 assignments; one seed can say nothing', () => {
    const seeds = mapsOf([{ a: 1 }, { a: 2 }, { a: 0.5 }, { b: 1 }, { a: 3, b: 1 }]);
    expect(flipSeeds(seeds, key, 10).p).toBe(2 / 32);
    expect(flipSeeds(seeds.slice(0, 1), key, 10).p).toBeNull();
  });

  it('differences are taken on what both have', () => {
    const [one] = differences(mapsOf([{ a: 1, b: 2, c: 3 }]), mapsOf([{ b: 5, c: 3, d: 9 }]));
    expect([...one!]).toEqual([
      ['b', 3],
      ['c', 0],
    ]);
  });
});

describe('the bootstrap over seeds and prompts', () => {
  it("of one seed is scipy.stats.bootstrap(method='percentile'), and the run's own", () => {
    const seeds = mapsOf(golden.single.seeds);
    const { interval, value } = clusteredMean(seeds, { ...by, resamples: 20_000, confidence: 0.95 });
    const own = bootstrapMean([...seeds[0]!.values()], { ...by, resamples: 20_000, confidence: 0.95 });
    expect(value).toBeCloseTo(own.value!, 12);
    for (const [side, i] of [
      ['low', 0],
      ['high', 1],
    ] as const) {
      expect(Math.abs(interval![side] - golden.single.interval[i])).toBeLessThan(0.03);
      expect(Math.abs(interval![side] - own.interval![side])).toBeLessThan(0.04);
    }
  });

  it.each(golden.clustered.map((one, i) => ({ ...one, what: ['the same prompts', 'other prompts'][i] })))(
    'of several seeds with $what agrees with numpy',
    ({ seeds, value, interval }) => {
      const found = clusteredMean(mapsOf(seeds), { ...by, resamples: 20_000 });
      expect(found.value).toBeCloseTo(value, 12);
      expect(found.seeds).toBe(seeds.length);
      expect(Math.abs(found.interval!.low - interval[0])).toBeLessThan(0.02);
      expect(Math.abs(found.interval!.high - interval[1])).toBeLessThan(0.02);
    },
  );

  it('by hand: two seeds of one prompt each draw means 0, 1, 2 with 1/4, 1/2, 1/4', () => {
    const seeds = mapsOf([{ a: 0 }, { a: 2 }]);
    expect(clusteredMean(seeds, { ...by, confidence: 0.4 }).interval).toEqual({ low: 1, high: 1 });
    expect(clusteredMean(seeds, { ...by, confidence: 0.8 }).interval).toEqual({ low: 0, high: 2 });
  });

  it('holds its value, has no width without spread, and says null where it knows nothing', () => {
    expect(clusteredMean([], by)).toEqual({ value: null, interval: null, seeds: 0, n: 0 });
    expect(clusteredMean([new Map()], by).value).toBeNull();
    expect(clusteredMean(oneSeed([3]), by)).toEqual({ value: 3, interval: null, seeds: 1, n: 1 });
    expect(clusteredMean(oneSeed([2, 2, 2]), by).interval).toEqual({ low: 2, high: 2 });
    fc.assert(
      fc.property(seedsOf, (all) => {
        const seeds = all.flatMap(oneSeed);
        const { value, interval } = clusteredMean(seeds, { ...by, resamples: 50, confidence: 0.999 });
        const every = all.flat();
        expect(value).toBeGreaterThanOrEqual(Math.min(...every) - 1e-9);
        if (!interval) return;
        expect(interval.low).toBeLessThanOrEqual(interval.high);
        expect(interval.low).toBeGreaterThanOrEqual(Math.min(...every) - 1e-9);
        expect(interval.high).toBeLessThanOrEqual(Math.max(...every) + 1e-9);
      }),
    );
  });

  it('swapped arms give the negative, to the last draw', () => {
    fc.assert(
      fc.property(seedsOf, seedsOf, (left, right) => {
        const [a, b] = [left.flatMap(oneSeed), right.flatMap(oneSeed)];
        const n = Math.min(a.length, b.length);
        const few = { ...by, resamples: 60 };
        const there = clusteredMean(differences(a.slice(0, n), b.slice(0, n)), few);
        const back = clusteredMean(differences(b.slice(0, n), a.slice(0, n)), few);
        expect(there.value).toBeCloseTo(-back.value!, 12);
        if (!there.interval) return;
        expect(there.interval.low).toBeCloseTo(-back.interval!.high, 9);
        expect(there.interval.high).toBeCloseTo(-back.interval!.low, 9);
      }),
    );
  });

  it('an arm beside itself differs by nothing: 0 [0, 0], p = 1', () => {
    fc.assert(
      fc.property(seedsOf, (all) => {
        const seeds = all.flatMap(oneSeed);
        const leads = differences(seeds, seeds);
        expect(clusteredMean(leads, by).value).toBeCloseTo(0, 12);
        expect(flipPrompts(leads, key, 10).p).toBe(1);
      }),
    );
  });

  it('covers the truth about as often as it says: 30 seeds × 30 prompts, both with spread', () => {
    const covered = Array.from({ length: 120 }, (_, i) => {
      const rng = rngOf(keyOf(i, 'test.cover'));
      const prompts = Array.from({ length: 30 }, () => rng.normal());
      const seeds = Array.from({ length: 30 }, () => {
        const own = rng.normal();
        return new Map(prompts.map((prompt, p) => [`p${p}`, own + prompt + rng.normal()]));
      });
      const { interval } = clusteredMean(seeds, {
        key: keyOf(i, 'test.cover.draw'),
        resamples: 200,
        confidence: 0.9,
      });
      return interval!.low <= 0 && interval!.high >= 0;
    });
    const share = covered.filter(Boolean).length / covered.length;
    expect(share).toBeGreaterThan(0.82);
    expect(share).toBeLessThan(0.97);
  });
});
