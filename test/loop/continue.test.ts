/**
 * A log as an instrument: recorded, replayed, forked, resumed. The scripted model makes runs of all kinds in no time; the folder, the
 * log, the machines and the files are real.
 */
import { cpSync, existsSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ForkOptions, forkRun } from '../../actors/fork.js';
import { replayRun } from '../../actors/replay.js';
import { resumeRun } from '../../actors/resume.js';
import type { RunEnd, RunOptions } from '../../actors/system.js';
import { createScriptedModel, type Script } from '../../bench/scripted.js';
import { readWholeLog } from '../../src/log/reader.js';
import type { Config, ConfigPart } from '../../src/protocol/config.js';
import type { BodyOf, Envelope, MessageType } from '../../src/protocol/messages.js';
import { summary } from '../../src/report/summary.js';
import { emptyTally, tallyMessage } from '../../src/report/tally.js';
import { readManifest } from '../../src/store/run-folder.js';
import { resealedRun } from '../support/reseal.js';
import { countingClock, temporaryFolder, tinyConfig, tinyRun, writeTinyModel } from '../support/tiny-run.js';

const folder = temporaryFolder();
const model = join(folder.path, 'm0');
let runs = 0;
const out = () => join(folder.path, `run-${runs++}`);
beforeAll(async () => {
  await writeTinyModel(model);
});
afterAll(() => folder.remove());

const machinery = (script: Script = {}): Omit<RunOptions, 'config' | 'out'> => ({
  assets: '/nowhere',
  workers: 1,
  backend: 'auto',
  clock: countingClock(),
  versions: {},
  createModel: () => createScriptedModel(script),
});
const config = (...parts: ConfigPart[]): Config =>
  tinyConfig(
    model,
    { invent: { asks: 6 }, evaluate: { resamples: 10 }, world: { heldOut: 3, probes: 2 } },
    ...parts,
  );

interface Recorded {
  readonly path: string;
  readonly end: RunEnd;
  readonly script: Script;
}

async function record(of: Config, script: Script = {}): Promise<Recorded> {
  const run = await tinyRun(of, out(), machinery(script));
  const end = await run.start();
  return { path: run.folder.path, end, script };
}

async function fork(
  parent: Recorded,
  options: Partial<ForkOptions>,
): Promise<Recorded & { readonly seq: number }> {
  const { run, seq } = await forkRun({
    ...machinery(parent.script),
    parent: parent.path,
    out: out(),
    at: undefined,
    changes: {},
    overrides: [],
    ...options,
  });
  return { path: run.folder.path, end: await run.start(), script: parent.script, seq };
}

/** What is left if the process dies when `count` messages are written, `torn` bytes of the next. */
function cutAfter(parent: Recorded, count: number, torn: number): string {
  const path = out();
  cpSync(parent.path, path, { recursive: true });
  const log = join(path, 'messages.jsonl');
  const lines = readFileSync(log, 'utf8').split('\n');
  const kept = lines
    .slice(0, count)
    .map((line) => `${line}\n`)
    .join('');
  truncateSync(log, Buffer.byteLength(kept) + Math.min(torn, Buffer.byteLength(lines[count] ?? '')));
  const manifest = readManifest(path);
  writeFileSync(
    join(path, 'manifest.json'),
    JSON.stringify({ ...manifest, status: 'running', count: 0, outcomeHash: null }),
  );
  return path;
}

async function resume(
  path: string,
  script: Script,
): Promise<{ readonly end: RunEnd | null; readonly notes: readonly string[] }> {
  const { run, notes } = await resumeRun({ ...machinery(script), path });
  return { end: run ? await run.start() : null, notes };
}

const envelopesOf = async (path: string): Promise<readonly Envelope[]> =>
  (await readWholeLog(join(path, 'messages.jsonl'))).envelopes;
const bodies = <T extends MessageType>(envelopes: readonly Envelope[], type: T): BodyOf<T>[] =>
  envelopes.filter((one) => one.type === type).map(({ body }) => body as BodyOf<T>);
const verified = async (path: string) => {
  const { problems, outcomeHash, finished } = await replayRun({ path, verify: true });
  return { problems, outcomeHash, finished };
};
/** Every file of a run but the log, which tells of its seams. */
const filesIn = (path: string): string[] =>
  readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(path.length))
    .sort();

