/** Each variant's one mechanism, against numbers worked out by hand. */
import { describe, expect, it } from 'vitest';
import { likelihoodWeights, pairLoss } from '../../src/lm/pair-loss.js';
import {
  type EpisodeId,
  type JudgementId,
  type PairId,
  pairId,
  type ResponseId,
  type VersionId,
} from '../../src/protocol/ids.js';
import { pairOf } from '../../src/stages/pair.js';
import { judgePrompt } from '../../src/stages/templates.js';
import { consistencyOf, cream, likelihoodRequest, rewardOf } from '../../src/stages/variants/cream.js';
import { IPO } from '../../src/stages/variants/ipo.js';
import { iterativeRpo } from '../../src/stages/variants/iterative-rpo.js';
import {
  battleMatrix,
  eloOf,
  judgementPairOf,
  judgementTexts,
  type Met,
  mostDisputed,
  positionWeights,
} from '../../src/stages/variants/meta-rewarding.js';
import { groupStart } from '../../src/stages/variants/online-dpo.js';
import { spinTexts } from '../../src/stages/variants/spin.js';
import { anchoredPairOf, futureGuided, poolsOf } from '../../src/stages/variants/temporal-self-rewarding.js';
import { format, generationOf, template } from '../support/messages.js';

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

describe('Meta-Rewarding', () => {
  const judged = (response: string, scores: readonly number[], text = (i: number) => `text ${i}`) =>
    scores.map((score, i) => ({
      id: `${response}/0.${i}` as JudgementId,
      response,
      seq: i,
      text: text(i),
      score,
    }));
  const answer = (id: string) => ({ id: id as ResponseId, text: id });
  const met = (first: string, second: string, status: 'first' | 'second' | 'none'): Met => ({
    first,
    second,
    seq: 0,
    verdict: status === 'none' ? { status, reason: 'no-marker' } : { status },
  });

  it('takes the answer whose scores vary most, its judgements of different texts, and none where nothing varies', () => {
    // Variances 2/3, 2, 0.
    const all = [
      ...judged('a', [1, 2, 3]),
      ...judged('b', [5, 2, 2], (i) => `b ${i % 2}`),
      ...judged('c', [4, 4]),
    ];
    const found = mostDisputed(['a', 'b', 'c'].map(answer), all)!;
    expect(found.response.id).toBe('b');
    expect(found.judgements.map(({ text, score }) => [text, score])).toEqual([
      ['b 0', 5],
      ['b 1', 2],
    ]);
    expect(mostDisputed([answer('c')], judged('c', [4, 4, 4]))).toBeNull();
    expect(mostDisputed([answer('c')], judged('c', [4]))).toBeNull();
  });

  it('a win in the position that wins more counts less: 30 first against 10 second, ¼ and ¾', () => {
    expect(positionWeights({ first: 30, second: 10 })).toEqual({ first: 0.25, second: 0.75 });
    expect(positionWeights({ first: 0, second: 0 })).toEqual({ first: 0.5, second: 0.5 });
    const won = battleMatrix(
      ['a', 'b'],
      [met('a', 'b', 'first'), met('b', 'a', 'first'), met('b', 'a', 'second'), met('a', 'b', 'none')],
      { first: 0.25, second: 0.75 },
    );
    // a: once first, once second; b: once first.
    expect(won).toEqual([
      [0, 1],
      [0.25, 0],
    ]);
  });

  it('ratings of two differ by ln((wins + 0.1)/(losses + 0.1)); of three they maximise the likelihood', () => {
    const [a, b] = eloOf([
      [0, 2],
      [0.5, 0],
    ]);
    expect(a! - b!).toBeCloseTo(Math.log(2.1 / 0.6), 10);
    expect(a! + b!).toBeCloseTo(0, 10);
    const won = [
      [0, 1, 0.5],
      [0.25, 0, 1],
      [0, 0.5, 0],
    ];
    const elo = eloOf(won);
    // The gradient of the log-likelihood at each rating is wins − expected wins = 0.
    won.forEach((row, i) => {
      const gradient = row.reduce((sum, wins, j) => {
        if (i === j) return sum;
        const games = wins + won[j]![i]! + 0.2;
        return sum + wins + 0.1 - games / (1 + Math.exp(elo[j]! - elo[i]!));
      }, 0);
      expect(gradient).toBeCloseTo(0, 8);
    });
    expect(elo[0]!).toBeGreaterThan(elo[1]!);
    expect(elo[1]!).toBeGreaterThan(elo[2]!);
  });

  it('the pair is the highest rating against the lowest; equal ratings, no verdict and a long chosen give none', () => {
    const judgements = judged('1-0001/0', [5, 3, 1]).map(({ response: _, ...rest }) => rest);
    const [x, y, z] = judgements.map(({ id }) => String(id)) as [string, string, string];
    const request = {
      episode: '1-0001' as EpisodeId,
      iteration: 1,
      prompt: 'p',
      response: answer('1-0001/0'),
      judgements,
    };
    const even = { first: 0.5, second: 0.5 };
    const decided = (verdicts: readonly Met[], maxChars = 0) => {
      const made = judgementPairOf(request, verdicts, even, maxChars);
      return 'pair' in made ? [made.pair.chosen.score, made.pair.rejected.score] : made.withheld.reason;
    };
    // y beats both, z loses both.
    const verdicts = [met(x, y, 'second'), met(y, x, 'first'), met(x, z, 'first'), met(z, y, 'second')];
    expect(decided(verdicts)).toEqual([3, 1]);
    expect(decided(verdicts, 5)).toBe('too-long');
    expect(decided([met(x, y, 'first'), met(y, x, 'first')])).toBe('tie');
    expect(decided([met(x, y, 'none')])).toBe('no-verdict');
  });

  it('the row has the judge’s prompt, the better judgement and the worse', () => {
    const side = (text: string) => ({
      judgement: 'j' as JudgementId,
      text,
      score: 1,
      elo: 0,
      judgements: [7],
    });
    const pair = {
      id: '1-0001' as PairId,
      iteration: 1,
      prompt: 'p',
      response: answer('r'),
      metaJudgements: [1],
    };
    const [row] = judgementTexts([{ ...pair, chosen: side('good'), rejected: side('bad') }], template);
    expect(row).toMatchObject({ id: '1-0001/judgements', chosen: 'good', rejected: 'bad' });
    expect(row!.prompt).toBe(judgePrompt(template, 'p', 'r'));
  });
});

