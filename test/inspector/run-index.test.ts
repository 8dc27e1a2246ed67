/** The index of a log: what it says of each message is what the log says, however it grew. */
import { appendFileSync, cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { replayRun } from '../../actors/replay.js';
import { createStaging, ROLES } from '../../actors/staging.js';
import { createContexts } from '../../src/inspector/contexts.js';
import { episodesIn, listedEpisode } from '../../src/inspector/episodes.js';
import { createFinder, filterSchema, placeOf } from '../../src/inspector/filter.js';
import { readIndex, writeIndex } from '../../src/inspector/index-file.js';
import { createMoments } from '../../src/inspector/moments.js';
import { openIndex, type RunIndex } from '../../src/inspector/run-index.js';
import { SoliloquyError } from '../../src/protocol/errors.js';
import type { Envelope } from '../../src/protocol/messages.js';
import { readRunConfig } from '../../src/store/run-config.js';
import { runFolder } from '../../src/store/run-folder.js';
import { testFolder } from '../support/folder.js';
import { envelopesIn, forkScripted, recordScripted, scriptedConfig } from '../support/scripted-run.js';
import { countingClock, temporaryFolder, writeTinyModel } from '../support/tiny-run.js';

const folder = temporaryFolder();
const run = join(folder.path, 'run');
/** Its second half was made with another cast. */
const forked = join(folder.path, 'forked');
let envelopes: readonly Envelope[];

beforeAll(async () => {
  const model = await writeTinyModel(join(folder.path, 'm0'));
  await recordScripted(scriptedConfig(model, { iterations: 2 }), run);
  await forkScripted(run, forked, 'M1', { cast: { judge: 'frozen:M1' } });
  envelopes = await envelopesIn(run);
});
afterAll(() => folder.remove());

const grown = (log: string): RunIndex => {
  const index = openIndex(log);
  while (index.grow());
  return index;
};

/** Folds the states of the whole log, as an opened run does. */
function stated(path: string): RunIndex {
  const index = grown(runFolder(path).log);
  const staging = createStaging(readRunConfig(path).initial);
  for (let seq = 0; seq < index.count; seq++) index.setState(seq, staging.take(index.read(seq)));
  return index;
}

const codeOf = (act: () => unknown): string => {
  try {
    act();
  } catch (error) {
    return error instanceof SoliloquyError ? error.code : 'another error';
  }
  return 'none';
};

describe('the index of a log', () => {
  it('says of every message what the log says, and reads it back whole', () => {
    const index = grown(runFolder(run).log);
    expect(index.count).toBe(envelopes.length);
    for (const envelope of envelopes) {
      const { seq, at, from, to, cause, type } = envelope;
      expect(index.row(seq)).toMatchObject({ seq, at, from, to, cause, type });
      expect(index.read(seq)).toEqual(envelope);
    }
  });

  it('knows the effects of every message', () => {
    const index = grown(runFolder(run).log);
    for (const { seq } of envelopes)
      expect(index.effectsOf(seq)).toEqual(
        envelopes.filter(({ cause }) => cause === seq).map((one) => one.seq),
      );
  });

  it('gathers under an episode all that it said and heard, and what was asked for it', () => {
    const index = grown(runFolder(run).log);
    const episodes = episodesIn(index);
    expect(episodes.length).toBeGreaterThan(6);
    for (const { id } of episodes) {
      const address = `episode:${id}`;
      const own = envelopes.filter(({ from, to }) => from === address || to === address);
      const all = index.episode(id);
      expect(all).toEqual(expect.arrayContaining(own.map(({ seq }) => seq)));
      const asked = all.map((seq) => envelopes[seq]!).filter((one) => !own.includes(one));
      for (const { type, body } of asked) {
        expect([
          'model.request',
          'model.result',
          'score.request',
          'score.result',
          'request.failed',
          'judgements.request',
          'responses.request',
          'pair.made',
          'pair.withheld',
          'prompt.made',
          'prompt.filtered',
        ]).toContain(type);
        expect(JSON.stringify(body)).toContain(id);
      }
    }
  });

  it('names the end of every episode as the log does', () => {
    const index = grown(runFolder(run).log);
    for (const found of episodesIn(index)) {
      const { end, scores, reason } = listedEpisode(index, found);
      const said = envelopes.findLast(
        ({ type, body }) =>
          ['pair.made', 'pair.withheld'].includes(type) &&
          ((body as { id?: string }).id ?? (body as { episode?: string }).episode) === found.id,
      );
      if (said?.type === 'pair.made') {
        expect(end).toBe('paired');
        const { chosen } = said.body as { chosen: { score: number } };
        expect(scores?.chosen).toBe(chosen.score);
      } else expect([end, reason]).not.toContain('paired');
    }
  });

  it('is the same whether the file was there or came in pieces', async () => {
    const bytes = readFileSync(runFolder(run).log);
    await fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: bytes.length - 1 }), { maxLength: 12 }), (cuts) => {
        const file = join(testFolderOnce(), `${grownFiles++}.jsonl`);
        writeFileSync(file, '');
        const index = openIndex(file);
        let at = 0;
        for (const cut of [...cuts.sort((a, b) => a - b), bytes.length]) {
          appendFileSync(file, bytes.subarray(at, cut));
          at = cut;
          while (index.grow());
        }
        const whole = grown(runFolder(run).log);
        expect(index.columns.toBytes().equals(whole.columns.toBytes())).toBe(true);
        expect(index.names.all).toEqual(whole.names.all);
        index.close();
        whole.close();
      }),
      { numRuns: 15 },
    );
  });

  it('names the line where the chain is broken', () => {
    const file = join(testFolder(), 'messages.jsonl');
    const lines = readFileSync(runFolder(run).log, 'utf8').split('\n');
    lines[5] = lines[5]!.replace('"type"', '"typo"');
    writeFileSync(file, lines.join('\n'));
    const index = openIndex(file);
    expect(codeOf(() => index.grow())).toBe('log.invalid');
  });
});

