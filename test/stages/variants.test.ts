/** Each variant's one mechanism, against numbers worked out by hand. */
import { describe, expect, it } from 'vitest';
import { likelihoodWeights, pairLoss } from '../../src/lm/pair-loss.js';
import { type EpisodeId, pairId } from '../../src/protocol/ids.js';
import { pairOf } from '../../src/stages/pair.js';
import { consistencyOf, cream, likelihoodRequest, rewardOf } from '../../src/stages/variants/cream.js';
import { IPO } from '../../src/stages/variants/ipo.js';
import { iterativeRpo } from '../../src/stages/variants/iterative-rpo.js';
import { groupStart } from '../../src/stages/variants/online-dpo.js';
import { spinTexts } from '../../src/stages/variants/spin.js';
import { format, generationOf } from '../support/messages.js';

describe('IPO', () => {
  it('at the margin 1/(2β) costs nothing; 2 nats beyond or short of it cost 4, and pull back with slope ±4', () => {
    expect(pairLoss(5, 0.1, IPO)).toEqual({ loss: 0, slope: 0 });
    expect(pairLoss(7, 0.1, IPO)).toEqual({ loss: 4, slope: 4 });
    expect(pairLoss(3, 0.1, IPO)).toEqual({ loss: 4, slope: -4 });
    expect(pairLoss(0, 0.5, IPO)).toEqual({ loss: 1, slope: -2 });
  });
});

describe('Iterative RPO', () => {
  it('adds α over the length of the chosen, and leaves the pair’s own loss DPO’s', () => {
    const recipe = iterativeRpo(1);
    expect(pairLoss(0, 0.1, recipe).loss).toBeCloseTo(Math.LN2, 12);
    expect(pairLoss(0, 0.1, recipe).slope).toBeCloseTo(-0.05, 12);
    const side = (ids: number[], targetStart: number) => ({ ids, targetStart });
    const weightsAt = (alpha: number) =>
      likelihoodWeights({
        objective: 'dpo',
        beta: 0.1,
        recipe: iterativeRpo(alpha),
        scale: 1,
        dropout: 0,
        keys: [],
        pairs: [
          {
            chosen: side([1, 2, 3, 4, 5, 6], 2),
            rejected: side([1, 2, 3], 2),
            referenceChosen: 0,
            referenceRejected: 0,
          },
        ],
      });
    expect(weightsAt(1)).toEqual([1 / 4, 0]);
    expect(weightsAt(0.5)).toEqual([1 / 8, 0]);
  });
});

describe('CREAM', () => {
  it('consistency is (τ + 1)/2: the same order 1, the reverse 0, one pair of six swapped 5/6', () => {
    expect(consistencyOf([1, 2, 3, 4], [10, 20, 30, 40])).toBe(1);
    expect(consistencyOf([1, 2, 3, 4], [4, 3, 2, 1])).toBe(0);
    expect(consistencyOf([1, 2, 3, 4], [1, 2, 4, 3])).toBeCloseTo(5 / 6, 12);
    expect(consistencyOf([1, 2, null, 4], [2, 1, 9, 3])).toBeCloseTo(2 / 3, 12);
    expect(consistencyOf([1, 1, 1], [1, 2, 3])).toBeNull();
  });

  it('C is the mean over episodes, whatever came first, and 1 without any', () => {
    expect(cream({ '1-0001': 1, '1-0002': 0.5 })).toEqual({ loss: 'sigmoid', nll: 0, agreement: 0.75 });
    expect(cream({ '1-0002': 0.5, '1-0001': 1 })).toEqual(cream({ '1-0001': 1, '1-0002': 0.5 }));
    expect(cream({}).agreement).toBe(1);
  });

  it('the loss weighs the pair as it stands with C and reversed with 1 − C: at C = ½ nothing is learned at margin 0', () => {
    const half = { loss: 'sigmoid', nll: 0, agreement: 0.5 } as const;
    expect(pairLoss(0, 0.1, half).loss).toBeCloseTo(Math.LN2, 12);
    expect(pairLoss(0, 0.1, half).slope).toBeCloseTo(0, 12);
    // C = ¾, β = 1, h = ln 3: σ(h) = ¾; loss = −¾·ln ¾ − ¼·ln ¼; slope = −¾·¼ + ¼·¾ = 0.
    const { loss, slope } = pairLoss(Math.log(3), 1, { ...half, agreement: 0.75 });
    expect(loss).toBeCloseTo(-0.75 * Math.log(0.75) - 0.25 * Math.log(0.25), 12);
    expect(slope).toBeCloseTo(0, 12);
  });

  it('asks M_t against M0, in iteration 1 without a reference; without one the reward is a token’s mean', () => {
    const ask = (iteration: number, by: number) =>
      likelihoodRequest('x', { iteration, by }, format, 'p', [{ response: 'r', text: 't' }]);
    expect(ask(2, 0)).toMatchObject({ version: 'M2', reference: 'M0', items: [{ id: 'r', target: 't' }] });
    expect(ask(2, 1)).toMatchObject({ version: 'M1', reference: 'M0' });
    expect(ask(1, 0)).toMatchObject({ version: 'M1', reference: null });
    expect(ask(1, 1)).toMatchObject({ version: 'M0', reference: null });
    const item = { id: 'r', logprob: -6, tokens: 3 };
    expect(rewardOf({ ...item, reference: -8 })).toEqual({ status: 'score', score: 2 });
    expect(rewardOf({ ...item, reference: null })).toEqual({ status: 'score', score: -2 });
    expect(rewardOf({ ...item, logprob: null, reference: null }).status).toBe('unparseable');
  });
});

