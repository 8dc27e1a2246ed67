import { describe, expect, it } from 'vitest';
import { createScorer, scoreBy } from '../../src/players/scorer.js';
import type { BodyOf, Envelope } from '../../src/protocol/messages.js';
import type { World } from '../../src/protocol/ports.js';
import { keyOf } from '../../src/rng.js';
import { format, template } from '../support/messages.js';

const base = {
  name: 'test',
  format,
  judgeTemplate: template,
  judgeTemplates: {},
  seed: () => Promise.reject(new Error('not here')),
};
/** Truth: the length of the answer; a prompt in capitals has none. */
const world: World = {
  ...base,
  truth: (prompt, response) =>
    prompt === prompt.toUpperCase() ? null : { score: response.length, criteria: {} },
};
const blind: World = base;
const keys = Array.from({ length: 600 }, (_, i) => keyOf(1, 'judge', i));

describe('scoring players', () => {
  it("oracle: the world's true score, whatever the key", () => {
    expect(keys.slice(0, 3).map((key) => scoreBy(world, 'oracle', 'p', 'abc', key))).toEqual(
      Array(3).fill({ status: 'score', score: 3 }),
    );
  });

  it('gold: full marks for a correct answer, none for another, whatever else the truth is', () => {
    const knowing: World = {
      ...base,
      truth: (_, response) => ({ score: 4, criteria: { correct: response === 'four' } }),
    };
    expect(['four', 'five'].map((text) => scoreBy(knowing, 'gold', 'p', text, keys[0]!))).toEqual([
      { status: 'score', score: 5 },
      { status: 'score', score: 0 },
    ]);
  });

  it('oracle: a prompt without a truth gets no score, and none is made up', () => {
    expect(scoreBy(world, 'oracle', 'P', 'abc', keys[0]!)).toEqual({
      status: 'unparseable',
      reason: 'the prompt has no truth',
    });
  });

  it('oracle: a world that knows no truth is an error, not a score', () => {
    expect(() => scoreBy(blind, 'oracle', 'p', 'a', keys[0]!)).toThrow(
      expect.objectContaining({ code: 'cast.invalid' }),
    );
  });

  it('random: whole scores 0 to 5, all of them, by the key alone', () => {
    const scores = keys.map((key) => scoreBy(blind, 'random', 'p', 'a', key));
    expect(scores).toEqual(keys.map((key) => scoreBy(world, 'random', 'other', 'text', key)));
    const counts = new Map<number, number>();
    for (const one of scores)
      if (one.status === 'score') counts.set(one.score, (counts.get(one.score) ?? 0) + 1);
    expect([...counts.keys()].sort()).toEqual([0, 1, 2, 3, 4, 5]);
    for (const count of counts.values()) expect(Math.abs(count - 100)).toBeLessThan(40);
  });

  it('constant: its own score, decimals too', () => {
    expect(scoreBy(blind, 'constant:3.5', 'p', 'a', keys[0]!)).toEqual({ status: 'score', score: 3.5 });
  });

  it('as an addressee: one verdict a key, to the one who asked, in the order asked', async () => {
    const scorer = createScorer(world);
    const ask = (seq: number, texts: readonly string[]): Envelope => {
      const items = texts.map((text) => ({
        id: text,
        text,
        keys: [
          [1, 1],
          [2, 2],
        ] as [number, number][],
      }));
      const body: BodyOf<'score.request'> = { id: `r${seq}`, player: 'oracle', prompt: 'p', items };
      return { v: 1, seq, at: 0, from: 'judge', to: 'scorer', cause: 0, type: 'score.request', body };
    };
    expect(scorer.nextJobs()).toEqual([]);
    scorer.accept(ask(4, ['a', 'bb']));
    scorer.accept(ask(5, ['ccc']));
    const [job] = scorer.nextJobs();
    expect((await job!.start()).map(({ to, cause, message }) => [to, cause, message.body])).toEqual([
      [
        'judge',
        4,
        {
          id: 'r4',
          items: [
            { id: 'a', verdicts: Array(2).fill({ status: 'score', score: 1 }) },
            { id: 'bb', verdicts: Array(2).fill({ status: 'score', score: 2 }) },
          ],
        },
      ],
      [
        'judge',
        5,
        { id: 'r5', items: [{ id: 'ccc', verdicts: Array(2).fill({ status: 'score', score: 3 }) }] },
      ],
    ]);
    expect(scorer.nextJobs()).toEqual([]);
  });
});
