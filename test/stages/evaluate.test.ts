import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { keyOf } from '../../src/rng.js';
import {
  hackingGap,
  headToHead,
  meanOfScores,
  parseFailures,
  scoreHistogram,
} from '../../src/stages/evaluate.js';
import { diversity, klFromReference, lengths } from '../../src/stages/outputs.js';

const resampling = { key: keyOf(1, 'test.evaluate'), resamples: 500, confidence: 0.95 };
const answers = (...scores: readonly (number | null)[]) => scores.map((score, i) => ({ id: `p${i}`, score }));

describe('head to head', () => {
  it('counts wins, ties and losses over the same prompts; an unscored answer decides nothing', () => {
    const got = headToHead(answers(5, 3, 1, 2, null, 4), answers(4, 3, 2, 1, 5, null), resampling);
    expect(got).toMatchObject({ wins: 2, ties: 1, losses: 1, undecided: 2 });
    expect(got.margin).toMatchObject({ value: 0.25, n: 4 }); // (2 − 1) / 4
  });

  it('matches answers by prompt, whatever their order, and passes over prompts only one has', () => {
    const other = [...answers(4, 3, 2, 1)].reverse();
    expect(headToHead(answers(5, 3, 1, 2, 5), other, resampling)).toEqual(
      headToHead(answers(5, 3, 1, 2), answers(4, 3, 2, 1), resampling),
    );
  });

  it('the other way round, wins are losses', () => {
    const scores = fc.array(fc.tuple(fc.integer({ min: 0, max: 5 }), fc.integer({ min: 0, max: 5 })), {
      maxLength: 30,
    });
    fc.assert(
      fc.property(scores, (rows) => {
        const [a, b] = [answers(...rows.map((row) => row[0])), answers(...rows.map((row) => row[1]))];
        const [there, back] = [headToHead(a, b, resampling), headToHead(b, a, resampling)];
        expect([back.wins, back.ties, back.losses]).toEqual([there.losses, there.ties, there.wins]);
        expect(there.wins + there.ties + there.losses + there.undecided).toBe(rows.length);
        expect((back.margin.value ?? 0) + (there.margin.value ?? 0)).toBeCloseTo(0, 12);
      }),
      { numRuns: 30 },
    );
  });

  it('with nothing decided the margin is unknown', () => {
    expect(headToHead(answers(null), answers(3), resampling).margin).toEqual({
      value: null,
      interval: null,
      n: 0,
    });
  });
});

describe('hacking gap', () => {
  it('is self-score minus true score over answers that have both', () => {
    const got = hackingGap(
      [
        { self: 5, truth: 3 },
        { self: 4, truth: 4 },
        { self: 5, truth: 2 },
        { self: null, truth: 5 },
        { self: 5, truth: null },
      ],
      resampling,
    );
    expect(got.self.value).toBeCloseTo(14 / 3, 12);
    expect(got.truth.value).toBeCloseTo(3, 12);
    expect(got.gap.value).toBeCloseTo(5 / 3, 12);
    expect([got.gap.n, got.unknown]).toEqual([3, 2]);
    expect(got.gap.interval!.low).toBeGreaterThanOrEqual(0);
  });
});

describe('scores and verdicts', () => {
  it('bug: a parse failure becomes a score — it is a share of its own', () => {
    const verdicts = [
      { status: 'score' as const, score: 4 },
      { status: 'unparseable' as const, reason: 'no-marker' },
      { status: 'unparseable' as const, reason: 'no-score' },
      { status: 'score' as const, score: 2 },
    ];
    expect(parseFailures(verdicts, resampling)).toMatchObject({ value: 0.5, n: 4 });
    expect(parseFailures([], resampling)).toEqual({ value: null, interval: null, n: 0 });
    expect(meanOfScores(answers(4, null, 2), resampling)).toMatchObject({ value: 3, n: 2 });
  });

  it('the histogram holds every score once', () => {
    expect(scoreHistogram([0, 0.4, 0.5, 3.33, 4.5, 5])).toEqual([2, 1, 0, 1, 0, 2]);
    expect(scoreHistogram([])).toEqual([0, 0, 0, 0, 0, 0]);
  });
});

describe('answers as text', () => {
  it('length: mean, median, longest', () => {
    expect(lengths([3, 10, 4, 5], resampling)).toMatchObject({
      mean: { value: 5.5, n: 4 },
      median: 4.5,
      max: 10,
    });
    expect(lengths([], resampling)).toEqual({
      mean: { value: null, interval: null, n: 0 },
      median: null,
      max: null,
    });
  });

  it('diversity: different n-grams of all n-grams, different answers of all answers', () => {
    // 1-grams a b a b a b c d: 4 of 8; 2-grams ab ba ab | bc cd — see below: ab, ba, ab, ab, bc, cd
    expect(
      diversity([
        ['a', 'b', 'a', 'b'],
        ['a', 'b', 'c', 'd'],
      ]),
    ).toEqual({ distinct1: 0.5, distinct2: 4 / 6, unique: 1 });
    expect(diversity([[1, 2], [1, 2], [12]])).toEqual({ distinct1: 3 / 5, distinct2: 1 / 2, unique: 2 / 3 });
    expect(diversity([])).toEqual({ distinct1: null, distinct2: null, unique: null });
  });

  it('KL: the mean over answers of the summed log-ratio', () => {
    const got = klFromReference(
      [
        { own: -3, reference: -5 },
        { own: -4, reference: -3.5 },
      ],
      resampling,
    );
    expect(got).toMatchObject({ value: 0.75, n: 2 }); // (2 − 0.5) / 2
    expect(klFromReference([{ own: -3, reference: -3 }], resampling).value).toBe(0);
  });

  it('KL: the estimator meets the exact value for a two-token model sampled at temperature 1', () => {
    const [p, q] = [0.8, 0.5];
    const exact = p * Math.log(p / q) + (1 - p) * Math.log((1 - p) / (1 - q));
    const drawn = Array.from({ length: 1000 }, (_, i) =>
      i < 800
        ? { own: Math.log(p), reference: Math.log(q) }
        : { own: Math.log(1 - p), reference: Math.log(1 - q) },
    );
    expect(klFromReference(drawn, resampling).value).toBeCloseTo(exact, 12);
  });
});
