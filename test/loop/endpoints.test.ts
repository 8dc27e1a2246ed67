/**
 * The loop with its roles behind servers that are other processes: killed, started again, gone. The run's own model is tiny, the
 * servers' is the M0 that ships.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createServers } from '../../actors/endpoints.js';
import { forkRun } from '../../actors/fork.js';
import { replayRun } from '../../actors/replay.js';
import { resumeRun } from '../../actors/resume.js';
import type { RunEnd } from '../../actors/system.js';
import { readCheckpoint } from '../../src/lm/checkpoint.js';
import { readWholeLog } from '../../src/log/reader.js';
import { rowsOf, sampleBatch } from '../../src/players/sampling.js';
import { createLanguageModel } from '../../src/pool/language-model.js';
import type { Config, ConfigPart } from '../../src/protocol/config.js';
import { versionId } from '../../src/protocol/ids.js';
import type { BodyOf, Envelope, MessageType } from '../../src/protocol/messages.js';
import { summary } from '../../src/report/summary.js';
import { emptyTally, tallyMessage } from '../../src/report/tally.js';
import { chatPrompt } from '../../src/stages/templates.js';
import { readManifest } from '../../src/store/run-folder.js';
import { FORMAT } from '../../src/worlds/microworld/format.js';
import { type Served, serveProcess } from '../support/served.js';
import { temporaryFolder, tinyConfig, tinyRun, writeTinyModel } from '../support/tiny-run.js';

const M0 = join(import.meta.dirname, '../../assets/microworld-m0');
const KEY = 'sk-Yw3-very+secret/0123456789';
const folder = temporaryFolder();
const model = join(folder.path, 'm0');
const clock = { now: () => Date.now() };
let runs = 0;
const out = () => join(folder.path, `run-${runs++}`);
let writer: Served;
let judge: Served;
/** Of a run that nobody disturbs. */
let whole: Done;
beforeAll(async () => {
  await writeTinyModel(model);
  writer = await serveProcess(M0, 'writer');
  judge = await serveProcess(M0, 'judge', ['--api-key-env', 'JUDGE_KEY'], { JUDGE_KEY: KEY });
  whole = await done(config());
}, 300_000);
afterAll(async () => {
  await Promise.all([writer?.kill(), judge?.kill()]);
  folder.remove();
});

const endpoints = () => ({
  writer: { url: writer.url, model: writer.model, concurrency: 3, price: { input: 1, output: 2 } },
  judge: { url: judge.url, model: judge.model, concurrency: 3, keyEnv: 'JUDGE_KEY' },
});
const config = (...parts: readonly ConfigPart[]): Config =>
  tinyConfig(
    model,
    {
      cast: { generator: 'endpoint:writer', responder: 'endpoint:writer', judge: 'endpoint:judge' },
      invent: { asks: 8, sampling: { maxNewTokens: 16 } },
      respond: { sampling: { maxNewTokens: 12 } },
      judge: { sampling: { maxNewTokens: 40 } },
      endpoints: endpoints(),
    },
    ...parts,
  );
const means = { clock, env: { JUDGE_KEY: KEY } };

interface Done {
  readonly path: string;
  readonly end: RunEnd;
  readonly envelopes: readonly Envelope[];
}

/** Runs to the end; `seen` is shown every message as it is said. */
async function done(of: Config, seen: (envelope: Envelope) => void = () => undefined): Promise<Done> {
  const run = await tinyRun(of, out(), means);
  run.messages$.subscribe(seen);
  const end = await run.start();
  const { envelopes } = await readWholeLog(run.folder.log);
  return { path: run.folder.path, end, envelopes };
}
const bodies = <T extends MessageType>(envelopes: readonly Envelope[], type: T): BodyOf<T>[] =>
  envelopes.filter((one) => one.type === type).map(({ body }) => body as BodyOf<T>);

/** Kills a server as the nth message of a type is said, and starts it again a little later. */
function killing(server: Served, type: MessageType, nth: number) {
  let seen = 0;
  let restarted: Promise<void> | undefined;
  return {
    seen: (envelope: Envelope) => {
      if (envelope.type === type && ++seen === nth) restarted = server.kill().then(() => server.restart());
    },
    restarted: () => restarted,
  };
}

const retriesIn = (envelopes: readonly Envelope[], from: string): number =>
  envelopes.reduce((sum, envelope) => {
    if (envelope.type !== 'model.result' || envelope.from !== from) return sum;
    return sum + ((envelope.body as BodyOf<'model.result'>).usage?.retries ?? 0);
  }, 0);

