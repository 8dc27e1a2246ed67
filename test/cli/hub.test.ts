import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { type HubServer, startHub } from '../support/hub-server.js';
import { writeTinyModel } from '../support/tiny-run.js';
import { soliloquy, soliloquyJson, temporaryFolder } from './command.js';

const work = temporaryFolder();
const home = join(work, 'hf');
let hub: HubServer;
let model: string;
let data: string;

const jsonl = (rows: readonly unknown[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('');
const ROWS = Array.from({ length: 24 }, (_, i) => ({ instruction: `cat dog ${i}`, output: `cow ${i}` }));
const PAIRS = Array.from({ length: 8 }, (_, i) => ({ prompt: `name ${i}`, chosen: 'cat', rejected: 'dog' }));

beforeAll(async () => {
  hub = await startHub();
  vi.stubEnv('HF_ENDPOINT', hub.url);
  vi.stubEnv('HF_HOME', home);
  for (const name of ['HF_HUB_CACHE', 'HF_TOKEN', 'HF_HUB_OFFLINE']) vi.stubEnv(name, undefined);
  const dir = await writeTinyModel(join(work, 'm0'));
  const files = readdirSync(dir).map((name) => [name, readFileSync(join(dir, name))]);
  model = hub.put('models/team/tiny', Object.fromEntries(files));
  data = hub.put('datasets/team/rows', {
    'README.md': '# rows',
    'data/train.jsonl': jsonl(ROWS),
    'data/pairs.jsonl': jsonl(PAIRS),
  });
});
afterAll(async () => {
  await hub.close();
  vi.unstubAllEnvs();
});
afterEach(() => vi.stubEnv('HF_HUB_OFFLINE', undefined));

const SMALL = [
  ...[
    'iterations=1',
    'invent.asks=8',
    'invent.sampling.maxNewTokens=8',
    'respond.candidates=2',
    'judge.samples=1',
  ],
  ...['evaluate.judgeSamples=1', 'evaluate.resamples=20', 'eft=false', 'judge.sampling.maxNewTokens=4'],
  ...['respond.sampling.maxNewTokens=6', 'evaluate.sampling.maxNewTokens=6'],
].flatMap((set) => ['--set', set]);

describe('Hub ids on the command line', () => {
  it('are models, with progress on standard error, and offline once they are in the cache', async () => {
    const command = ['generate', 'hf:team/tiny', '--ids', '1,2,3', '--max-new', '4', '--greedy'];
    const first = await soliloquy(...command);
    expect(first.code).toBe(0);
    expect(first.err).toMatch(/loading hf:team\/tiny@[0-9a-f]{40} model\.safetensors, \d/);
    const before = hub.asked.length;
    const again = await soliloquy(...command, '--offline');
    expect(again).toEqual({ code: 0, out: first.out, err: '' });
    expect(hub.asked.length).toBe(before);
    const local = await soliloquy('generate', join(work, 'm0'), ...command.slice(2));
    expect(local.out).toBe(first.out);
  });

  it('are data, of which one file or all are told of', async () => {
    const all = await soliloquyJson<{ files: { layout: string; usable: number }[] }>(
      'data',
      'hf:datasets/team/rows',
    );
    expect(all.files.map(({ layout, usable }) => [layout, usable])).toEqual([
      ['trl-preference', 8],
      ['alpaca', 24],
    ]);
    const one = await soliloquyJson<typeof all>('data', `hf:datasets/team/rows@${data}:data/train.jsonl`);
    expect(one.files).toHaveLength(1);
  });

  it('are what a judge is measured on and by', async () => {
    const report = await soliloquyJson<object>(
      ...['judge-bench', 'hf:datasets/team/rows:data/pairs.jsonl', '--cast.judge', 'hf:team/tiny'],
      ...['--samples', '1', '--max-new', '4', '--workers', '1'],
    );
    expect(report).toMatchObject({ layout: 'trl-preference', judge: `checkpoint:hf:team/tiny@${model}` });
  });

  it('that hold several files where one is wanted, or are not there, are errors with a way out', async () => {
    const many = await soliloquy('judge-bench', 'hf:datasets/team/rows', '--cast.judge', 'random');
    expect(many.code).toBe(2);
    expect(many.err).toContain('data/pairs.jsonl');
    const none = await soliloquy('score', 'hf:team/none', '--ids', '1,2', '--offline', '--json');
    expect(JSON.parse(none.err)).toMatchObject({
      error: { code: 'hub.unavailable', missing: 'revision main' },
    });
  });
});

describe('a run on Hub ids', () => {
  const out = join(work, 'run');
  const named = ['--world', 'files', '--data', 'hf:datasets/team/rows', '--model', 'hf:team/tiny'];
  const judge = ['--cast.judge', 'ensemble:[random,checkpoint:hf:team/tiny]'];
  const run = (to: string, ...more: string[]) =>
    soliloquyJson<{ status: string; outcomeHash: string }>(
      ...['run', ...named, ...judge, '--out', to, '--workers', '1', '--backend', 'onnx', ...SMALL, ...more],
    );

  it('writes the commits into its config, and comes to the same outcome from them, offline', async () => {
    const first = await run(out);
    expect(first.status).toBe('finished');
    const config = JSON.parse(readFileSync(join(out, 'config.json'), 'utf8')) as object;
    expect(config).toMatchObject({
      model: `hf:team/tiny@${model}`,
      cast: { judge: `ensemble:[random,checkpoint:hf:team/tiny@${model}]` },
      world: {
        files: ['pairs', 'train'].map((name) => `hf:datasets/team/rows@${data}:data/${name}.jsonl`),
      },
    });
    const again = await run(join(work, 'again'), '--offline');
    expect(again.outcomeHash).toBe(first.outcomeHash);
  }, 120_000);

  it('is replayed without Hub or cache, and resumed without the Hub', async () => {
    const before = hub.asked.length;
    const cut = join(work, 'again');
    const log = readFileSync(join(cut, 'messages.jsonl'), 'utf8').split('\n');
    writeFileSync(join(cut, 'messages.jsonl'), `${log.slice(0, Math.floor(log.length / 2)).join('\n')}\n`);
    const manifest = join(cut, 'manifest.json');
    const { outcomeHash } = JSON.parse(readFileSync(join(out, 'manifest.json'), 'utf8')) as {
      outcomeHash: string;
    };
    rmSync(manifest);
    const resumed = await soliloquyJson<{ outcomeHash: string }>('resume', cut, '--workers', '1');
    expect(resumed.outcomeHash).toBe(outcomeHash);
    expect(hub.asked.length).toBe(before);
    vi.stubEnv('HF_HOME', join(work, 'empty'));
    const replayed = await soliloquy('replay', out, '--verify');
    vi.stubEnv('HF_HOME', home);
    expect(replayed.code).toBe(0);
  }, 120_000);

  it('is forked, and swept, with commits for branches', async () => {
    const forked = join(work, 'forked');
    await soliloquyJson(
      'fork',
      out,
      '--at',
      'M1',
      '--cast.judge',
      'checkpoint:hf:team/tiny@main',
      '--out',
      forked,
      '--workers',
      '1',
    );
    const config = JSON.parse(readFileSync(join(forked, 'config.json'), 'utf8')) as object;
    expect(config).toMatchObject({ cast: { judge: `checkpoint:hf:team/tiny@${model}` } });
    const swept = join(work, 'swept');
    const axes = [
      '--seeds',
      '1',
      '--set',
      'iterations=0',
      '--set',
      'eft=false',
      '--set',
      'evaluate.resamples=20',
    ];
    await soliloquyJson(
      'sweep',
      'paper',
      ...named,
      ...axes,
      '--out',
      swept,
      '--workers',
      '1',
      '--backend',
      'onnx',
    );
    const grid = readFileSync(join(swept, 'sweep.json'), 'utf8');
    expect(grid).toContain(`hf:team/tiny@${model}`);
    expect(grid).toContain(`hf:datasets/team/rows@${data}:data/train.jsonl`);
  }, 120_000);
});
