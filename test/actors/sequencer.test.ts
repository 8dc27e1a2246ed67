import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createSequencer } from '../../actors/sequencer.js';
import { createDelivery } from '../../src/log/delivery.js';
import { openLog } from '../../src/log/writer.js';
import { SoliloquyError } from '../../src/protocol/errors.js';
import { versionOf } from '../../src/protocol/ids.js';
import type { Address, Envelope, Message, Outgoing } from '../../src/protocol/messages.js';
import type { Addressee, Role } from '../../src/protocol/ports.js';
import { fakeAddressee, settled } from '../support/fake-addressee.js';
import { testFolder } from '../support/folder.js';

const asks = (...ids: string[]): Outgoing[] => ids.map((id) => ({ to: 'model', message: request(id) }));
const request = (id: string): Message => ({
  type: 'model.request',
  body: {
    id,
    version: versionOf(1),
    sampling: { temperature: 1, topP: 1, maxNewTokens: 1 },
    stop: [],
    items: [{ id, prompt: 'p', keys: [[0, 0]] }],
  },
});
const result = (id: string): Outgoing => ({
  to: 'judge',
  message: { type: 'model.result', body: { id, items: [] } },
});
const finished: Outgoing = { to: 'user', message: { type: 'run.finished', body: { versions: [] } } };
const crashed = (task: string): Outgoing => ({
  to: 'record',
  message: { type: 'worker.crashed', body: { task, attempt: 0, reason: 'killed' } },
});
const started: Outgoing = {
  to: 'judge',
  message: { type: 'run.start', body: { configHash: '', baseHash: '' } },
};

/** A role that asks for some things, and ends the run when it has all of them. */
function asker(ids: readonly string[]): Role {
  const got: string[] = [];
  return {
    receive(message) {
      if (message.type === 'run.start') return asks(...ids);
      if (message.type === 'model.result') got.push(message.body.id);
      return got.length === ids.length ? [finished] : [];
    },
  };
}

function sequencerOf(role: Role, addressee: Addressee, file = join(testFolder(), 'messages.jsonl')) {
  const log = openLog(file);
  const envelopes: Envelope[] = [];
  let now = 0;
  const sequencer = createSequencer({
    log,
    clock: { now: () => now++ },
    delivery: createDelivery({
      role: (address: Address) => (address === 'judge' ? role : undefined),
      addressees: [addressee],
      patch: (message) => message,
    }),
    publish: (envelope) => envelopes.push(envelope),
    isLast: (type) => type === 'run.finished',
  });
  sequencer.interject('user', started);
  const said = () => envelopes.map(({ type, body }) => ('id' in body ? `${type} ${body.id}` : type));
  return { sequencer, envelopes, said, file };
}

const linesIn = (file: string) => readFileSync(file, 'utf8').split('\n').slice(0, -1);

