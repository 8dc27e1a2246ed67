import { describe, expect, it } from 'vitest';
import { machineRole } from '../../actors/role.js';
import { type MetaJudgeInput, metaJudgeMachine } from '../../machines/meta-judge.js';
import { episodeId, judgementId, responseId } from '../../src/protocol/ids.js';
import type { BodyOf, Outgoing, Received } from '../../src/protocol/messages.js';
import { comparative } from '../../src/protocol/templates.js';
import { bodies, failure, format, received, resultOf, sampling, score, types } from '../support/messages.js';

const metaOf = (change: Partial<MetaJudgeInput> = {}) =>
  machineRole(metaJudgeMachine, {
    seed: 1,
    cast: { player: 'live' },
    reading: 'written',
    sampling,
    template: comparative,
    format,
    maxChars: 0,
    retries: 1,
    ...change,
  });
type Meta = ReturnType<typeof metaOf>;
const response = (ask: number) => responseId(episodeId(1, ask), 0);
/** Judgements of one answer, with their scores. */
const request = (ask: number, scores: readonly number[]) =>
  received('meta-judgements.request', {
    episode: episodeId(1, ask),
    iteration: 1,
    prompt: 'why?',
    response: { id: response(ask), text: 'so' },
    judgements: scores.map((value, i) => ({
      id: judgementId(response(ask), 0, i),
      seq: 100 * ask + i,
      text: `text ${i}`,
      score: value,
    })),
  });
const over = () => received('judgement-pairs.request', { iteration: 1 });

/** Verdicts come back to who said them. */
let seq = 1000;
function echo(meta: Meta, said: readonly Outgoing[]): Outgoing[] {
  return said.flatMap(({ to, message }) =>
    to === 'meta-judge' ? [...meta.receive({ ...message, seq: seq++ } as Received)] : [],
  );
}
const A = 'A is better.\nWinner: judgement A';
const B = 'Winner: judgement B';