const configs = fc.record({
  seed: fc.nat({ max: 99 }),
  judge: fc.constantFrom(
    'live',
    'frozen:M1',
    'lagged:1',
    'oracle',
    'gold',
    'random',
    'constant:3',
    'ensemble:[live,random]',
  ),
  generator: fc.constantFrom('live', 'frozen:SFT'),
  responder: fc.constantFrom('live', 'lagged:1'),
  trainer: fc.constantFrom<Config['cast']['trainer']>(
    'dpo',
    'sft-positives',
    'ipo',
    'irpo',
    'spin',
    'meta-rewarding',
    'temporal',
  ),
  lengthControl: fc.constantFrom(0, 0.4),
  rounds: fc.constantFrom(1, 1, 2),
  iterations: fc.constantFrom(1, 2),
  asks: fc.integer({ min: 1, max: 7 }),
  candidates: fc.integer({ min: 2, max: 4 }),
  samples: fc.integer({ min: 1, max: 3 }),
  redraws: fc.nat({ max: 1 }),
  batchRows: fc.constantFrom(1, 5, 16),
  window: fc.integer({ min: 1, max: 3 }),
  openEpisodes: fc.integer({ min: 1, max: 5 }),
  keepSteps: fc.nat({ max: 3 }),
  babble: fc.constantFrom(0, 0.3),
});
type Drawn = typeof configs extends fc.Arbitrary<infer T> ? T : never;

/** A meta-judge compares what judges write. */
const playable = ({ trainer, judge }: Drawn): Drawn['trainer'] =>
  trainer === 'meta-rewarding' && !judge.includes('live') ? 'dpo' : trainer;

/** What doesn't go together, and is refused, is drawn as what goes. */
const drawnConfig = (d: Drawn): Config =>
  config({
    seed: d.seed,
    iterations: d.iterations,
    cast: { judge: d.judge, generator: d.generator, responder: d.responder, trainer: playable(d) },
    online: { rounds: d.rounds },
    invent: { asks: d.asks },
    respond: { candidates: d.candidates },
    judge: { samples: d.samples, retries: d.redraws },
    pair: { lengthControl: d.trainer === 'temporal' ? 0 : d.lengthControl },
    flow: {
      batchRows: d.batchRows,
      window: d.window,
      openEpisodes: d.openEpisodes,
      asksPerRequest: 2,
      keepSteps: d.keepSteps,
    },
  });

describe('any run', () => {
  it('is replayed clean, and forked or resumed at every tenth message comes to the same outcome', async () => {
    await fc.assert(
      fc.asyncProperty(configs, fc.nat({ max: 9 }), async (drawn, first) => {
        const parent = await record(drawnConfig(drawn), { babble: drawn.babble });
        expect(await verified(parent.path)).toEqual({
          problems: [],
          outcomeHash: parent.end.outcomeHash,
          finished: true,
        });
        for (let at = 1 + first; at < parent.end.messages; at += 10) {
          const forked = await fork(parent, { at: String(at) });
          expect([at, forked.end.status, forked.end.outcomeHash]).toEqual([
            at,
            'finished',
            parent.end.outcomeHash,
          ]);
          const path = cutAfter(parent, at, at);
          const { end } = await resume(path, parent.script);
          expect([at, end?.status, end?.outcomeHash]).toEqual([at, 'finished', parent.end.outcomeHash]);
        }
      }),
      {
        numRuns: Number(process.env.CONTINUE_RUNS ?? 5),
        seed: Number(process.env.CONTINUE_SEED ?? 1),
        endOnFailure: true,
      },
    );
  }, 600_000);
});

it.each(['ipo', 'irpo', 'spin', 'cream', 'meta-rewarding', 'temporal'] as const)(
  'a run of the trainer %s is replayed clean, forked in each of its stages and resumed from there it comes to the same outcome',
  async (trainer) => {
    const judge = trainer === 'cream' ? 'ensemble:[implicit,implicit:1]' : 'live';
    // More demonstrations than one lot holds.
    const world = { demonstrations: trainer === 'spin' ? 120 : 16 };
    // A past version that is another than the newest; a meta-judge that always has a verdict.
    const variant: ConfigPart = { temporal: { anchor: 'M0' }, meta: { reading: 'likelier' } };
    const parent = await record(
      config({ cast: { trainer, judge }, iterations: 1, invent: { asks: 3 }, world, ...variant }),
    );
    expect(parent.end.status).toBe('finished');
    const { outcomeHash } = parent.end;
    expect(await verified(parent.path)).toEqual({ problems: [], outcomeHash, finished: true });
    const envelopes = await envelopesOf(parent.path);
    const begun = envelopes.findIndex(({ type, to }) => type === 'training.request' && to === 'trainer');
    for (let at = begun; at < envelopes.length; at += Math.ceil((envelopes.length - begun) / 5)) {
      const forked = await fork(parent, { at: String(at) });
      expect([at, forked.end.outcomeHash]).toEqual([at, outcomeHash]);
      expect((await verified(forked.path)).problems).toEqual([]);
      const { end } = await resume(cutAfter(parent, at, 3), parent.script);
      expect([at, end?.outcomeHash]).toEqual([at, outcomeHash]);
    }
  },
);