describe('generator, responder and judge behind two servers', () => {
  it('write prompts, answers and readable judgements, each said to be theirs, of which pairs are made', () => {
    expect(whole.end.status).toBe('finished');
    const prompts = bodies(whole.envelopes, 'prompt.made').map(({ generation }) => generation);
    const answers = bodies(whole.envelopes, 'responses.made').flatMap(({ candidates }) => candidates);
    const judgements = bodies(whole.envelopes, 'judgement.made');
    expect(new Set([...prompts, ...answers].map(({ version }) => version))).toEqual(
      new Set(['endpoint:writer']),
    );
    expect(new Set(judgements.map(({ player }) => player))).toEqual(new Set(['endpoint:judge']));
    expect(judgements.filter(({ verdict }) => verdict.status === 'score').length).toBeGreaterThan(20);
    expect(bodies(whole.envelopes, 'pair.made').length).toBeGreaterThan(3);
    for (const { logprob } of answers) expect(logprob).toBeLessThanOrEqual(0);
  });

  it('one of them killed and started again in mid-run, twice, come to the same outcome', async () => {
    const first = killing(judge, 'judgement.made', 20);
    const second = killing(writer, 'responses.made', 9);
    const again = await done(config(), (envelope) => {
      first.seen(envelope);
      second.seen(envelope);
    });
    await Promise.all([first.restarted(), second.restarted()]);
    expect(first.restarted()).toBeDefined();
    expect(second.restarted()).toBeDefined();
    expect(retriesIn(again.envelopes, 'endpoint:judge')).toBeGreaterThan(0);
    expect(retriesIn(again.envelopes, 'endpoint:writer')).toBeGreaterThan(0);
    expect(again.end).toMatchObject({ status: 'finished', outcomeHash: whole.end.outcomeHash });
    expect(bodies(again.envelopes, 'request.failed')).toEqual([]);
  }, 300_000);

  it('asked one request at a time, come to the same outcome: what a server does beside changes no bit', async () => {
    const of = config({ endpoints: { writer: { concurrency: 1 }, judge: { concurrency: 1 } } } as ConfigPart);
    expect((await done(of)).end.outcomeHash).toBe(whole.end.outcomeHash);
  }, 300_000);

  it('cost what the log sums up: tokens of each role, and money where there is a price', () => {
    const tally = emptyTally();
    for (const envelope of whole.envelopes) tallyMessage(tally, envelope);
    const { generator, responder } = Object.fromEntries(tally.usage.get('writer')!);
    expect(generator!.requests).toBe(
      bodies(whole.envelopes, 'prompt.made').length + bodies(whole.envelopes, 'prompt.filtered').length,
    );
    expect(responder!.requests).toBe(3 * bodies(whole.envelopes, 'responses.made').length);
    expect(responder!.untold).toBe(0);
    expect(responder!.cost).toBeCloseTo(
      (responder!.promptTokens + 2 * responder!.completionTokens) / 1e6,
      12,
    );
    const judged = tally.usage.get('judge')!;
    expect([...judged.keys()]).toEqual(['evaluation', 'judge']);
    expect(judged.get('judge')!.cost).toBeNull();
    const line = summary(tally)
      .split('\n')
      .find((one) => /writer +responder/.test(one));
    expect(line).toContain(`${responder!.promptTokens}`);
    expect(line).toContain('USD');
  });

  it('tell no file of the run the key', () => {
    const files = readdirSync(whole.path, { recursive: true, withFileTypes: true }).filter((one) =>
      one.isFile(),
    );
    expect(files.length).toBeGreaterThan(10);
    for (const file of files)
      expect(readFileSync(join(file.parentPath, file.name)).includes(KEY)).toBe(false);
    expect(readFileSync(join(whole.path, 'config.json'), 'utf8')).toContain('"keyEnv": "JUDGE_KEY"');
  });

  it('away for longer than the run has patience stop it with nothing of that on the log; resumed it comes to the same outcome', async () => {
    const of = config({ endpoints: { judge: { patienceSeconds: 0 } } } as ConfigPart);
    const run = await tinyRun(of, out(), means);
    let seen = 0;
    let killed: Promise<void> | undefined;
    run.messages$.subscribe(({ type }) => {
      if (type === 'judgement.made' && ++seen === 15) killed = judge.kill();
    });
    await expect(run.start()).rejects.toMatchObject({
      code: 'endpoint.away',
      fields: { endpoint: 'judge', fix: expect.stringContaining('resume') },
    });
    await killed;
    await judge.restart();
    const { path } = run.folder;
    const { run: resumed } = await resumeRun({
      path,
      assets: '/nowhere',
      workers: 1,
      backend: 'auto',
      versions: {},
      ...means,
    });
    expect(await resumed!.start()).toMatchObject({ status: 'finished', outcomeHash: whole.end.outcomeHash });
    const { envelopes } = await readWholeLog(run.folder.log);
    expect(bodies(envelopes, 'request.failed')).toEqual([]);
  }, 300_000);
});