describe('the sequencer', () => {
  it('delivers answers in start order, whoever finishes first', async () => {
    const model = fakeAddressee('model');
    const { sequencer, said } = sequencerOf(asker(['a', 'b', 'c']), model);
    const run = sequencer.run();
    await settled();
    expect(model.jobs).toHaveLength(3);
    model.jobs[2]!.finish([result('c')]);
    model.jobs[1]!.finish([result('b')]);
    await settled();
    expect(said().filter((one) => one.startsWith('model.result'))).toEqual([]);
    model.jobs[0]!.finish([result('a')]);
    expect(await run).toBe('finished');
    expect(said().slice(-4)).toEqual(['model.result a', 'model.result b', 'model.result c', 'run.finished']);
    expect(model.jobs.every(({ delivered }) => delivered)).toBe(true);
  });

  it('stamps seq, sender and cause', async () => {
    const model = fakeAddressee('model');
    const { sequencer, envelopes } = sequencerOf(asker(['a', 'b']), model);
    const run = sequencer.run();
    await settled();
    for (const job of model.jobs) job.finish([result((job.envelope.body as { id: string }).id)]);
    await run;
    expect(envelopes.map(({ seq, from, to, cause }) => [seq, from, to, cause])).toEqual([
      [0, 'user', 'judge', -1],
      [1, 'judge', 'model', 0],
      [2, 'judge', 'model', 0],
      [3, 'model', 'judge', 1],
      [4, 'model', 'judge', 2],
      [5, 'judge', 'user', 4],
    ]);
    expect(sequencer.seq).toBe(6);
  });

  it('writes ahead: a line is on disk before the job that it causes starts', async () => {
    const file = join(testFolder(), 'messages.jsonl');
    const onDisk: string[][] = [];
    const model = fakeAddressee('model', () => onDisk.push(linesIn(file)));
    const { sequencer } = sequencerOf(asker(['a', 'b']), model, file);
    const run = sequencer.run();
    await settled();
    for (const lines of onDisk)
      expect(lines.map((line) => JSON.parse(line).type)).toEqual([
        'run.start',
        'model.request',
        'model.request',
      ]);
    for (const job of model.jobs) job.finish([result((job.envelope.body as { id: string }).id)]);
    await run;
    expect(linesIn(file)).toHaveLength(6);
  });

  it('puts interjections on the log while jobs are under way', async () => {
    const model = fakeAddressee('model');
    const { sequencer, said } = sequencerOf(asker(['a']), model);
    const run = sequencer.run();
    await settled();
    sequencer.interject('model', crashed('sample'), 1);
    await settled();
    expect(said().at(-1)).toBe('worker.crashed');
    sequencer.interject('model', crashed('sample'));
    model.jobs[0]!.finish([result('a')]);
    expect(await run).toBe('finished');
    expect(said().filter((one) => one === 'worker.crashed')).toHaveLength(2);
  });

  it('starts new jobs after an interjection, without waiting for the old ones', async () => {
    const model = fakeAddressee('model');
    const role: Role = {
      receive: (message) =>
        message.type === 'run.pause' ? asks('late') : message.type === 'run.start' ? asks('a') : [],
    };
    const { sequencer } = sequencerOf(role, model);
    const run = sequencer.run();
    await settled();
    sequencer.interject('user', { to: 'judge', message: { type: 'run.pause', body: {} } });
    await settled();
    expect(model.jobs.map(({ envelope }) => (envelope.body as { id: string }).id)).toEqual(['a', 'late']);
    sequencer.stop();
    expect(await run).toBe('stopped');
  });

  it('stops at once; what was written stays, a late answer changes nothing', async () => {
    const model = fakeAddressee('model');
    const { sequencer, file, said } = sequencerOf(asker(['a']), model);
    const run = sequencer.run();
    await settled();
    sequencer.stop();
    expect(await run).toBe('stopped');
    const before = said();
    model.jobs[0]!.finish([result('a')]);
    await settled();
    expect(said()).toEqual(before);
    expect(linesIn(file)).toHaveLength(2);
  });

  it('a stop before the start runs nothing', async () => {
    const { sequencer, said } = sequencerOf(asker(['a']), fakeAddressee('model'));
    sequencer.stop();
    expect(await sequencer.run()).toBe('stopped');
    expect(said()).toEqual([]);
  });

  it('a refused message fails the run, and is on the log', async () => {
    const role: Role = {
      receive: () => [
        {
          to: 'record',
          message: {
            type: 'message.refused',
            body: { by: 'judge', state: 'working.idle', type: 'run.start' },
          },
        },
      ],
    };
    const { sequencer, said } = sequencerOf(role, fakeAddressee('model'));
    await expect(sequencer.run()).rejects.toMatchObject({
      code: 'protocol.violation',
      fields: { by: 'judge', state: 'working.idle', type: 'run.start', seq: 1 },
    });
    expect(said()).toEqual(['run.start', 'message.refused']);
  });

  it('a role that throws fails the run', async () => {
    const role: Role = {
      receive: () => {
        throw new SoliloquyError('model.failed', 'broken');
      },
    };
    await expect(sequencerOf(role, fakeAddressee('model')).sequencer.run()).rejects.toMatchObject({
      code: 'model.failed',
    });
  });

  it('a job that fails fails the run when its turn comes, not before', async () => {
    const model = fakeAddressee('model');
    const { sequencer, said } = sequencerOf(asker(['a', 'b']), model);
    const run = sequencer.run();
    const outcome = run.catch((error: unknown) => error);
    await settled();
    model.jobs[1]!.fail(new SoliloquyError('model.failed', 'broken'));
    await settled();
    model.jobs[0]!.finish([result('a')]);
    expect(await outcome).toMatchObject({ code: 'model.failed' });
    expect(said()).toContain('model.result a');
  });

  it('a run that comes to rest with nothing under way says so', async () => {
    const { sequencer } = sequencerOf({ receive: () => [] }, fakeAddressee('model'));
    await expect(sequencer.run()).rejects.toMatchObject({ code: 'protocol.violation' });
  });

  it('has the same log for any order in which jobs finish', () => {
    const ids = ['a', 'b', 'c', 'd', 'e'];
    return fc.assert(
      fc.asyncProperty(fc.shuffledSubarray([0, 1, 2, 3, 4], { minLength: 5 }), async (order) => {
        const model = fakeAddressee('model');
        const role: Role = (() => {
          let got = 0;
          return {
            receive(message) {
              if (message.type === 'run.start') return asks(...ids);
              if (message.type === 'model.result' && message.body.id.length === 1)
                return asks(`${message.body.id}2`);
              return ++got === ids.length ? [finished] : [];
            },
          };
        })();
        const { sequencer, said } = sequencerOf(role, model);
        const run = sequencer.run();
        await settled();
        const finish = (at: number) =>
          model.jobs[at]!.finish([result((model.jobs[at]!.envelope.body as { id: string }).id)]);
        for (const at of order) {
          finish(at);
          await settled();
        }
        for (let at = 5; at < model.jobs.length; at++) {
          finish(at);
          await settled();
        }
        await run;
        expect(said()).toEqual([
          'run.start',
          ...ids.map((id) => `model.request ${id}`),
          ...ids.flatMap((id) => [`model.result ${id}`, `model.request ${id}2`]),
          ...ids.map((id) => `model.result ${id}2`),
          'run.finished',
        ]);
      }),
      { numRuns: 25 },
    );
  });
});