it('a run whose requests fail now and then is replayed clean', async () => {
  const { path, end } = await record(config({ cast: { judge: 'live' } }), {
    // After the first three evaluations.
    fails: (call) => call > 14 && call < 40 && call % 3 === 0,
    babble: 0.3,
  });
  expect(bodies(await envelopesOf(path), 'request.failed').length).toBeGreaterThan(2);
  expect(await verified(path)).toEqual({ problems: [], outcomeHash: end.outcomeHash, finished: true });
});

describe('a replay', () => {
  let parent: Recorded;
  beforeAll(async () => {
    parent = await record(config());
  });

  const altered = (change: (path: string) => void): string => {
    const path = out();
    cpSync(parent.path, path, { recursive: true });
    change(path);
    return path;
  };
  const edit = (path: string, name: string, change: (text: string) => string) =>
    writeFileSync(join(path, name), change(readFileSync(join(path, name), 'utf8')));

  it('names the first message that a machine would not say, and what it would', async () => {
    const envelopes = await envelopesOf(parent.path);
    const at = envelopes.find(({ type }) => type === 'judgement.made')!.seq;
    const path = resealedRun(parent.path, out(), (lines) =>
      lines.map((one) =>
        one.seq === at
          ? ({ ...one, body: { ...one.body, verdict: { status: 'score', score: 1.5 } } } as Envelope)
          : one,
      ),
    );
    await expect(replayRun({ path, verify: false })).rejects.toMatchObject({
      code: 'replay.diverged',
      message: expect.stringMatching(
        new RegExp(`^diverged at seq ${at}: expected judgement.made with body.verdict`),
      ),
    });
  });

  it.each([
    [
      'a metric',
      'metrics.jsonl',
      (text: string) => text.replace(/"value":[^,n]+,/, '"value":0.123,'),
      'metrics.jsonl',
    ],
    ['a training file', 'data/aift-M1.jsonl', (text: string) => text.slice(0, -2), 'data/aift-M1.jsonl'],
    ['a lineage', 'models/M2/lineage.json', (text: string) => text.replace('"M1"', '"M0"'), 'lineage'],
    ['the config', 'config.json', (text: string) => text.replace('"asks": 6', '"asks": 6.0001'), 'config'],
    [
      'the outcome',
      'manifest.json',
      (text: string) => text.replace(/"outcomeHash": "."/, '"outcomeHash": "x"'),
      '',
    ],
  ])('finds that %s was changed', async (_, file, change, named) => {
    if (file === 'config.json') {
      const path = altered((folder) =>
        edit(folder, file, (text) => text.replace('"name": "paper"', '"name": "other"')),
      );
      expect((await replayRun({ path, verify: true })).problems.join()).toContain(named);
      return;
    }
    if (file === 'manifest.json') {
      const path = altered((folder) =>
        edit(folder, file, (text) => text.replace(/"outcomeHash": "[0-9a-f]/, '"outcomeHash": "z')),
      );
      expect((await replayRun({ path, verify: true })).problems.join()).toContain('outcome');
      return;
    }
    const path = altered((folder) => edit(folder, file, change));
    const { problems } = await replayRun({ path, verify: true });
    expect(problems.join()).toContain(named);
  });

  it('finds a missing tail by the manifest', async () => {
    const path = altered((folder) =>
      edit(folder, 'messages.jsonl', (text) => `${text.split('\n').slice(0, -4).join('\n')}\n`),
    );
    expect((await replayRun({ path, verify: true })).problems.join()).toContain('a tail is missing');
  });

  it('finds other weights', async () => {
    const path = altered((folder) =>
      cpSync(join(folder, 'models/M1'), join(folder, 'models/M2'), { recursive: true }),
    );
    expect((await replayRun({ path, verify: true })).problems.join()).toContain(
      'models/M2 holds other weights',
    );
  });

  it('up to a message shows every machine’s state there', async () => {
    const envelopes = await envelopesOf(parent.path);
    const at = envelopes.find(({ type }) => type === 'model.train')!.seq;
    const { machines, messages } = await replayRun({ path: parent.path, verify: false, until: at });
    expect(messages).toBe(at + 1);
    const states = Object.fromEntries(machines().map(({ address, state }) => [address, state]));
    expect(states).toMatchObject({ coordinator: 'working.trainingBaseline', trainer: 'working.training' });
  });
});

describe('a fork', () => {
  let parent: Recorded;
  beforeAll(async () => {
    parent = await record(config({ iterations: 2 }));
  });

  it('shares messages, weights and random numbers before the change, and goes on with another judge', async () => {
    const arm = await fork(parent, { at: 'M2', changes: { cast: { judge: 'oracle' } } });
    const [before, after] = [await envelopesOf(parent.path), await envelopesOf(arm.path)];
    expect(after.slice(0, arm.seq)).toEqual(before.slice(0, arm.seq));
    expect(after[arm.seq]).toMatchObject({
      type: 'run.forked',
      body: { parent: { seq: arm.seq }, changes: { 'cast.judge': 'oracle' } },
    });
    const players = bodies(after.slice(arm.seq), 'judgement.made').map(({ player }) => player);
    expect(new Set(players)).toEqual(new Set(['oracle']));
    const prompts = (of: readonly Envelope[]) => bodies(of, 'prompt.made').map(({ prompt }) => prompt);
    expect(prompts(after)).toEqual(prompts(before));
    expect(readManifest(arm.path).parent).toMatchObject({ seq: arm.seq });
    expect((await verified(arm.path)).problems).toEqual([]);
    expect(readFileSync(join(arm.path, 'models/M1/model.safetensors'))).toEqual(
      readFileSync(join(parent.path, 'models/M1/model.safetensors')),
    );
  });

  it('of a fork, and its resume, are forks like any other', async () => {
    const arm = await fork(parent, { at: 'M1', changes: { cast: { judge: 'random' } } });
    const second = await fork(arm, { at: 'M2', changes: { dpo: { beta: 0.3 } } });
    expect((await verified(second.path)).problems).toEqual([]);
    const seams = bodies(await envelopesOf(second.path), 'run.forked');
    expect(seams.map(({ changes }) => changes)).toEqual([{ 'cast.judge': 'random' }, { 'dpo.beta': 0.3 }]);
    for (const count of [arm.seq - 5, arm.seq, arm.seq + 1, second.seq + 1, second.seq + 30]) {
      const { end } = await resume(cutAfter(second, Math.max(count, second.seq), 3), parent.script);
      expect([count, end?.outcomeHash]).toEqual([count, second.end.outcomeHash]);
    }
  });

  it('overrides a fact, which then stands on the log and in the pair made of it', async () => {
    const envelopes = await envelopesOf(parent.path);
    const pair = envelopes.find(({ type }) => type === 'pair.made')!;
    const { chosen } = pair.body as BodyOf<'pair.made'>;
    const seq = chosen.judgements[0]!;
    const arm = await fork(parent, { overrides: [{ type: 'judgement.made', seq, path: 'score', value: 0 }] });
    expect(arm.seq).toBe(seq);
    const after = await envelopesOf(arm.path);
    const { id } = envelopes[seq]!.body as BodyOf<'judgement.made'>;
    expect(bodies(after, 'judgement.made').find((one) => one.id === id)!.verdict).toEqual({
      status: 'score',
      score: 0,
    });
    expect(arm.end.outcomeHash).not.toBe(parent.end.outcomeHash);
    expect((await verified(arm.path)).problems).toEqual([]);
  });

  it('resamples one role: its draws are others, those of the others not', async () => {
    const arm = await fork(parent, { at: 'M1', changes: { reseed: { judge: 99 } } });
    const [before, after] = [await envelopesOf(parent.path), await envelopesOf(arm.path)];
    const first = <T extends MessageType>(of: readonly Envelope[], type: T) => bodies(of, type)[0]!;
    expect(first(after, 'responses.made')).toEqual(first(before, 'responses.made'));
    expect(first(after, 'judgement.made').generation!.key).not.toEqual(
      first(before, 'judgement.made').generation!.key,
    );
  });

  it.each([
    ['the seed', 'M1', { seed: 9 }, /seed: .*--resample/],
    ['the world', 'M1', { world: { heldOut: 4 } }, /world.heldOut/],
    ['EFT after M1', 'M2', { eft: false }, /eft: M1 was trained before/],
    ['sft after M1', 'M2', { sft: { epochs: 9 } }, /sft.epochs/],
    [
      'how versions are measured',
      'M1',
      { evaluate: { judgeSamples: 9 } },
      /evaluate.judgeSamples: M0, SFT were measured/,
    ],
    ['fewer iterations than have begun', 'M3', { iterations: 1 }, /iterations: iteration 2 has begun/],
  ])('refuses to change %s, with the reason, and leaves no folder', async (_, at, changes, said) => {
    const path = out();
    await expect(fork(parent, { at, changes: changes as ConfigPart, out: path })).rejects.toMatchObject({
      code: 'config.invalid',
      message: expect.stringMatching(said),
    });
    expect(existsSync(path)).toBe(false);
  });

  it.each([
    ['999999', /holds \d+ messages/],
    ['M9', /M9/],
    ['no.such:1', /no such place/],
  ])('at %s is wrong usage', async (at, said) => {
    await expect(fork(parent, { at })).rejects.toMatchObject({
      code: 'usage',
      message: expect.stringMatching(said),
    });
  });

  it('changes what is still to come: more iterations, other sampling, another trainer', async () => {
    const arm = await fork(parent, {
      at: 'M3',
      changes: { iterations: 3, cast: { trainer: 'sft-positives' }, respond: { candidates: 5 } },
    });
    expect(arm.end.status).toBe('finished');
    const after = await envelopesOf(arm.path);
    expect(bodies(after, 'version.made').map(({ version }) => version)).toEqual([
      'SFT',
      'M1',
      'M2',
      'M3',
      'M4',
    ]);
    expect(bodies(after, 'responses.made').at(-1)!.candidates).toHaveLength(5);
  });
});

describe('a recorded player', () => {
  it('answers from another run’s log where the same was asked there, and live where not; both are counted', async () => {
    const parent = await record(config());
    const cast = { judge: `recorded:${parent.path}`, responder: `recorded:${parent.path}` };
    const same = await record(config({ cast }));
    const [before, after] = [await envelopesOf(parent.path), await envelopesOf(same.path)];
    const made = bodies(after, 'judgement.made');
    expect(made.length).toBeGreaterThan(0);
    for (const { generation } of made) {
      const { run, seq } = generation!.recorded!;
      expect(run).toBe(parent.path.split('/').at(-1));
      expect(before[seq]!.type).toBe('model.result');
    }
    expect(made.map(({ verdict }) => verdict)).toEqual(
      bodies(before, 'judgement.made').map(({ verdict }) => verdict),
    );
    expect((await verified(same.path)).problems).toEqual([]);
    // More candidates than were recorded: the rest is made here.
    const more = await record(config({ cast, respond: { candidates: 4 } }));
    const tally = emptyTally();
    for (const envelope of await envelopesOf(more.path)) tallyMessage(tally, envelope);
    const { taken, made: own } = tally.recorded.get('respond')!;
    expect(taken).toBeGreaterThan(0);
    expect(own).toBeGreaterThan(0);
    expect(summary(tally)).toContain(`respond: ${taken} answers from the record, ${own} made here`);
  });

  it('is refused where there is no such run', async () => {
    await expect(record(config({ cast: { judge: 'recorded:/no/such/run' } }))).rejects.toMatchObject({
      code: 'run.missing',
    });
  });
});

describe('a resume', () => {
  let parent: Recorded;
  beforeAll(async () => {
    parent = await record(config({ flow: { keepSteps: 2 } }));
  });

  it('drops a torn last line of any length, says so, and leaves the same files as an uninterrupted run', async () => {
    const envelopes = await envelopesOf(parent.path);
    const count = envelopes.length - 20;
    const length = Buffer.byteLength(
      readFileSync(join(parent.path, 'messages.jsonl'), 'utf8').split('\n')[count]!,
    );
    for (const torn of [1, 2, 71, 72, 73, length - 1]) {
      const path = cutAfter(parent, count, torn);
      const { end, notes } = await resume(path, parent.script);
      expect(notes.join()).toContain(`torn last line of ${torn} bytes`);
      expect(end!.outcomeHash).toBe(parent.end.outcomeHash);
      expect(filesIn(path)).toEqual(filesIn(parent.path));
      expect((await verified(path)).problems).toEqual([]);
    }
  });

  it('goes on with a training in mid-epoch, from the last step that was kept', async () => {
    const envelopes = await envelopesOf(parent.path);
    const stepped = envelopes.filter(
      ({ type, body }) => type === 'training.stepped' && (body as BodyOf<'training.stepped'>).to === 'M2',
    );
    // Stop after the fifth of six steps; the fourth was kept.
    const run = await tinyRun(config({ flow: { keepSteps: 2 } }), out(), machinery());
    run.messages$.subscribe(({ seq }) => {
      if (seq === stepped[4]!.seq) run.stop();
    });
    expect((await run.start()).status).toBe('stopped');
    expect(existsSync(run.folder.training('M2'))).toBe(true);
    const before = (await envelopesOf(run.folder.path)).length;
    const { end } = await resume(run.folder.path, {});
    const steps = bodies((await envelopesOf(run.folder.path)).slice(before), 'training.stepped').filter(
      ({ to }) => to === 'M2',
    );
    expect(steps[0]!.step).toBe(5);
    expect(end!.outcomeHash).toBe(parent.end.outcomeHash);
    expect(existsSync(run.folder.training('M2'))).toBe(false);
  });

  it('removes what a dead process left half-written, and versions that the log does not know', async () => {
    const path = cutAfter(parent, (await envelopesOf(parent.path)).length - 90, 0);
    writeFileSync(join(path, 'manifest.json.4242.tmp'), '{');
    writeFileSync(join(path, 'models/M0/.model.safetensors.4242.part'), 'x');
    expect(existsSync(join(path, 'models/M3'))).toBe(true);
    const { end } = await resume(path, parent.script);
    expect(end!.outcomeHash).toBe(parent.end.outcomeHash);
    expect(filesIn(path)).toEqual(filesIn(parent.path));
  });

  it('of a finished run does nothing', async () => {
    const text = readFileSync(join(parent.path, 'messages.jsonl'), 'utf8');
    expect((await resume(parent.path, parent.script)).end).toBeNull();
    expect(readFileSync(join(parent.path, 'messages.jsonl'), 'utf8')).toBe(text);
  });

  it('of a run that died after its last message brings manifest and metrics up to it', async () => {
    const path = cutAfter(parent, parent.end.messages, 0);
    writeFileSync(join(path, 'metrics.jsonl'), '');
    expect((await resume(path, parent.script)).end).toBeNull();
    expect(readManifest(path)).toEqual(readManifest(parent.path));
    expect((await verified(path)).problems).toEqual([]);
  });

  it('of a run that was paused goes on', async () => {
    const run = await tinyRun(config(), out(), machinery());
    run.messages$.subscribe(({ type }) => {
      if (type === 'responses.made') run.pause();
      if (type === 'run.pause') setImmediate(() => run.stop());
    });
    expect((await run.start()).status).toBe('stopped');
    const { end } = await resume(run.folder.path, {});
    expect(end).toMatchObject({ status: 'finished', outcomeHash: parent.end.outcomeHash });
  });

  it('refuses a log that is broken in its midst, and one that somebody writes', async () => {
    const path = cutAfter(parent, 200, 0);
    const log = join(path, 'messages.jsonl');
    writeFileSync(log, readFileSync(log, 'utf8').replace('"seq":100,', '"seq":101,'));
    await expect(resume(path, {})).rejects.toMatchObject({
      code: 'log.invalid',
      message: expect.stringContaining('chain broken at seq 100'),
    });
    const busy = await tinyRun(config(), out(), machinery());
    await expect(resume(busy.folder.path, {})).rejects.toMatchObject({ code: 'run.locked' });
    busy.stop();
    await busy.start();
    expect((await resume(busy.folder.path, {})).end!.status).toBe('finished');
  });

  it('is refused for weights that are not those of the log', async () => {
    const path = cutAfter(parent, (await envelopesOf(parent.path)).length - 20, 0);
    cpSync(join(path, 'models/SFT'), join(path, 'models/M1'), { recursive: true });
    await expect(resume(path, {})).rejects.toMatchObject({ code: 'checkpoint.invalid' });
  });
});
