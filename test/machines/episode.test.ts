import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type MachineRole, machineRole } from '../../actors/role.js';
import { episodeMachine } from '../../machines/episode.js';
import { episodeId, judgementId, pairId, responseId, versionId } from '../../src/protocol/ids.js';
import type { Outgoing, Verdict } from '../../src/protocol/messages.js';
import { bodies, generationOf, received, score, types, unread } from '../support/messages.js';

const id = episodeId(1, 3);
const opened = () => machineRole(episodeMachine, { id, iteration: 1, maxScore: 5 });
const common = { episode: id, iteration: 1, prompt: 'why?', shots: [], generation: generationOf('why?') };
const promptMade = () => received('prompt.made', common);
const answersMade = (texts: readonly string[]) =>
  received('responses.made', {
    episode: id,
    candidates: texts.map((text, c) => ({ ...generationOf(text), id: responseId(id, c) })),
  });

/** Drives an episode to its end with these answers and the verdicts on each that is judged. */
function live(texts: readonly string[], verdicts: (candidate: number) => readonly Verdict[]): Outgoing[] {
  const episode = opened();
  episode.receive(promptMade());
  const said = [...episode.receive(answersMade(texts))];
  const [request] = bodies(said, 'judgements.request');
  if (!request) return said;
  const all = request.responses.flatMap(({ id: response }) =>
    verdicts(Number(response.split('/')[1])).map((verdict, sample) => ({
      id: judgementId(response, 0, sample),
      response,
      verdict,
    })),
  );
  return all.flatMap((one, i) =>
    episode.receive(
      received('judgement.made', { ...one, player: 'live', generation: null, left: all.length - 1 - i }),
    ),
  );
}

const reasonOf = (said: readonly Outgoing[]) => bodies(said, 'pair.withheld')[0]?.reason;

