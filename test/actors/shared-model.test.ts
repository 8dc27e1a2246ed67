import { describe, expect, it } from 'vitest';
import { createSharedModel, type SharedModelOptions } from '../../src/players/shared-model.js';
import { type VersionId, versionId, versionOf } from '../../src/protocol/ids.js';
import type { RngKey, SampleOutput, SampleRow } from '../../src/protocol/lm.js';
import type { Address, BodyOf, Envelope } from '../../src/protocol/messages.js';
import type { Addressee, Job, LanguageModel, Tokenizer } from '../../src/protocol/ports.js';
import { sampling } from '../support/messages.js';

const tokenizer: Tokenizer = {
  vocabSize: 300,
  encode: (text) => [...text].map((letter) => letter.charCodeAt(0)),
  encodePrompt: (text) => [1, ...[...text].map((letter) => letter.charCodeAt(0))],
  decode: (ids) => String.fromCharCode(...ids),
  tokenId: (token) => (token.length === 1 ? token.charCodeAt(0) : undefined),
  bosId: 1,
  eosIds: [2],
};

interface Call {
  readonly version: VersionId;
  readonly rows: readonly SampleRow[];
  finish(): void;
  fail(error: Error): void;
}

/** Each call is settled by hand; each row's output is its key's first word. */
function fakeModel(spoken: Tokenizer) {
  const calls: Call[] = [];
  const model = {
    backend: 'fake',
    workers: 1,
    tokenizer: () => spoken,
    contextLength: () => 100,
    sample: (version: VersionId, rows: readonly SampleRow[]) =>
      new Promise<readonly SampleOutput[]>((resolve, reject) => {
        const finish = () => resolve(rows.map(({ key }) => ({ ids: [key[0]], logprob: -1, finish: 'stop' })));
        calls.push({ version, rows, finish, fail: reject });
      }),
    score: () => Promise.reject(new Error('not here')),
    train: () => Promise.reject(new Error('not here')),
    close: () => Promise.resolve(),
  } satisfies LanguageModel;
  return { model, calls };
}

function playerOf(change: Partial<SharedModelOptions> = {}, spoken = tokenizer) {
  const { model, calls } = fakeModel(spoken);
  const player = createSharedModel({
    model,
    limits: () => ({ batchRows: 4, window: 2 }),
    recording: () => ({ headHash: '', find: () => undefined }),
    load: () => Promise.resolve(),
    train: () => Promise.reject(new Error('no memory')),
    onStep: () => {},
    ...change,
  });
  return { player, calls };
}

let seq = 0;
function ask(
  player: Addressee,
  id: string,
  rows: number,
  version = versionOf(1),
  from: Address = 'judge',
  more: Partial<BodyOf<'model.request'>> = {},
): number {
  const keys = Array.from({ length: rows }, (_, i): [number, number] => [id.charCodeAt(0), i]);
  const body: BodyOf<'model.request'> = {
    id,
    version,
    sampling,
    stop: ['x', 'not a token'],
    items: [{ id: `${id}-item`, prompt: 'p', keys }],
    ...more,
  };
  const envelope: Envelope = {
    v: 1,
    seq: seq++,
    at: 0,
    from,
    to: 'model',
    cause: 0,
    type: 'model.request',
    body,
  };
  player.accept(envelope);
  return envelope.seq;
}
/** A job under way. */
interface Begun {
  readonly answers: ReturnType<Job['start']>;
  readonly delivered: Job['delivered'];
}
const begin = (player: Addressee): Begun[] =>
  player.nextJobs().map((job) => ({ answers: job.start(), delivered: job.delivered }));

/** Until every promise that can go on has gone on. */
const tick = () => new Promise<void>((resolve) => setImmediate(resolve));
const answersOf = async ({ answers }: Begun) =>
  (await answers).map(({ to, cause, message }) => ({ to, cause, ...message }));