describe('SPIN', () => {
  it('chosen is the demonstration, rejected the answer; no pair where both say the same, or the answer is empty', () => {
    const answered = (id: string, text: string) => ({
      id: pairId(`1-${id}` as EpisodeId),
      iteration: 1,
      prompt: `p ${id}`,
      demonstration: 'what a person says',
      generation: generationOf(text, [1, 2]),
    });
    const said = [
      answered('b', 'what a model says'),
      answered('a', 'no idea'),
      answered('c', 'what a person says'),
      answered('d', ' '),
    ];
    expect(spinTexts(said, format)).toMatchObject([
      { id: '1-a', chosen: 'what a person says', rejected: 'no idea' },
      { id: '1-b', chosen: 'what a person says', rejected: 'what a model says' },
    ]);
  });
});

describe('online DPO', () => {
  it('in rounds of four, iterations 1–4 keep judge and reference of M1, 5–8 those of M5; alone each keeps its own', () => {
    const starts = (rounds: number) => [1, 2, 3, 4, 5, 8, 9].map((t) => groupStart(t, rounds));
    expect(starts(4)).toEqual([1, 1, 1, 1, 5, 5, 9]);
    expect(starts(1)).toEqual([1, 2, 3, 4, 5, 8, 9]);
  });
});

describe('length control', () => {
  const answers = [
    { text: 'long and best', score: 5 },
    { text: 'short', score: 4 },
    { text: 'bad', score: 0 },
    { text: 'bad but far longer', score: 1 },
    { text: 'so', score: 3 },
  ];
  const texts = (rho: number) => {
    const made = pairOf(answers, rho);
    return made.status === 'pair' ? [made.chosen.text, made.rejected.text] : made.reason;
  };
  it('ρ 0 is best against worst', () => expect(texts(0)).toEqual(['long and best', 'bad']));
  it('ρ 0.2 lets in scores from 4 up and 1 down: shortest against longest of those', () =>
    expect(texts(0.2)).toEqual(['short', 'bad but far longer']));
  it('ρ 0.1 lets in only 4.5 and up, 0.5 and down', () =>
    expect(texts(0.1)).toEqual(['long and best', 'bad']));
  it('ρ 0.4 lets in 3 and up', () => expect(texts(0.4)).toEqual(['so', 'bad but far longer']));
  it('among equals in length takes the better as chosen, and the worse as rejected', () => {
    const made = pairOf(
      [
        { text: 'aa', score: 4 },
        { text: 'bb', score: 5 },
        { text: 'cc', score: 1 },
        { text: 'dd', score: 0 },
      ],
      0.3,
    );
    expect(made).toMatchObject({ chosen: { text: 'bb' }, rejected: { text: 'dd' } });
  });
  it('an all-tied prompt gives no pair, whatever the lengths', () => {
    const tied = answers.map(({ text }) => ({ text, score: 3 }));
    expect(pairOf(tied, 0.4)).toMatchObject({ status: 'withheld', reason: 'tie' });
  });
});
