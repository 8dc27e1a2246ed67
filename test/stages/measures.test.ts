/** Golden numbers: scipy 1.17.1 spearmanr/kendalltau for each group, itertools.combinations for the pairs. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { keyOf } from '../../src/rng.js';
import {
  exactMatch,
  fiveBest,
  groupKendall,
  groupSpearman,
  type JudgedRanking,
  judgeTies,
  pairwiseAccuracy,
  rewardModelling,
} from '../../src/stages/measures.js';

const resampling = { key: keyOf(1, 'test.measures'), resamples: 200, confidence: 0.95 };
const group = (values: readonly number[], scores: readonly (number | null)[]): JudgedRanking => ({
  responses: values.map((value, i) => ({ value, score: scores[i]! })),
});
const groups = [
  group([0, -1, -2], [5, 3, 1]), // all right
  group([0, -1, -2, -3], [4, 5, 5, 2]), // pairs 3/6 right, 1/6 tied; its 5s are not the top
  group([0, -1], [4, 4]), // the judge ties
  group([3, 3, 1], [5, 4, 2]), // people tie the top two
  group([0, -1, -2], [5, null, 5]), // one unread
  group([2, 2], [1, 5]), // people tie all
];

describe('the five measures, group by group', () => {
  it('pairwise accuracy: a tie of the judge is a miss, a tie of people is no pair', () => {
    expect(groups.map(pairwiseAccuracy)).toEqual([1, 0.5, 0, 1, 0, null]);
  });

  it('5-best: of the responses scored perfect, those people rank top', () => {
    expect(groups.map((one) => fiveBest(one, 5))).toEqual([1, 0, null, 1, 0.5, 1]);
  });

  it('5-best: an unread response that people rank higher is still a rival', () => {
    expect(fiveBest(group([0, -1], [null, 5]), 5)).toBe(0);
  });

  it('exact match: the whole order, ties and all', () => {
    expect(groups.map(exactMatch)).toEqual([1, 0, 0, 0, null, null]);
  });

  it('Spearman and Kendall τ-b, null where a side is constant', () => {
    const round = (value: number | null) => (value === null ? null : value.toFixed(12));
    expect(groups.map(groupSpearman).map(round)).toEqual(
      [1, 0.316227766016838, null, 0.8660254037844387, null, null].map(round),
    );
    expect(groups.map(groupKendall).map(round)).toEqual(
      [1, 0.18257418583505539, null, 0.816496580927726, null, null].map(round),
    );
  });

  it('judge ties: over the pairs that people order', () => {
    expect(groups.map(judgeTies)).toEqual([0, 1 / 6, 1, 0, 1, null]);
  });

  it('an unread judgement is no score of −1: the rest of the group stands as if alone', () => {
    const value = fc.integer({ min: 0, max: 5 });
    fc.assert(
      fc.property(fc.array(fc.tuple(value, value), { maxLength: 6 }), value, (rows, unread) => {
        const alone = group(
          rows.map(([v]) => v),
          rows.map(([, s]) => s),
        );
        const beside = { responses: [...alone.responses, { value: unread, score: null }] };
        for (const measure of [pairwiseAccuracy, judgeTies, groupSpearman, groupKendall])
          expect(measure(beside)).toEqual(measure(alone));
      }),
    );
  });

  it('a judge that gives the true values is perfect, one that reverses them is not', () => {
    const values = fc.uniqueArray(fc.integer({ min: 0, max: 5 }), { minLength: 2, maxLength: 5 });
    fc.assert(
      fc.property(values, (order) => {
        const right = group(order, order);
        const wrong = group(
          order,
          order.map((value) => -value),
        );
        expect([
          pairwiseAccuracy(right),
          exactMatch(right),
          pairwiseAccuracy(wrong),
          exactMatch(wrong),
        ]).toEqual([1, 1, 0, 0]);
        expect(groupSpearman(right)).toBeCloseTo(1, 12);
        expect(groupKendall(wrong)).toBeCloseTo(-1, 12);
      }),
    );
  });
});

describe('over groups', () => {
  it('is the mean over the groups where the measure is defined', () => {
    const got = rewardModelling(groups, 5, resampling);
    const summary = Object.fromEntries(
      Object.entries(got).map(([name, { value, n }]) => [name, [value?.toFixed(9), n]]),
    );
    expect(summary).toEqual({
      pairwiseAccuracy: ['0.500000000', 5],
      fiveBest: ['0.700000000', 5],
      exactMatch: ['0.250000000', 4],
      spearman: ['0.727417723', 3], // 0.7274177232670923
      kendall: ['0.666356922', 3], // 0.6663569222542605
      judgeTies: ['0.433333333', 5],
    });
  });

  it('of a judge that never speaks is null everywhere, not NaN and not 0', () => {
    const silent = groups.map(({ responses }) => ({
      responses: responses.map(({ value }) => ({ value, score: null })),
    }));
    for (const estimate of Object.values(rewardModelling(silent, 5, resampling)))
      expect(estimate).toEqual({ value: null, interval: null, n: 0 });
  });
});
