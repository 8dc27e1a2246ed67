import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { additive, plainFormat } from '../../src/protocol/templates.js';
import { keyOf } from '../../src/rng.js';
import {
  eftRow,
  evaluationsFrom,
  iftRow,
  type JudgedGroup,
  ordersAgree,
  thinMostCommon,
} from '../../src/stages/seed.js';

const key = keyOf(1, 'test.eft');
const group = (id: string, ...rows: readonly (readonly [number, number | null])[]): JudgedGroup => ({
  id,
  prompt: `prompt ${id}`,
  responses: rows.map(([value, score], i) => ({
    text: `${id} text ${i}`,
    value,
    score,
    justification: `why ${i}`,
  })),
});

describe('training text', () => {
  it('IFT: the chat prompt, then the response', () => {
    expect(iftRow(plainFormat, { id: 'x', prompt: 'Say hi.', response: 'Hi!' })).toEqual({
      id: 'x',
      kind: 'ift',
      prompt: 'Instruction: Say hi.\n\nResponse:\n',
      target: 'Hi!',
    });
  });

  it('EFT: the judge prompt, then justification and score', () => {
    const row = eftRow(additive, { id: 'x', prompt: 'P?', response: 'R.', justification: 'Fine.', score: 4 });
    expect(row.prompt).toContain('<instruction>\nP?\n</instruction>\n<response>\nR.\n</response>');
    expect(row.target).toBe('Fine.\nScore: 4');
  });
});

describe('EFT from ranked groups', () => {
  it('keeps a group only where the scores give the human order', () => {
    const { examples, leftOut, groups } = evaluationsFrom(
      [group('b', [0, 5], [-1, 3], [-2, 1]), group('a', [0, 2], [-1, 3]), group('c', [0, 4], [-1, 4])],
      key,
    );
    expect(examples.map(({ id, score }) => [id, score])).toEqual([
      ['b#0', 5],
      ['b#1', 3],
      ['b#2', 1],
    ]);
    expect(examples[0]).toEqual({
      id: 'b#0',
      prompt: 'prompt b',
      response: 'b text 0',
      justification: 'why 0',
      score: 5,
    });
    expect(leftOut).toEqual({ unparseable: 0, 'too-few': 0, disagrees: 4, thinned: 0 });
    expect(groups).toEqual({ read: 3, agreeing: 1 });
  });

  it('an unreadable judgement is left out, and a group with one left over says nothing', () => {
    const { examples, leftOut } = evaluationsFrom(
      [group('a', [0, 5], [-1, null], [-2, 1]), group('b', [0, null], [-1, 3])],
      key,
    );
    expect(examples.map(({ id }) => id)).toEqual(['a#0', 'a#2']);
    expect(leftOut).toEqual({ unparseable: 2, 'too-few': 1, disagrees: 0, thinned: 0 });
  });

  it('thins the most common score to the second most common, the same rows for the same key', () => {
    const rows = [4, 4, 4, 4, 4, 2, 2, 5].map((score, i) => ({ id: `e${i}`, score }));
    const kept = thinMostCommon(rows, key);
    expect(kept.map(({ score }) => score).sort()).toEqual([2, 2, 4, 4, 5]);
    expect(thinMostCommon(rows, key)).toEqual(kept);
    const kinds = new Set(
      Array.from({ length: 20 }, (_, s) => JSON.stringify(thinMostCommon(rows, keyOf(s, 'test.eft')))),
    );
    expect(kinds.size).toBeGreaterThan(3);
  });

  it('one lone score, or two equally common, are kept whole', () => {
    const rows = (...scores: number[]) => scores.map((score, i) => ({ id: `${i}`, score }));
    for (const one of [rows(4, 4, 4), rows(4, 4, 2, 2, 1), rows()])
      expect(thinMostCommon(one, key)).toEqual(one);
  });

  it('counts add up, and the order of the groups changes nothing', () => {
    const row = fc.tuple(fc.integer({ min: -3, max: 0 }), fc.option(fc.integer({ min: 0, max: 5 })));
    fc.assert(
      fc.property(fc.array(fc.array(row, { maxLength: 4 }), { maxLength: 8 }), (all) => {
        const groups = all.map((rows, i) => group(`g${i}`, ...rows));
        const selection = evaluationsFrom(groups, key);
        const out = Object.values(selection.leftOut).reduce((a, b) => a + b, 0);
        expect(selection.examples.length + out).toBe(all.flat().length);
        expect(evaluationsFrom([...groups].reverse(), key)).toEqual(selection);
      }),
    );
  });

  it('agreement is strict: a tie of the scores is no order', () => {
    const agree = (...pairs: readonly (readonly [number, number])[]) =>
      ordersAgree(pairs.map(([value, score]) => ({ value, score })));
    expect(agree([0, 5], [-1, 4])).toBe(true);
    expect(agree([0, 4], [-1, 4])).toBe(false);
    expect(agree([0, 4], [0, 4], [-1, 1])).toBe(true);
    expect(agree([0, 5], [0, 4], [-1, 1])).toBe(false);
  });
});