describe('the meta-judge', () => {
  it('Q1 shows every two judgements in both orders, each with its own key, to the version that is cast', () => {
    const [asked] = bodies(metaOf().receive(request(0, [1, 2, 3])), 'model.request');
    expect(asked!.version).toBe('M1');
    expect(asked!.items.map(({ id }) => id.split('/').at(-1))).toEqual([
      '0.0-0.1',
      '0.0-0.2',
      '0.1-0.0',
      '0.1-0.2',
      '0.2-0.0',
      '0.2-0.1',
    ]);
    expect(asked!.items[0]!.prompt).toMatch(/why\?[\s\S]*so[\s\S]*text 0[\s\S]*text 1/);
    expect(asked!.items[2]!.prompt).toMatch(/text 1[\s\S]*text 0/);
    expect(new Set(asked!.items.map(({ keys }) => String(keys))).size).toBe(6);
  });

  it('Q2 answers once everything is in, with the pair, the seqs behind it and the wins of either position', () => {
    const meta = metaOf();
    const [first] = bodies(meta.receive(request(0, [4, 1])), 'model.request');
    const [second] = bodies(meta.receive(request(1, [2, 3])), 'model.request');
    expect(meta.receive(over())).toEqual([]);
    const from = seq;
    // 0: the one with score 4 wins in either place; 1: whichever stands first.
    const said = meta.receive(
      received('model.result', resultOf(first!, (id) => (/0\.0-0\.1$/.test(id) ? A : B)).body),
    );
    expect(bodies(said, 'meta-judgement.made').map(({ verdict }) => verdict.status)).toEqual([
      'first',
      'second',
    ]);
    expect(echo(meta, said)).toEqual([]);
    const rest = meta.receive(received('model.result', resultOf(second!, () => A).body));
    const end = echo(meta, rest);
    expect(types(end)).toEqual([
      'judgement-pair.made > record',
      'judgement-pair.withheld > record',
      'judgement-pairs.made > trainer',
    ]);
    expect(bodies(end, 'judgement-pair.made')[0]).toMatchObject({
      id: '1-0000',
      chosen: { judgement: '1-0000/0/0.0', text: 'text 0', score: 4, judgements: [0] },
      rejected: { judgement: '1-0000/0/0.1', text: 'text 1', score: 1, judgements: [1] },
      metaJudgements: [from, from + 1],
    });
    expect(bodies(end, 'judgement-pair.withheld')).toMatchObject([{ episode: '1-0001', reason: 'tie' }]);
    expect(bodies(end, 'judgement-pairs.made')).toEqual([
      { iteration: 1, pairs: 1, withheld: 1, wins: { first: 3, second: 1 } },
    ]);
  });

  it('Q2 with nothing to compare it answers at once, and starts the next iteration afresh', () => {
    const meta = metaOf({ cast: { player: 'oracle' } });
    const none = { iteration: 1, pairs: 0, withheld: 0, wins: { first: 0, second: 0 } };
    expect(bodies(meta.receive(over()), 'judgement-pairs.made')).toEqual([none]);
    const [asked] = bodies(meta.receive(request(0, [4, 1])), 'score.request');
    const truth = [{ id: asked!.items[0]!.id, verdicts: [score(5)] }];
    echo(meta, meta.receive(received('score.result', { id: asked!.id, items: truth })));
    expect(bodies(meta.receive(over()), 'judgement-pairs.made')[0]!.pairs).toBe(1);
    expect(bodies(meta.receive(over()), 'judgement-pairs.made')).toEqual([none]);
  });

  it('Q3 what can’t be read is no verdict; without any there is no pair, and the reasons are told', () => {
    const meta = metaOf();
    const [asked] = bodies(meta.receive(request(0, [4, 1])), 'model.request');
    const said = meta.receive(received('model.result', resultOf(asked!, () => 'Winner: nobody').body));
    expect(bodies(said, 'meta-judgement.made').map(({ verdict }) => verdict)).toEqual([
      { status: 'none', reason: 'no-score' },
      { status: 'none', reason: 'no-score' },
    ]);
    echo(meta, said);
    expect(bodies(meta.receive(over()), 'judgement-pair.withheld')).toMatchObject([
      { reason: 'no-verdict', detail: 'none of 2: no-score' },
    ]);
  });

  it('Q4 sends a failed request again, the same, at most `retries` times; then that answer alone gives no pair', () => {
    const meta = metaOf({ retries: 2 });
    const [asked] = bodies(meta.receive(request(0, [4, 1])), 'model.request');
    for (let attempt = 0; attempt < 2; attempt++)
      expect(bodies(meta.receive(failure(asked!.id)), 'model.request')).toEqual([asked]);
    expect(meta.receive(failure(asked!.id, 'no memory'))).toEqual([]);
    expect(bodies(meta.receive(over()), 'judgement-pair.withheld')).toEqual([
      { episode: '1-0000', iteration: 1, reason: 'failed', detail: 'no memory' },
    ]);
  });

  it('Q5 the oracle prefers the score nearer to the true one, in both orders, and none of two as near', () => {
    const meta = metaOf({ cast: { player: 'oracle' } });
    const [asked] = bodies(meta.receive(request(0, [5, 2, 1])), 'score.request');
    expect(asked).toMatchObject({ player: 'oracle', prompt: 'why?', items: [{ text: 'so' }] });
    const truth = [{ id: asked!.items[0]!.id, verdicts: [score(3)] }];
    const said = meta.receive(received('score.result', { id: asked!.id, items: truth }));
    expect(bodies(said, 'meta-judgement.made').map(({ verdict }) => verdict.status)).toEqual([
      'second', // 5, 2
      'none', // 5, 1
      'first', // 2, 5
      'first', // 2, 1
      'none', // 1, 5
      'second', // 1, 2
    ]);
    expect(bodies(said, 'meta-judgement.made').every(({ generation }) => generation === null)).toBe(true);
    echo(meta, said);
    const [pair] = bodies(meta.receive(over()), 'judgement-pair.made');
    expect([pair!.chosen.score, pair!.rejected.score]).toEqual([2, 5]);
  });

  it('Q6 by likelihood the verdict is the likelier of the two, asked of the version that is cast', () => {
    const meta = metaOf({ reading: 'likelier', cast: { player: 'frozen', version: 'M0' as never } });
    const [asked] = bodies(meta.receive(request(0, [4, 1])), 'likelihood.request');
    expect(asked).toMatchObject({ version: 'M0', reference: null });
    expect(asked!.items.map(({ target }) => target)).toEqual([
      'Winner: judgement A',
      'Winner: judgement B',
      'Winner: judgement A',
      'Winner: judgement B',
    ]);
    const items = ([-3, -2, -1, null] as const).map(
      (logprob, i): BodyOf<'likelihood.result'>['items'][number] => ({
        id: asked!.items[i]!.id,
        logprob,
        reference: null,
        tokens: 3,
      }),
    );
    const said = meta.receive(received('likelihood.result', { id: asked!.id, items }));
    expect(bodies(said, 'meta-judgement.made').map(({ verdict }) => verdict.status)).toEqual([
      'second',
      'none',
    ]);
  });
});