describe('an episode', () => {
  it("E1 judges only different answers that aren't empty", () => {
    const episode = opened();
    expect(types(episode.receive(promptMade()))).toEqual(['responses.request > responder']);
    const [request] = bodies(episode.receive(answersMade(['a', '', 'a ', 'b'])), 'judgements.request');
    expect(request!.responses).toEqual([
      { id: responseId(id, 0), text: 'a' },
      { id: responseId(id, 3), text: 'b' },
    ]);
  });

  it('E1 with fewer than two it ends as too-few, and says what there was', () => {
    const said = live(['a', ' ', 'a'], () => []);
    expect(bodies(said, 'pair.withheld')).toMatchObject([
      { reason: 'too-few', detail: '1 different answers of 3 (1 empty, 1 repeated)' },
    ]);
  });

  it('E6 pairs by the first ranking alone, and says how far the second agrees', () => {
    const judgedBy = (first: readonly number[], second: readonly number[]) => {
      const rankings = ['implicit', 'implicit:1'] as const;
      const episode = machineRole(episodeMachine, { id, iteration: 1, maxScore: 5, rankings });
      episode.receive(promptMade());
      episode.receive(answersMade(['a', 'b', 'c']));
      const said = first.flatMap((_, c) =>
        [first, second].map((scores, member) => ({
          id: judgementId(responseId(id, c), member, 0),
          response: responseId(id, c),
          player: rankings[member]!,
          verdict: score(scores[c]!),
          generation: null,
          left: 2 * (first.length - 1 - c) + (1 - member),
        })),
      );
      return said.flatMap((one) => episode.receive(received('judgement.made', one)));
    };
    // By the second alone, or by the mean, the best would be another.
    const made = bodies(judgedBy([7, 6, -3], [1, 90, 2]), 'pair.made')[0]!;
    expect(made).toMatchObject({ chosen: { text: 'a', score: 7 }, rejected: { text: 'c', score: -3 } });
    expect(made.consistency).toBeCloseTo(1 / 3, 12); // one pair of three in order: τ = −⅓
    expect(made.chosen.judgements).toHaveLength(2);
    expect(made.positives).toEqual([]);
    const tied = bodies(judgedBy([1, 1, 1], [1, 2, 3]), 'pair.withheld')[0]!;
    expect(tied.reason).toBe('tie');
    expect(tied).not.toHaveProperty('consistency');
  });

  describe('with a past version (Temporal Self-Rewarding)', () => {
    const versions = (of: readonly (readonly [string, string])[], first = 0) =>
      received('responses.made', {
        episode: id,
        candidates: of.map(([text, version], c) => ({
          ...generationOf(text),
          version: versionId(version),
          id: responseId(id, first + c),
        })),
      });
    const judge = (episode: MachineRole, said: readonly Outgoing[], value: (text: string) => number) => {
      const [request] = bodies(said, 'judgements.request');
      return request!.responses.flatMap(({ id: response, text }, i, all) => {
        const own = { id: judgementId(response, 0, 0), response, player: 'live', generation: null };
        const left = all.length - 1 - i;
        return episode.receive(received('judgement.made', { ...own, verdict: score(value(text)), left }));
      });
    };
    const values: Record<string, number> = { good: 4, poor: 0, old: 3, older: 2, better: 5 };
    const worth = (text: string) => values[text]!;
    const paired = () => {
      const episode = machineRole(episodeMachine, { id, iteration: 2, maxScore: 5, anchor: versionId('M1') });
      episode.receive(promptMade());
      const asked = episode.receive(
        versions([
          ['good', 'M2'],
          ['poor', 'M2'],
          ['old', 'M1'],
          ['good', 'M1'],
          ['older', 'M1'],
        ]),
      );
      return { episode, asked, said: judge(episode, asked, worth) };
    };
    const lookAgain = () =>
      received('pair.revise', { id: pairId(id), iteration: 2, version: versionId('M3-future') });

    it('E7 judges each version’s own different answers, and rejects only the past one’s', () => {
      const { episode, asked, said } = paired();
      expect(bodies(asked, 'judgements.request')[0]!.responses.map(({ text }) => text)).toEqual([
        'good',
        'poor',
        'old',
        'good',
        'older',
      ]);
      expect(bodies(said, 'pair.made')).toMatchObject([
        { chosen: { text: 'good', response: responseId(id, 0) }, rejected: { text: 'older' } },
      ]);
      expect(episode.snapshot.status).toBe('active');
    });

    it('E8 a later version’s better answer takes the chosen’s place; nothing new is judged twice', () => {
      const { episode } = paired();
      const [asked] = bodies(episode.receive(lookAgain()), 'responses.request');
      expect(asked).toMatchObject({ again: { version: 'M3-future', first: 5 } });
      const said = episode.receive(
        versions(
          [
            ['good', 'M3-future'],
            ['better', 'M3-future'],
          ],
          5,
        ),
      );
      expect(bodies(said, 'judgements.request')[0]!.responses).toEqual([
        { id: responseId(id, 6), text: 'better' },
      ]);
      const end = judge(episode, said, worth);
      expect(bodies(end, 'pair.revised')).toMatchObject([
        { by: 'future', chosen: { text: 'better', score: 5 }, rejected: { text: 'older', score: 2 } },
      ]);
      expect(episode.snapshot.status).toBe('done');
    });

    it('E8 the pair stands where nothing is new or the answers fail, and the reason is told', () => {
      const same = paired().episode;
      same.receive(lookAgain());
      const kept = same.receive(versions([['good', 'M3-future']], 5));
      expect(bodies(kept, 'pair.revised')).toMatchObject([{ by: 'present', chosen: { text: 'good' } }]);
      const broken = paired().episode;
      broken.receive(lookAgain());
      const failed = broken.receive(received('responses.failed', { episode: id, reason: 'no memory' }));
      expect(bodies(failed, 'pair.revised')).toMatchObject([{ by: 'present', detail: 'no memory' }]);
    });
  });

  it('E9 has the judgements of the answer that is most disputed compared, or says that none is', () => {
    const judgedBy = (scores: readonly (readonly number[])[]) => {
      const episode = machineRole(episodeMachine, { id, iteration: 1, maxScore: 5, metaJudge: true });
      episode.receive(promptMade());
      episode.receive(answersMade(scores.map((_, c) => `answer ${c}`)));
      const all = scores.flatMap((values, c) =>
        values.map((value, sample) => ({
          id: judgementId(responseId(id, c), 0, sample),
          response: responseId(id, c),
          player: 'live',
          verdict: score(value),
          generation: generationOf(`it is ${value}`),
        })),
      );
      return all.flatMap((one, i) =>
        episode.receive(received('judgement.made', { ...one, left: all.length - 1 - i })),
      );
    };
    const said = judgedBy([
      [4, 4],
      [1, 3],
    ]);
    expect(types(said)).toEqual(['meta-judgements.request > meta-judge', 'pair.made > trainer']);
    expect(bodies(said, 'meta-judgements.request')).toMatchObject([
      {
        response: { id: responseId(id, 1), text: 'answer 1' },
        judgements: [
          { text: 'it is 1', score: 1 },
          { text: 'it is 3', score: 3 },
        ],
      },
    ]);
    const agreed = judgedBy([
      [4, 4],
      [1, 1],
    ]);
    expect(types(agreed)).toEqual(['judgement-pair.withheld > record', 'pair.made > trainer']);
    expect(bodies(agreed, 'judgement-pair.withheld')).toMatchObject([{ reason: 'undisputed' }]);
  });

  it('E2 ends filtered or failed where its prompt does', () => {
    const filtered = opened().receive(
      received('prompt.filtered', { ...common, reason: 'similar', detail: '0.9 who?' }),
    );
    expect(bodies(filtered, 'pair.withheld')).toMatchObject([
      { reason: 'filtered', detail: 'similar: 0.9 who?', positives: [] },
    ]);
    const failed = opened();
    expect(
      reasonOf(failed.receive(received('prompt.failed', { episode: id, iteration: 1, reason: 'broken' }))),
    ).toBe('failed');
    expect(failed.snapshot.status).toBe('done');
  });

  it('E2 ends failed where its answers or judgements do', () => {
    const unanswered = opened();
    unanswered.receive(promptMade());
    expect(
      bodies(
        unanswered.receive(received('responses.failed', { episode: id, reason: 'broken' })),
        'pair.withheld',
      ),
    ).toMatchObject([{ reason: 'failed', detail: 'broken' }]);
    const unjudged = opened();
    unjudged.receive(promptMade());
    unjudged.receive(answersMade(['a', 'b']));
    expect(reasonOf(unjudged.receive(received('judgements.failed', { episode: id, reason: 'broken' })))).toBe(
      'failed',
    );
    expect(types(unjudged.receive(received('judgements.failed', { episode: id, reason: 'again' })))).toEqual([
      'message.refused > record',
    ]);
  });

  it('E3 pairs the highest mean with the lowest; the lowest index wins among equals', () => {
    const values = [
      [3, 3],
      [5, 4],
      [4, 5],
      [1, 2],
    ];
    const [pair] = bodies(
      live(['a', 'b', 'c', 'd'], (c) => values[c]!.map(score)),
      'pair.made',
    );
    expect(pair).toMatchObject({
      id,
      chosen: { response: responseId(id, 1), score: 4.5 },
      rejected: { response: responseId(id, 3), score: 1.5 },
    });
  });

  it('E3 bug: an all-tied prompt yields chosen = rejected — equal means give no pair', () => {
    expect(reasonOf(live(['a', 'b'], (c) => (c === 0 ? [score(2), score(4)] : [score(3), score(3)])))).toBe(
      'tie',
    );
  });

  it('E4 bug: a parse failure becomes a low score — an unread answer is in no pair', () => {
    const [pair] = bodies(
      live(['a', 'b', 'c'], (c) => [[score(2)], [unread], [score(5)]][c]!),
      'pair.made',
    );
    expect(pair).toMatchObject({
      chosen: { text: 'c' },
      rejected: { text: 'a' },
      positives: [{ text: 'c' }],
    });
    expect(reasonOf(live(['a', 'b'], (c) => (c === 0 ? [score(5)] : [unread])))).toBe('unparseable');
    expect(reasonOf(live(['a', 'b'], () => [unread]))).toBe('unparseable');
  });

  it("E4 the unread judgements of an answer don't pull its mean", () => {
    const [pair] = bodies(
      live(['a', 'b'], (c) => (c === 0 ? [score(4), unread, score(5)] : [score(1), unread])),
      'pair.made',
    );
    expect([pair!.chosen.score, pair!.rejected.score]).toEqual([4.5, 1]);
    expect(pair!.chosen.judgements).toHaveLength(3);
  });

  it('E5 names the seqs of its judgements, the unread too', () => {
    const [pair] = bodies(
      live(['a', 'b'], (c) => [score(c), unread]),
      'pair.made',
    );
    const { chosen, rejected } = pair!;
    expect(new Set([...chosen.judgements, ...rejected.judgements]).size).toBe(4);
  });

  it('E2 E3 whatever the verdicts: one end; a pair has the extreme means and two texts', () => {
    const verdict = fc.oneof(fc.integer({ min: 0, max: 5 }).map(score), fc.constant(unread));
    const candidate = fc.tuple(
      fc.constantFrom('a', 'b', 'c', 'd', ' a', ''),
      fc.array(verdict, { minLength: 1, maxLength: 4 }),
    );
    fc.assert(
      fc.property(fc.array(candidate, { minLength: 1, maxLength: 5 }), (rows) => {
        const said = live(
          rows.map(([text]) => text),
          (c) => rows[c]![1],
        );
        const pairs = bodies(said, 'pair.made');
        expect(pairs.length + bodies(said, 'pair.withheld').length).toBe(1);
        if (!pairs[0]) return;
        const judged = rows.filter(
          ([text], i) =>
            text.trim() !== '' && rows.findIndex(([other]) => other.trim() === text.trim()) === i,
        );
        const means = judged.flatMap(([, verdicts]) => {
          const scores = verdicts.flatMap((one) => (one.status === 'score' ? [one.score] : []));
          return scores.length === 0 ? [] : [scores.reduce((a, b) => a + b, 0) / scores.length];
        });
        expect(pairs[0].chosen.score).toBe(Math.max(...means));
        expect(pairs[0].rejected.score).toBe(Math.min(...means));
        expect(pairs[0].chosen.text.trim()).not.toBe(pairs[0].rejected.text.trim());
      }),
      { numRuns: 60 },
    );
  });
});
