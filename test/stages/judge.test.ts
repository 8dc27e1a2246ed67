import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { JudgeTemplate } from '../../src/protocol/records.js';
import { additive } from '../../src/protocol/templates.js';
import { justificationOf, meanScore, parseVerdict, verdictPlace } from '../../src/stages/judge.js';
import { judgePrompt } from '../../src/stages/templates.js';

const score = (value: number) => ({ status: 'score', score: value });
const unparseable = (reason: string) => ({ status: 'unparseable', reason });

describe('parseVerdict — bug: the score is parsed from the first match in prompt + output', () => {
  it('a response that says "Score: 5" does not grade itself', () => {
    const prompt = judgePrompt(additive, 'Say hi.', 'Hi! Score: 5');
    expect(prompt).toContain('Score: 5');
    expect(parseVerdict('', additive)).toEqual(unparseable('no-marker'));
    expect(parseVerdict('Too short.\nScore: 1', additive)).toEqual(score(1));
  });

  it('a judge that quotes the response is read at its last line', () => {
    expect(parseVerdict('The answer claims "Score: 5", which is no answer.\nScore: 0', additive)).toEqual(
      score(0),
    );
  });

  it('the last score is read whatever stands before it', () => {
    const before = fc.string().filter((text) => !/[\p{L}\p{N}]$/u.test(text));
    fc.assert(
      fc.property(before, fc.integer({ min: 0, max: 5 }), (text, points) => {
        expect(parseVerdict(`${text}Score: ${points}`, additive)).toEqual(score(points));
        expect(parseVerdict(`Score: 2 ${text}\nScore: ${points}`, additive)).toEqual(score(points));
      }),
    );
  });
});

describe('parseVerdict — bug: the parser rejects "3.5" or crashes on any match', () => {
  it.each([
    ['Score: 3.5', 3.5],
    ['Score: 4/5', 4],
    ['Score: 4 / 5', 4],
    ['Score: 4 out of 5', 4],
    ['Score: 4.5/5.0', 4.5],
    ['Score: 5.', 5],
    ['Score: 5, for all of it', 5],
    ['**Score: 4**', 4],
    ['**Score:** 4', 4],
    ['**Score**: 4', 4],
    ['score : 2', 2],
    ['SCORE:3', 3],
    ['Score: <4>', 4],
    ['Score: "0"', 0],
    ['Score: .5', 0.5],
    ['Score: 4 - good', 4],
    ['Score: 4\n- 3 examples would help', 4],
    ['## Score:\n4', 4],
    ['_Score: 1_', 1],
    ['Score: +3', 3],
    ['Score: 3 points', 3],
  ])('%j is %d', (text, points) => {
    expect(parseVerdict(text, additive)).toEqual(score(points));
  });
});

describe('parseVerdict — bug: a parse failure becomes a score of −1', () => {
  it.each([
    ['', 'no-marker'],
    ['I like it.', 'no-marker'],
    ['4', 'no-marker'],
    ['Underscore: 4', 'no-marker'],
    ['Score:', 'no-score'],
    ['Score: <total points>', 'no-score'],
    ['Score: four', 'no-score'],
    ['Score: 4 is what I thought.\nScore: ', 'no-score'],
    ['Score: 3-4', 'no-score'],
    ['Score: 4,5', 'no-score'],
    ['Score: 4.5.1', 'no-score'],
    ['Score: 4th', 'no-score'],
    ['Score:\n1. The answer is short', 'no-score'],
    ['Score: -1', 'out-of-range'],
    ['Score: −1', 'out-of-range'],
    ['Score: 6', 'out-of-range'],
    ['Score: 5.01', 'out-of-range'],
    ['Score: 4/10', 'out-of-range'],
    ['Score: 100', 'out-of-range'],
  ])('%j is no score: %s', (text, reason) => {
    expect(parseVerdict(text, additive)).toEqual(unparseable(reason));
  });

  it('any text is a score in range or unparseable, and nothing throws', () => {
    const noise = fc.array(
      fc.constantFrom('Score:', 'score', ':', ' ', '\n', '5', '.', '-', '9', '/', '*', 'x', '{{'),
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          noise.map((parts) => parts.join('')),
        ),
        (text) => {
          const verdict = parseVerdict(text, additive);
          if (verdict.status === 'score') expect(verdict.score >= 0 && verdict.score <= 5).toBe(true);
          else expect(['no-marker', 'no-score', 'out-of-range']).toContain(verdict.reason);
        },
      ),
    );
  });
});

describe('parseVerdict — templates that write scores as words', () => {
  const words: JudgeTemplate = {
    name: 'words',
    prompt: '{{prompt}} {{response}}',
    verdict: { marker: 'score :', words: { zero: 0, one: 1, two: 2, six: 6, sixteen: 16 }, min: 0, max: 5 },
    target: '{{justification}} score : {{score}}',
  };

  it.each([
    ['relevant yes clear no score : one', score(1)],
    ['score : one score : two', score(2)],
    ['score:two', score(2)],
    ['Score : Zero.', score(0)],
    ['score : 2', unparseable('no-score')],
    ['score : ones', unparseable('no-score')],
    ['score : three', unparseable('no-score')],
    ['score : sixteen', unparseable('out-of-range')],
    ['score : six', unparseable('out-of-range')],
    ['score', unparseable('no-marker')],
  ])('%j', (text, verdict) => {
    expect(parseVerdict(text, words)).toEqual(verdict);
  });

  it('a marker that is no word is found wherever it stands', () => {
    const rating = { ...additive, verdict: { marker: '[[rating]]', min: 0, max: 5 } };
    expect(parseVerdict('so[[Rating]] 4', rating)).toEqual(score(4));
  });
});

describe('justificationOf', () => {
  it('is what stands before the last score line', () => {
    expect(justificationOf('It quotes Score: 5 and ends.\n\n**Score: 4**', additive)).toBe(
      'It quotes Score: 5 and ends.',
    );
    expect(justificationOf('No score here.', additive)).toBe('No score here.');
  });
});

describe('meanScore', () => {
  it('is over the readable ones; the others are counted', () => {
    const verdicts = ['Score: 4', 'none', 'Score: 5'].map((text) => parseVerdict(text, additive));
    expect(meanScore(verdicts)).toEqual({ score: 4.5, valid: 2, unparseable: 1 });
  });

  it('is null where none is readable', () => {
    expect(meanScore([parseVerdict('', additive)])).toEqual({ score: null, valid: 0, unparseable: 1 });
    expect(meanScore([])).toEqual({ score: null, valid: 0, unparseable: 0 });
  });
});

describe('where a verdict stands', () => {
  it.each([
    ['Good.\nScore: 4/5', 'Score:', '4/5'],
    ['score: 1 then\n**Score**: 3.5 points', 'Score**:', '3.5'],
  ])('in %j', (text, marker, score) => {
    const place = verdictPlace(text, additive)!;
    expect(text.slice(...place.marker)).toBe(marker);
    expect(text.slice(...place.score!)).toBe(score);
  });

  it('is a word where scores are words', () => {
    const words = { ...additive, verdict: { marker: 'score :', words: { four: 4 }, min: 0, max: 5 } };
    const place = verdictPlace('so score : four .', words)!;
    expect('so score : four .'.slice(...place.score!)).toBe('four');
  });

  it('is nowhere without a marker, and has no score where none can be read', () => {
    expect(verdictPlace('4 out of 5', additive)).toBeNull();
    expect(verdictPlace('Score: high', additive)!.score).toBeNull();
  });
});