let once: string | undefined;
let grownFiles = 0;
const testFolderOnce = () => (once ??= temporaryFolder().path);

describe('a stored index', () => {
  const copied = () => {
    const path = join(testFolder(), 'run');
    cpSync(run, path, { recursive: true });
    return path;
  };

  it('is read back as it was, and goes on with what the log has got since', () => {
    const { log } = runFolder(copied());
    const bytes = readFileSync(log);
    const half = bytes.indexOf(10, bytes.length / 2) + 1;
    writeFileSync(log, bytes.subarray(0, half));
    const first = grown(log);
    writeIndex(log, first);
    appendFileSync(log, bytes.subarray(half));
    const again = openIndex(log, readIndex(log));
    expect(again.count).toBe(first.count);
    while (again.grow());
    const whole = grown(log);
    expect(again.columns.toBytes().equals(whole.columns.toBytes())).toBe(true);
  });

  it('of another log, damaged, or cut, is left aside', () => {
    const path = copied();
    const { log } = runFolder(path);
    writeIndex(log, grown(log));
    expect(readIndex(log)).toBeDefined();
    const names = join(path, 'index', 'names.json');
    const columns = join(path, 'index', 'columns.bin');
    const good = readFileSync(names, 'utf8');
    writeFileSync(names, good.slice(0, 100));
    expect(readIndex(log)).toBeUndefined();
    writeFileSync(names, good.replace(/"head":"./, '"head":"x'));
    expect(readIndex(log)).toBeUndefined();
    writeFileSync(names, good);
    writeFileSync(columns, readFileSync(columns).subarray(8));
    expect(readIndex(log)).toBeUndefined();
  });
});

describe('a moment of a run', () => {
  it.each([
    ['a run', run],
    ['a fork', forked],
  ])('of %s shows each machine in the state that a replay comes to', async (_name, path) => {
    const index = stated(path);
    const contexts = createContexts(
      runFolder(path).log,
      index,
      false,
      () => createStaging(readRunConfig(path).initial),
      countingClock(),
    );
    const seqs = [0, 5, 40, 111, Math.floor(index.count / 2), index.count - 30, index.count - 1];
    const momentAfter = createMoments(index, ROLES);
    for (const seq of seqs) {
      const { machines } = await replayRun({ path, verify: false, until: seq });
      const living = new Map(machines().map((one) => [one.address, one]));
      const moment = momentAfter(seq);
      expect(createMoments(index, ROLES)(seq)).toEqual(moment);
      for (const { role, state } of moment.roles) expect(state).toBe(living.get(role)?.state ?? null);
      const open = [...living.values()].filter(({ address }) => address.startsWith('episode:'));
      for (const { address, state, context } of open)
        expect(contexts.at(address, seq)).toEqual({
          state,
          context: JSON.parse(JSON.stringify(context)),
          taken: expect.any(Array),
        });
      for (const role of ROLES) {
        const own = living.get(role);
        if (own)
          expect(contexts.at(role, seq)).toEqual({
            state: own.state,
            context: own.context,
            taken: expect.any(Array),
          });
      }
      const counted = Object.values(moment.episodes).reduce((a, b) => a + b, 0);
      const begun = new Set(
        (await envelopesIn(path))
          .filter((one) => one.seq <= seq && one.to.startsWith('episode:'))
          .map(({ to }) => to),
      );
      expect(counted).toBe(begun.size);
    }
  });

  it('is the same whatever was asked before', () => {
    const index = stated(run);
    const momentAfter = createMoments(index, ROLES);
    for (const seq of [50, 10, 80, 80, -1, index.count - 1, 30])
      expect(momentAfter(seq)).toEqual(createMoments(index, ROLES)(seq));
  });

  it('before the first message shows nobody', () => {
    const { roles, episodes } = createMoments(stated(run), ROLES)(-1);
    expect(roles.every(({ state }) => state === null)).toBe(true);
    expect(episodes).toEqual({});
  });

  it('a context is the same whatever was asked before, of an episode that is over too', () => {
    const index = stated(forked);
    const create = () => createStaging(readRunConfig(forked).initial);
    const contexts = () => createContexts(runFolder(forked).log, index, false, create, countingClock());
    const asked = contexts();
    const over = episodesIn(index).find(({ end }) => end === 'paired')!;
    const address = `episode:${over.id}`;
    const [first, ...later] = index.mailOf(address, index.count - 1);
    const questions = [first!, ...later, index.count - 1, later[0]!, index.count - 1, first!].flatMap(
      (seq) => [
        { address, seq },
        { address, seq: seq + 1 },
        { address: 'judge', seq },
      ],
    );
    for (const one of questions) {
      if (one.seq >= index.count) continue;
      expect(asked.at(one.address, one.seq)).toEqual(contexts().at(one.address, one.seq));
    }
    expect(asked.at(address, index.count - 1)).toMatchObject({ state: 'paired' });
  });

  it('a context folded from a state that was set down equals one folded from the beginning', () => {
    const index = stated(run);
    const create = () => createStaging(readRunConfig(run).initial);
    const fresh = createContexts(runFolder(run).log, index, false, create, countingClock());
    const stage = create();
    for (let seq = 0; seq < index.count; seq++) stage.take(index.read(seq));
    for (const role of ROLES) {
      const half = create();
      for (const seq of index.mailOf(role, index.count / 2)) half.take(index.read(seq));
      const frozen = structuredClone(half.freeze(role));
      const other = create();
      if (frozen) other.thaw(role, frozen);
      for (const seq of index.mailOf(role, index.count).filter((one) => one > index.count / 2))
        other.take(index.read(seq));
      expect(other.contextOf(role)).toEqual(stage.contextOf(role));
      expect(fresh.at(role, index.count - 1)).toEqual(stage.contextOf(role));
    }
  });
});

describe('finding messages', () => {
  const filter = (query: Record<string, string>) => filterSchema.parse(query);
  const untilDone = async (index: RunIndex, query: Record<string, string>): Promise<number[]> => {
    const finder = createFinder(index);
    for (;;) {
      const { seqs, searched } = finder.find(filter(query));
      if (searched === index.count) return [...seqs];
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  const expected = (holds: (envelope: Envelope) => boolean) => envelopes.filter(holds).map(({ seq }) => seq);

  it('by role, type and episode gives those that the log holds', async () => {
    const index = grown(runFolder(run).log);
    expect(await untilDone(index, {})).toEqual(expected(() => true));
    expect(await untilDone(index, { role: 'judge' })).toEqual(
      expected(({ from, to }) => from === 'judge' || to === 'judge'),
    );
    expect(await untilDone(index, { type: 'pair.made,pair.withheld', role: 'episode' })).toEqual(
      expected(({ type, from }) => type.startsWith('pair.') && from.startsWith('episode:')),
    );
    expect(await untilDone(index, { type: 'nothing' })).toEqual([]);
    const [id] = episodesIn(index).map((one) => one.id);
    expect(await untilDone(index, { episode: id! })).toEqual(index.episode(id!));
  });

  it('by a text finds every line that holds it, whatever its case, quotes and all', async () => {
    const index = grown(runFolder(run).log);
    const line = (one: Envelope) => JSON.stringify(one).toLowerCase();
    for (const text of ['Score :', 'reverse', 'no such text', '"', 'first word'])
      expect(await untilDone(index, { text })).toEqual(
        expected((one) => line(one).includes(JSON.stringify(text).slice(1, -1).toLowerCase())),
      );
  });

  it('places a seq among those found', () => {
    const seqs = Uint32Array.from([3, 7, 8, 20]);
    expect([0, 3, 4, 8, 9, 20, 21].map((seq) => placeOf(seqs, seq))).toEqual([0, 0, 1, 2, 3, 3, 4]);
  });
});
