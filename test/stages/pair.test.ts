import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { pairOf, positivesOf, type ScoredCandidate } from '../../src/stages/pair.js';
import { checkCandidates } from '../../src/stages/respond.js';

const of = (...rows: readonly (readonly [string, number | null])[]) =>
  rows.map(([text, score], index) => ({ index, text, score }));
const reasonOf = (candidates: readonly ScoredCandidate[]) => {
  const pairing = pairOf(candidates);
  return pairing.status === 'withheld' ? pairing.reason : 'pair';
};

describe('pairing', () => {
  it('takes the highest against the lowest mean score', () => {
    expect(pairOf(of(['a', 3], ['b', 5], ['c', 1], ['d', 4]))).toMatchObject({
      status: 'pair',
      chosen: { index: 1, text: 'b', score: 5 },
      rejected: { index: 2, text: 'c', score: 1 },
    });
  });

  it('among equals takes the lowest index, at both ends', () => {
    expect(pairOf(of(['a', 3], ['b', 5], ['c', 5], ['d', 1], ['e', 1]))).toMatchObject({
      chosen: { index: 1 },
      rejected: { index: 3 },
    });
  });

  it('bug: a parse failure becomes the rejected response — an unread answer is in no pair', () => {
    expect(pairOf(of(['a', null], ['b', 5], ['c', 2], ['d', null]))).toMatchObject({
      chosen: { index: 1 },
      rejected: { index: 2 },
    });
    expect(reasonOf(of(['a', 5], ['b', null], ['c', null]))).toBe('unparseable');
    expect(reasonOf(of(['a', null], ['b', null]))).toBe('unparseable');
  });

  it('bug: an all-tied prompt yields chosen = rejected — it gives no pair', () => {
    expect(reasonOf(of(['a', 4], ['b', 4], ['c', 4], ['d', 4]))).toBe('tie');
    expect(reasonOf(of(['a', 4], ['b', 4], ['c', null]))).toBe('tie');
  });

  it('the same scores summed in another order are a tie', () => {
    const up = (0.1 + 0.2 + 0.3) / 3;
    const down = (0.3 + 0.2 + 0.1) / 3;
    expect(up).not.toBe(down);
    expect(reasonOf(of(['a', up], ['b', down]))).toBe('tie');
  });

  it('one text twice is one answer, however it was judged', () => {
    expect(reasonOf(of(['a', 5], ['a ', 1]))).toBe('too-few');
    expect(pairOf(of(['a', null], ['b', 2], ['a', 4]))).toMatchObject({
      chosen: { index: 2 },
      rejected: { index: 1 },
    });
  });

  it('empty answers are none', () => {
    expect(reasonOf(of(['', 0], [' \n', 1], ['a', 5]))).toBe('too-few');
    expect(reasonOf([])).toBe('too-few');
  });

  it('whatever the candidates: a pair has two texts, the extreme scores, and a strict order', () => {
    const candidate = fc.tuple(
      fc.constantFrom('a', 'b', 'c', 'd', ' a', ''),
      fc.option(fc.integer({ min: 0, max: 5 })),
    );
    fc.assert(
      fc.property(fc.array(candidate, { maxLength: 6 }), (rows) => {
        const pairing = pairOf(of(...rows));
        if (pairing.status !== 'pair') return;
        expect(pairing.chosen.text.trim()).not.toBe(pairing.rejected.text.trim());
        expect(pairing.rejected.text.trim()).not.toBe('');
        expect(pairing.chosen.score).toBeGreaterThan(pairing.rejected.score);
      }),
    );
  });

  it('the names of candidates play no part: scores alone decide which texts are paired', () => {
    const scores = fc.uniqueArray(fc.integer({ min: 0, max: 50 }), { minLength: 2, maxLength: 6 });
    fc.assert(
      fc.property(scores, (values) => {
        const rows = of(...values.map((value) => [`text ${value}`, value] as const));
        expect(pairOf([...rows].reverse())).toEqual(pairOf(rows));
      }),
    );
  });
});

describe('positives', () => {
  it('are the different answers of perfect mean score', () => {
    const rows = of(['a', 5], ['b', 4.99], ['a', 5], ['c', null], ['d', 5], ['', 5]);
    expect(positivesOf(rows, 5).map(({ index }) => index)).toEqual([0, 4]);
  });
});

describe('checkCandidates', () => {
  it('counts empty answers and repeats; the first of each text is usable', () => {
    expect(checkCandidates(['a', '', 'b', ' a\n', 'b', '  '])).toEqual({
      usable: [0, 2],
      empty: [1, 5],
      duplicates: [
        { index: 3, of: 0 },
        { index: 4, of: 2 },
      ],
    });
  });
});
