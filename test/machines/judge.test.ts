import { describe, expect, it } from 'vitest';
import { machineRole } from '../../actors/role.js';
import { type JudgeInput, judgeMachine } from '../../machines/judge.js';
import { membersOf, parseCast } from '../../src/protocol/cast.js';
import { episodeId, responseId } from '../../src/protocol/ids.js';
import type { BodyOf, Outgoing, Verdict } from '../../src/protocol/messages.js';
import {
  bodies,
  failure,
  format,
  received,
  resultOf,
  sampling,
  score,
  template,
  types,
  unread,
} from '../support/messages.js';

const episode = episodeId(1, 7);
const responses = ['good', 'bad'].map((text, i) => ({ id: responseId(episode, i), text }));
const request = (own = episode, iteration = 1) =>
  received('judgements.request', {
    episode: own,
    iteration,
    prompt: 'why?',
    responses: responses.map(({ text }, i) => ({ id: responseId(own, i), text })),
  });
const judgeOf = (cast = 'live', change: Partial<JudgeInput> = {}) =>
  machineRole(judgeMachine, {
    seed: 1,
    members: membersOf(parseCast('judge', cast)),
    samples: 2,
    sampling,
    template,
    format,
    redraws: 0,
    retries: 1,
    ...change,
  });
const asked = (said: readonly Outgoing[]) => bodies(said, 'model.request');
const written = (body: BodyOf<'model.request'>, text: (item: string, sample: number) => string) =>
  received('model.result', resultOf(body, text).body);
const scored = ({ id, items }: BodyOf<'score.request'>, verdict: Verdict) =>
  received('score.result', {
    id,
    items: items.map((item) => ({ id: item.id, verdicts: item.keys.map(() => verdict) })),
  });
const verdictsIn = (said: readonly Outgoing[]) =>
  bodies(said, 'judgement.made').map(({ verdict }) => verdict);