describe('the judge alone behind a server', () => {
  const own = { cast: { generator: 'live', responder: 'live' } } as const;

  it('judges what the run’s own model writes, in the loop and in each evaluation', async () => {
    const { end, envelopes } = await done(config(own, { cast: { judge: 'ensemble:[endpoint:judge,live]' } }));
    expect(end.status).toBe('finished');
    const players = bodies(envelopes, 'judgement.made').map(({ player }) => player);
    expect(new Set(players)).toEqual(new Set(['endpoint:judge', 'live']));
    for (const { selfScores } of bodies(envelopes, 'evaluation.answered')) {
      expect(selfScores).toHaveLength(4); // two samples of each member
      expect(selfScores.slice(0, 2).some(({ status }) => status === 'score')).toBe(true);
    }
    const billed = bodies(envelopes, 'evaluation.billed');
    expect(billed.map(({ version }) => version)).toEqual(
      bodies(envelopes, 'evaluation.made').map(({ version }) => version),
    );
    expect(billed[0]).toMatchObject({ endpoint: 'judge', usage: { requests: 12 } }); // 6 held-out answers, two samples
  }, 300_000);

  it('takes over in a fork, and the fork’s replay and resume are as any other’s', async () => {
    const parent = await done(
      config(own, { cast: { judge: 'live' }, endpoints: { writer: { model: 'none' } } } as ConfigPart),
    );
    const { run, seq } = await forkRun({
      parent: parent.path,
      out: out(),
      at: 'M2',
      changes: { cast: { judge: 'endpoint:judge' } },
      overrides: [],
      workers: 1,
      backend: 'auto',
      versions: {},
      ...means,
    });
    const end = await run.start();
    expect(end.status).toBe('finished');
    const { envelopes } = await readWholeLog(run.folder.log);
    const players = bodies(envelopes.slice(seq), 'judgement.made').map(({ player }) => player);
    expect(new Set(players)).toEqual(new Set(['endpoint:judge']));
    const { problems, outcomeHash } = await replayRun({ path: run.folder.path, verify: true });
    expect([problems, outcomeHash]).toEqual([[], end.outcomeHash]);
  }, 300_000);

  it('that the config doesn’t name is refused, as is one whose key isn’t in the environment, before anything is written', async () => {
    const path = out();
    await expect(tinyRun(config({ cast: { judge: 'endpoint:other' } }), path, means)).rejects.toMatchObject({
      code: 'cast.invalid',
      fields: { fix: expect.stringContaining('endpoints.other.url') },
    });
    await expect(tinyRun(config(), path, { ...means, env: {} })).rejects.toMatchObject({
      code: 'config.invalid',
      message: expect.stringContaining('JUDGE_KEY'),
    });
    expect(existsSync(path)).toBe(false);
  });
});

it('a server of the same model says, without chance, what the model says here', async () => {
  const local = await createLanguageModel({ workers: 1, backend: 'onnx' });
  const version = versionId('here');
  local.register(version, await readCheckpoint(M0));
  const sampling = { temperature: 0, topP: 1, maxNewTokens: 12 };
  const stop = [...FORMAT.stop.response];
  const items = ['name three animals .', 'what colour is snow ?', 'last word of : hill apple'].map(
    (prompt) => ({
      prompt: chatPrompt(FORMAT, prompt),
      keys: [[1, 2] as const],
    }),
  );
  const here = await sampleBatch(local, version, rowsOf(local, version, { sampling, stop }, items));
  await local.close();
  const servers = createServers(config().endpoints, ['writer'], means);
  const { outputs } = await servers.of('writer').ask({ sampling, stop, items });
  // A completion is what the text goes on with: with the white space before it.
  expect(outputs.map(([one]) => one!.text.trim())).toEqual(here.map(({ text }) => text));
  expect(outputs.map(([one]) => one!.finish)).toEqual(here.map(({ finish }) => finish));
}, 60_000);

it('a replay asks nobody: with all servers gone it verifies every message', async () => {
  const { path, end } = whole;
  await Promise.all([writer.kill(), judge.kill()]);
  const { problems, outcomeHash, finished } = await replayRun({ path, verify: true });
  expect({ problems, outcomeHash, finished }).toEqual({
    problems: [],
    outcomeHash: end.outcomeHash,
    finished: true,
  });
  expect(readManifest(path).status).toBe('finished');
}, 300_000);
