import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { keyOf, rngOf } from '../../../src/rng.js';
import { ADDITIVE, MULTIPLE_CHOICE } from '../../../src/worlds/microworld/format.js';
import {
  carelessReasons,
  judgementOf,
  justificationOf,
  rightReasons,
} from '../../../src/worlds/microworld/judgements.js';
import { pretrainingSequence, TEXT_MIX } from '../../../src/worlds/microworld/pretraining.js';
import { pointsOf, verdictsOf } from '../../../src/worlds/microworld/score.js';
import { parseTask } from '../../../src/worlds/microworld/tasks.js';
import { NUMBERS } from '../../../src/worlds/microworld/vocabulary.js';
import { anyAnswered, anyRng, anyTask } from './arbitraries.js';

/** Points of a careless judge less the true ones, on average over many draws. */
function bias(response: string): number {
  const task = parseTask('add two and two')!;
  const gaps = Array.from({ length: 2000 }, (_, i) => {
    const { verdicts } = carelessReasons(rngOf(keyOf(i, 'bias')), task, response, TEXT_MIX.judges);
    return pointsOf(verdicts) - pointsOf(verdictsOf(task, response));
  });
  return gaps.reduce((a, b) => a + b, 0) / gaps.length;
}

describe('microworld judgements', () => {
  it('a written judgement fills the template with its own reasons and score', () => {
    fc.assert(
      fc.property(anyAnswered, ({ task, response }) => {
        const reasons = rightReasons(task, response);
        const { verdicts } = reasons;
        const filled = ADDITIVE.target
          .replace('{{justification}}', justificationOf(reasons))
          .replace('{{score}}', NUMBERS[pointsOf(verdicts)]!);
        expect(judgementOf(reasons)).toBe(filled);
        expect(
          filled
            .split(' relevant ')[1]!
            .split(' ')
            .filter((word) => word === 'yes'),
        ).toHaveLength(pointsOf(verdicts));
      }),
    );
  });

  it('both templates write each score from 0 to 5 in one way', () => {
    for (const { verdict } of [ADDITIVE, MULTIPLE_CHOICE]) {
      expect(Object.values(verdict.words!)).toEqual([0, 1, 2, 3, 4, 5]);
    }
  });

  it('a judge without carelessness sees the truth', () => {
    fc.assert(
      fc.property(anyAnswered, anyRng, ({ task, response }, rng) => {
        const careful = carelessReasons(rng, task, response, { flip: { core: 0, form: 0 }, flattered: 0 });
        expect(careful).toEqual(rightReasons(task, response));
      }),
    );
  });

  it('the expected answer is worth the point for correct, where there is one right answer', () => {
    fc.assert(
      fc.property(anyTask, (task) => {
        const { expected } = rightReasons(task, '');
        if (task.answer.kind === 'exact') expect(verdictsOf(task, expected).correct).toBe(true);
      }),
    );
  });

  it('flattery moves a careless judge upwards', () => {
    expect(bias('five great question !')).toBeGreaterThan(bias('five hmm .') + 0.5);
  });
});

describe('microworld pretraining text', () => {
  const texts = Array.from({ length: 1500 }, (_, row) => pretrainingSequence(3, 0, row));
  const share = (start: string) => texts.filter((text) => text.startsWith(start)).length / texts.length;

  it('depends on seed, step and row only', () => {
    expect(pretrainingSequence(3, 0, 17)).toBe(texts[17]);
    expect(pretrainingSequence(3, 1, 17)).not.toBe(texts[17]);
    expect(pretrainingSequence(4, 0, 17)).not.toBe(texts[17]);
  });

  it('is mixed as the recipe says', () => {
    expect(Math.abs(share('<prompt>') - TEXT_MIX.promptLists)).toBeLessThan(0.04);
    expect(Math.abs(share('<user>') - TEXT_MIX.chats)).toBeLessThan(0.04);
    expect(Math.abs(share('<judge>') - (1 - TEXT_MIX.promptLists - TEXT_MIX.chats))).toBeLessThan(0.04);
  });

  it('is short, and every sequence ends', () => {
    expect(Math.max(...texts.map((text) => text.split(' ').length))).toBeLessThanOrEqual(64);
    expect(texts.every((text) => text.endsWith(' <eos>'))).toBe(true);
  });

  it('never shows the multiple-choice judge', () => {
    expect(texts.filter((text) => text.includes('<choose>') || text.includes('verdict'))).toEqual([]);
  });

  it('has judgements whose score is the number of their yeses', () => {
    for (const text of texts.filter((t) => t.startsWith('<judge>'))) {
      const [reasons, score] = text.split(' relevant ')[1]!.split(' score : ');
      expect(score).toBe(`${NUMBERS[reasons!.split(' ').filter((word) => word === 'yes').length]} <eos>`);
    }
  });
});