describe('Temporal Self-Rewarding', () => {
  const scored = (text: string, score: number | null) => ({ text, score });
  const pair = (present: ReturnType<typeof scored>[], past: ReturnType<typeof scored>[]) => {
    const made = anchoredPairOf({ present, past });
    return made.status === 'pair' ? [made.chosen.text, made.rejected.text] : made.reason;
  };

  it('chosen is the best of the newest version, rejected the worst of the past one, whatever else is worse or better', () => {
    const present = [scored('a', 4), scored('worst of all', 0), scored('b', 3)];
    const past = [scored('c', 3), scored('d', 2), scored('best of all', 5)];
    expect(pair(present, past)).toEqual(['a', 'd']);
    expect(pair(present, present)).toEqual(['a', 'worst of all']);
  });

  it('no pair where the newest is no better than the past’s worst, says the same, or can’t be read', () => {
    expect(pair([scored('a', 3)], [scored('b', 3), scored('c', 4)])).toBe('tie');
    expect(pair([scored('a', 2)], [scored('b', 3)])).toBe('tie');
    expect(pair([scored('a', 4)], [scored('a ', 1)])).toBe('too-few');
    expect(pair([scored('a', null)], [scored('b', 1)])).toBe('unparseable');
    expect(pair([scored('a', 1)], [])).toBe('too-few');
    expect(pair([scored('a', 1), scored('b', 1)], [])).toBe('unparseable');
  });

  it('where all answers are the anchor’s they are both pools', () => {
    const of = (version: string) => ({ version: version as VersionId });
    expect(poolsOf([of('M1'), of('M2')], 'M1' as VersionId)).toEqual({
      past: [of('M1')],
      present: [of('M2')],
    });
    expect(poolsOf([of('M1'), of('M1')], 'M1' as VersionId).present).toHaveLength(2);
  });

  it('a future answer takes the chosen’s place only where it is judged better', () => {
    const [chosen, rejected] = [
      { text: 'a', score: 3 },
      { text: 'b', score: 1 },
    ];
    const by = (...future: ReturnType<typeof scored>[]) => {
      const made = futureGuided(chosen, rejected, future);
      return [made.by, made.chosen.text];
    };
    expect(by(scored('x', 4), scored('y', 5), scored('z', 5))).toEqual(['future', 'y']);
    expect(by(scored('x', 3), scored('y', null))).toEqual(['present', 'a']);
    expect(by(scored('b', 5))).toEqual(['present', 'a']);
    expect(by()).toEqual(['present', 'a']);
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