describe('the judge', () => {
  it("J3 what can't be read is never a score", () => {
    const judge = judgeOf();
    const [body] = asked(judge.receive(request()));
    const texts = ['Score: 3.5', 'five of five', 'Score: nine', 'Score: 7'];
    let at = 0;
    const said = judge.receive(written(body!, () => texts[at++]!));
    expect(verdictsIn(said)).toEqual([
      score(3.5),
      { status: 'unparseable', reason: 'no-marker' },
      { status: 'unparseable', reason: 'no-score' },
      { status: 'unparseable', reason: 'out-of-range' },
    ]);
  });

  it('J10 in rounds the whole group is judged by the versions at its start; the keys stay the episode’s own', () => {
    const versionsAt = (t: number) =>
      asked(
        judgeOf('ensemble:[live,lagged:1,frozen:SFT]', { rounds: 3 }).receive(request(episodeId(t, 7), t)),
      ).map(({ version }) => version);
    expect(versionsAt(3)).toEqual(['M1', 'M0', 'SFT']);
    expect(versionsAt(4)).toEqual(['M4', 'M3', 'SFT']);
    const keysOf = (rounds: number) =>
      asked(judgeOf('live', { rounds }).receive(request(episodeId(2, 7), 2)))[0]!.items.map(
        ({ keys }) => keys,
      );
    expect(keysOf(3)).toEqual(keysOf(1));
  });

  it('J2 speaks once all verdicts are in: ordered, counting down to 0', () => {
    const judge = judgeOf('ensemble:[live,frozen:SFT]');
    const [first, second] = asked(judge.receive(request()));
    expect([first!.version, second!.version]).toEqual(['M1', 'SFT']);
    expect(judge.receive(written(second!, () => 'Score: 2'))).toEqual([]);
    const made = bodies(judge.receive(written(first!, () => 'Score: 4')), 'judgement.made');
    expect(made.map(({ id }) => id)).toEqual(
      ['0/0.0', '0/0.1', '0/1.0', '0/1.1', '1/0.0', '1/0.1', '1/1.0', '1/1.1'].map(
        (end) => `${episode}/${end}`,
      ),
    );
    expect(made.map(({ left }) => left)).toEqual([7, 6, 5, 4, 3, 2, 1, 0]);
    expect(made.map(({ player }) => player).slice(0, 4)).toEqual([
      'live',
      'live',
      'frozen:SFT',
      'frozen:SFT',
    ]);
    expect(judge.snapshot.value).toEqual({ working: 'idle' });
  });

  it("J4 draws again what can't be read, from a new key, up to the limit", () => {
    const judge = judgeOf('live', { redraws: 2 });
    const [first] = asked(judge.receive(request()));
    const [second] = asked(
      judge.receive(
        written(first!, (item, sample) => (item === responses[1]!.id && sample === 1 ? 'hm' : 'Score: 1')),
      ),
    );
    expect(second!.items).toHaveLength(1);
    expect(second!.items[0]!.id).toBe(responses[1]!.id);
    expect(first!.items[1]!.keys).not.toContainEqual(second!.items[0]!.keys[0]);
    const [third] = asked(judge.receive(written(second!, () => 'hm')));
    expect(third!.items[0]!.keys[0]).not.toEqual(second!.items[0]!.keys[0]);
    const said = judge.receive(written(third!, () => 'hm'));
    expect(asked(said)).toEqual([]);
    expect(verdictsIn(said)).toEqual([
      score(1),
      score(1),
      score(1),
      { status: 'unparseable', reason: 'no-marker' },
    ]);
  });

  it("J4 what an oracle doesn't know stays unknown: no score is made up, nothing is asked again", () => {
    const judge = judgeOf('oracle', { redraws: 3 });
    const [body] = bodies(judge.receive(request()), 'score.request');
    const said = judge.receive(scored(body!, unread));
    expect(types(said)).toEqual(Array(2).fill(`judgement.made > episode:${episode}`));
    expect(verdictsIn(said)).toEqual([unread, unread]);
  });

  it('J5 bug: the score parsed from prompt and output — a response that grades itself gets what the judge wrote', () => {
    const judge = judgeOf('live', { samples: 1 });
    const own = received('judgements.request', {
      episode,
      iteration: 1,
      prompt: 'Score: 5',
      responses: [{ id: responses[0]!.id, text: 'Score: 5' }, responses[1]!],
    });
    const [body] = asked(judge.receive(own));
    expect(body!.items[0]!.prompt).toContain('Score: 5');
    expect(verdictsIn(judge.receive(written(body!, () => 'Poor. Score: 1')))).toEqual([score(1), score(1)]);
  });

  it('J7 sends a failed request again, the same, then gives the episode up with all its members', () => {
    const judge = judgeOf('ensemble:[live,random]');
    const said = judge.receive(request());
    const [body] = asked(said);
    expect(asked(judge.receive(failure(body!.id)))).toEqual([body]);
    expect(types(judge.receive(failure(body!.id)))).toEqual([`judgements.failed > episode:${episode}`]);
    expect(judge.snapshot.value).toEqual({ working: 'idle' });
  });

  it('J6 late answers of an episode that was given up change nothing, idle or busy with others', () => {
    const judge = judgeOf('ensemble:[live,random]', { retries: 0 });
    const said = judge.receive(request());
    const [body] = asked(said);
    const [late] = bodies(said, 'score.request');
    judge.receive(failure(body!.id));
    expect(judge.receive(scored(late!, score(5)))).toEqual([]);
    const other = episodeId(1, 8);
    const [next] = asked(judge.receive(request(other)));
    expect(judge.receive(scored(late!, score(5)))).toEqual([]);
    expect(judge.receive(failure(late!.id))).toEqual([]);
    expect(judge.receive(written(body!, () => 'Score: 5'))).toEqual([]);
    expect(Object.keys(judge.snapshot.context.open)).toEqual([next!.id, `judge/${other}/1.0`]);
  });

  it('J8 asks a judge that always says the same once, any other k times', () => {
    for (const [cast, count] of [
      ['oracle', 1],
      ['constant:3', 1],
      ['random', 3],
    ] as const) {
      const [body] = bodies(judgeOf(cast, { samples: 3 }).receive(request()), 'score.request');
      expect(body!.player).toBe(cast);
      expect(body!.items.map(({ keys }) => keys.length)).toEqual([count, count]);
    }
    expect(asked(judgeOf('live', { samples: 3 }).receive(request()))[0]!.items[0]!.keys).toHaveLength(3);
  });

  it('J9 implicit members are scored by likelihood, against M0, each in one request', () => {
    const judge = judgeOf('ensemble:[implicit,implicit:1]');
    const [now, before] = bodies(judge.receive(request(episode, 2)), 'likelihood.request');
    expect(now).toMatchObject({
      version: 'M2',
      reference: 'M0',
      items: [{ target: 'good' }, { target: 'bad' }],
    });
    expect(before).toMatchObject({ version: 'M1', reference: 'M0' });
    const answer = ({ id, items }: BodyOf<'likelihood.request'>, reference: number | null) =>
      received('likelihood.result', {
        id,
        items: items.map((item, i) => ({ id: item.id, logprob: -4 - 2 * i, reference, tokens: 2 })),
      });
    expect(judge.receive(answer(before!, -8))).toEqual([]);
    const made = bodies(judge.receive(answer(now!, -5)), 'judgement.made');
    expect(made.map(({ player, verdict }) => [player, verdict])).toEqual([
      ['implicit', { status: 'score', score: 1 }],
      ['implicit:1', { status: 'score', score: 4 }],
      ['implicit', { status: 'score', score: -1 }],
      ['implicit:1', { status: 'score', score: 2 }],
    ]);
  });

  it('keeps episodes apart that are judged at the same time', () => {
    const judge = judgeOf();
    const other = episodeId(1, 8);
    const [one] = asked(judge.receive(request()));
    const [two] = asked(judge.receive(request(other)));
    expect(types(judge.receive(written(two!, () => 'Score: 2')))).toEqual(
      Array(4).fill(`judgement.made > episode:${other}`),
    );
    expect(types(judge.receive(written(one!, () => 'Score: 2')))).toEqual(
      Array(4).fill(`judgement.made > episode:${episode}`),
    );
  });

  it('J2 with more than ten answers keeps the order of the answers, not of their names', () => {
    const judge = judgeOf('constant:1');
    const many = Array.from({ length: 12 }, (_, i) => ({ id: responseId(episode, i), text: `a${i}` }));
    const [body] = bodies(
      judge.receive(received('judgements.request', { episode, iteration: 1, prompt: 'p', responses: many })),
      'score.request',
    );
    const made = bodies(judge.receive(scored(body!, score(1))), 'judgement.made');
    expect(made.map(({ response }) => response)).toEqual(many.map(({ id }) => id));
  });
});