const firsts = (rows: readonly { readonly key: RngKey }[]) =>
  rows.map(({ key }) => String.fromCharCode(key[0])).join('');

describe('the shared model', () => {
  it('puts whole requests in a batch, oldest first, up to the limit', async () => {
    const { player, calls } = playerOf();
    for (const [id, rows] of [
      ['a', 2],
      ['b', 2],
      ['c', 3],
      ['d', 1],
    ] as const)
      ask(player, id, rows);
    begin(player);
    await tick();
    expect(calls.map(({ rows }) => firsts(rows))).toEqual(['aabb', 'cccd']);
  });

  it('never splits a request, even one above the limit', async () => {
    const { player, calls } = playerOf();
    ask(player, 'a', 9);
    ask(player, 'b', 1);
    begin(player);
    await tick();
    expect(calls.map(({ rows }) => firsts(rows))).toEqual(['aaaaaaaaa', 'b']);
  });

  it('one model, two roles: their rows stand in one batch, their answers go to each', async () => {
    const { player, calls } = playerOf();
    const one = ask(player, 'a', 2, versionOf(1), 'responder');
    const two = ask(player, 'b', 2, versionOf(1), 'judge');
    const [job] = begin(player);
    await tick();
    expect(calls).toHaveLength(1);
    calls[0]!.finish();
    const answers = await answersOf(job!);
    expect(answers.map(({ to, cause, type }) => [to, cause, type])).toEqual([
      ['responder', one, 'model.result'],
      ['judge', two, 'model.result'],
    ]);
    expect(answers[0]!.body).toMatchObject({
      id: 'a',
      items: [
        {
          id: 'a-item',
          outputs: [
            { text: 'a', key: [97, 0], version: 'M1' },
            { text: 'a', key: [97, 1] },
          ],
        },
      ],
    });
  });

  it('keeps versions apart; the oldest request goes first', async () => {
    const { player, calls } = playerOf();
    ask(player, 'a', 1, versionOf(2));
    ask(player, 'b', 1, versionId('SFT'));
    ask(player, 'c', 1, versionOf(2));
    begin(player);
    await tick();
    expect(calls.map(({ version, rows }) => `${version} ${firsts(rows)}`)).toEqual(['M2 ac', 'SFT b']);
  });

  it('has at most `window` batches under way: the next starts when one was delivered, not when it is done', async () => {
    const { player, calls } = playerOf({ limits: () => ({ batchRows: 1, window: 2 }) });
    for (const id of ['a', 'b', 'c']) ask(player, id, 1);
    const jobs = begin(player);
    await tick();
    expect([jobs.length, calls.length]).toEqual([2, 2]);
    calls[1]!.finish();
    await tick();
    expect(begin(player)).toEqual([]);
    jobs[0]!.delivered!();
    expect(begin(player)).toHaveLength(1);
    await tick();
    expect(firsts(calls[2]!.rows)).toBe('c');
  });

  it('a failure is an answer to every request of the batch, and to no other', async () => {
    const { player, calls } = playerOf();
    for (const id of ['a', 'b', 'c']) ask(player, id, 2);
    const [first, second] = begin(player);
    await tick();
    calls[0]!.fail(new Error('worker died'));
    calls[1]!.finish();
    expect((await answersOf(first!)).map(({ type, body }) => [type, body])).toEqual(
      ['a', 'b'].map((id) => ['request.failed', { id, reason: 'worker died' }]),
    );
    expect((await answersOf(second!)).map(({ type }) => type)).toEqual(['model.result']);
  });

  it("a version that can't be loaded is a failed request", async () => {
    const { player } = playerOf({ load: () => Promise.reject(new Error('no such folder')) });
    ask(player, 'a', 1, versionId('checkpoint:none'));
    const [job] = begin(player);
    expect(await answersOf(job!)).toMatchObject([
      { type: 'request.failed', body: { id: 'a', reason: 'no such folder' } },
    ]);
  });

  it('gives the model stop tokens: its own end and the texts that are tokens', async () => {
    const { player, calls } = playerOf();
    ask(player, 'a', 1);
    begin(player);
    await tick();
    expect(calls[0]!.rows[0]).toEqual({ promptIds: [1, 112], key: [97, 0], sampling, stopIds: [2, 120] });
  });

  it('a request through the chat template gets its ids and ends, beside a plain one; one that it refuses fails alone', async () => {
    const chat = {
      prompt(user: string) {
        if (user === 'cat') throw new Error('no cats');
        return [7, ...tokenizer.encode(user), 8];
      },
      answer: () => [],
      endId: 9,
      stopIds: [2, 9],
    };
    const { player, calls } = playerOf({}, { ...tokenizer, chat });
    const through = (prompt: string): Partial<BodyOf<'model.request'>> => ({
      through: 'chat',
      stop: [],
      items: [{ id: prompt, prompt, keys: [[prompt.charCodeAt(0), 0]] }],
    });
    ask(player, 'a', 1);
    ask(player, 'cat', 1, versionOf(1), 'judge', through('cat'));
    ask(player, 'p', 1, versionOf(1), 'responder', through('p'));
    const [job] = begin(player);
    await tick();
    expect(calls[0]!.rows.map(({ promptIds, stopIds }) => [promptIds, stopIds])).toEqual([
      [
        [1, 112],
        [2, 120],
      ],
      [
        [7, 112, 8],
        [2, 9],
      ],
    ]);
    calls[0]!.finish();
    expect(
      (await answersOf(job!)).map(({ to, type, body }) => [to, type, (body as { id: string }).id]),
    ).toEqual([
      ['judge', 'model.result', 'a'],
      ['judge', 'request.failed', 'cat'],
      ['responder', 'model.result', 'p'],
    ]);
  });

  it('a model without a chat template can’t be asked through one: a failed request that says so', async () => {
    const { player, calls } = playerOf();
    ask(player, 'a', 1, versionOf(1), 'judge', { through: 'chat' });
    const [job] = begin(player);
    await tick();
    expect(calls[0]!.rows).toEqual([]);
    calls[0]!.finish();
    expect(await answersOf(job!)).toMatchObject([
      { type: 'request.failed', body: { id: 'a', reason: expect.stringContaining('chat template') } },
    ]);
  });

  it('a training that fails is a failed request; its steps are told with the seq that caused them', async () => {
    const body: BodyOf<'model.train'> = {
      stage: 'sft',
      from: versionOf(0),
      to: versionOf(1),
      objective: 'sft',
      datasets: ['ift'],
      key: [0, 0],
    };
    const envelope: Envelope = {
      v: 1,
      seq: 70,
      at: 0,
      from: 'trainer',
      to: 'model',
      cause: 0,
      type: 'model.train',
      body,
    };
    const failing = playerOf();
    failing.player.accept(envelope);
    expect(await answersOf(begin(failing.player)[0]!)).toMatchObject([
      { to: 'trainer', cause: 70, type: 'request.failed', body: { id: 'train/M1', reason: 'no memory' } },
    ]);
    const told: unknown[] = [];
    const step = { step: 1, steps: 1, learningRate: 0.1, loss: 2, gradNorm: 1 };
    const trains = playerOf({
      train: (_, onStep) => {
        onStep(step);
        return Promise.resolve({
          rows: 3,
          tooLong: 1,
          dataHash: 'd',
          steps: 1,
          curve: [step],
          weightsHash: 'w',
        });
      },
      onStep: (to, _, cause) => told.push([to, cause]),
    });
    trains.player.accept(envelope);
    expect(await answersOf(begin(trains.player)[0]!)).toMatchObject([
      { type: 'model.trained', body: { to: 'M1', rows: 3, tooLong: 1, loss: 2, weightsHash: 'w' } },
    ]);
    expect(told).toEqual([['M1', 70]]);
  });
});
