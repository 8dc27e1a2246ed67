/**
 * The loop with its roles behind servers that are other processes: killed, started again, gone. The run's own model is tiny, the
 * servers' is the M0 that ships.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { forkRun } from '../../actors/fork.js';
import { replayRun } from '../../actors/replay.js';
import { resumeRun } from '../../actors/resume.js';
import type { RunEnd } from '../../actors/system.js';
import { readWholeLog } from '../../src/log/reader.js';
import type { Config, ConfigPart } from '../../src/protocol/config.js';
import type { BodyOf, Envelope, MessageType } from '../../src/protocol/messages.js';
import { summary } from '../../src/report/summary.js';
import { emptyTally, tallyMessage } from '../../src/report/tally.js';
import { readManifest } from '../../src/store/run-folder.js';
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
beforeAll(async () => {
  await writeTinyModel(model);
  writer = await serveProcess(M0, 'writer');
  judge = await serveProcess(M0, 'judge', ['--api-key-env', 'JUDGE_KEY'], { JUDGE_KEY: KEY });
}, 120_000);
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

describe('generator, responder and judge behind two servers', () => {
  let whole: Done;
  beforeAll(async () => {
    whole = await done(config());
  }, 300_000);

  it('come to the end, with readable judgements', () => {
    expect(whole.end.status).toBe('finished');
    console.log(whole.envelopes.length, bodies(whole.envelopes, 'judgement.made').map(({verdict})=>JSON.stringify(verdict)).join().slice(0,500), bodies(whole.envelopes,'pair.made').length, bodies(whole.envelopes,'prompt.made').map(p=>JSON.stringify(p.generation)).slice(0,3));
  });
});
