/** Endpoints from the command line; above all, that a key is told nobody, whatever happens. */
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ROWS } from '../data/rows-of-layouts.js';
import { completion, type Served, type Standin, sendJson, serveProcess, standin } from '../support/served.js';
import { writeTinyModel } from '../support/tiny-run.js';
import { type Ended, temporaryFolder } from './command.js';

const root = join(import.meta.dirname, '../..');
const KEY = 'sk-told.nobody/+42';
const work = temporaryFolder();
const model = join(work, 'm0');
let judge: Served;
let echo: Standin;
beforeAll(async () => {
  await writeTinyModel(model);
  judge = await serveProcess(join(root, 'assets/microworld-m0'), 'judge', ['--api-key-env', 'THE_KEY'], {
    THE_KEY: KEY,
  });
  echo = await standin(({ headers }, response) =>
    sendJson(response, 401, { error: { message: `wrong: ${headers.authorization}` } }, {}),
  );
}, 60_000);
afterAll(async () => {
  await Promise.all([judge?.kill(), echo?.close()]);
});

/** The program with the key in its environment, and every debug switch that might tell it. */
const soliloquy = (...args: readonly string[]): Promise<Ended> =>
  new Promise((resolve, reject) => {
    const env = { ...process.env, NO_COLOR: '1', THE_KEY: KEY, OPENAI_LOG: 'debug', DEBUG: '*' };
    const child = spawn(process.execPath, ['dist/src/cli/main.js', ...args], { cwd: root, env });
    let [out, err] = ['', ''];
    child.stdout.on('data', (chunk) => (out += chunk));
    child.stderr.on('data', (chunk) => (err += chunk));
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, out, err }));
  });

const set = (pairs: Readonly<Record<string, string | number>>): string[] =>
  Object.entries(pairs).flatMap(([path, value]) => ['--set', `${path}=${value}`]);
const SMALL = set({
  'world.demonstrations': 16,
  'world.evaluations': 16,
  'world.heldOut': 3,
  'world.probes': 2,
  'invent.asks': 4,
  'invent.similarity': 1,
  'respond.candidates': 2,
  'judge.samples': 1,
  'evaluate.resamples': 10,
});
const at = (url: string) => [
  '--cast.judge',
  'endpoint:big',
  ...set({ 'endpoints.big.url': url, 'endpoints.big.model': 'judge', 'endpoints.big.keyEnv': 'THE_KEY' }),
];
const run = (out: string, ...more: readonly string[]) =>
  soliloquy('run', '--model', model, '--iterations', '1', '--out', out, '--workers', '1', ...SMALL, ...more);
const filesWithKey = (dir: string): string[] =>
  readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((file) => readFileSync(file).includes(KEY));
const tellsKey = ({ out, err }: Ended): boolean => (out + err).includes('told.nobody');

describe('soliloquy run with a judge behind a server', () => {
  it('ends with what it has cost, is replayed without the server, and tells nobody the key', async () => {
    const out = join(work, 'served');
    const ended = await run(out, ...at(judge.url), ...set({ 'endpoints.big.price.input': 2 }), '--quiet');
    expect([ended.code, ended.err]).toEqual([0, '']);
    expect(ended.out).toMatch(/big +judge +\d+ +0 +\d+ +\d+ +[\d.e-]+ USD/);
    expect(ended.out).toMatch(/big +evaluation +\d/);
    expect(tellsKey(ended)).toBe(false);
    expect(filesWithKey(out)).toEqual([]);
    const replayed = await soliloquy('replay', out, '--verify');
    expect(replayed.code).toBe(0);
  }, 120_000);

  it('is forked to another server at a version', async () => {
    const parent = join(work, 'parent');
    expect((await run(parent, '--cast.judge', 'random', '--quiet')).code).toBe(0);
    const out = join(work, 'arm');
    const { code, err } = await soliloquy(
      'fork',
      parent,
      '--at',
      'M1',
      '--out',
      out,
      ...at(judge.url),
      '--quiet',
      '--workers',
      '1',
    );
    expect([code, err]).toEqual([0, '']);
    expect(readFileSync(join(out, 'messages.jsonl'), 'utf8')).toContain('"player":"endpoint:big"');
    expect(filesWithKey(out)).toEqual([]);
  }, 120_000);

  it('that refuses and says the key back stops with the fix, and the key is told nowhere', async () => {
    const out = join(work, 'refused');
    const ended = await run(out, ...at(echo.url), '--quiet');
    expect(ended.code).toBe(1);
    expect(ended.err).toMatch(/endpoint big: http.*401.*\[key\]/);
    expect(ended.err).toContain('THE_KEY');
    expect(tellsKey(ended)).toBe(false);
    expect(filesWithKey(out)).toEqual([]);
    const again = await soliloquy('resume', out, '--quiet', '--workers', '1');
    expect(again.code).toBe(1);
    expect(tellsKey(again)).toBe(false);
  }, 120_000);

  it.each([
    ['no such endpoint', ['--cast.judge', 'endpoint:other'], 'endpoints.other.url'],
    ['a key in the config', [...at('http://x/v1'), ...set({ 'endpoints.big.apiKey': KEY })], 'keyEnv'],
    ['a key in the address', at(`http://u:${encodeURIComponent(KEY)}@x/v1`), 'credentials'],
    ['an empty variable', [...at('http://x/v1'), ...set({ 'endpoints.big.keyEnv': 'NOT_SET' })], 'NOT_SET'],
  ])('with %s is refused before anything is written', async (name, more, says) => {
    const out = join(work, name.replaceAll(' ', '-'));
    const ended = await run(out, ...more);
    expect(ended.code).not.toBe(0);
    expect(ended.err).toContain(says);
    expect(tellsKey(ended)).toBe(false);
    expect(existsSync(out)).toBe(false);
  });
});

it('soliloquy judge-bench asks a server by its chat, and tells what it has cost', async () => {
  const four = await standin(({ path, body }, response) => {
    const content = `It will do.\nScore: ${JSON.stringify(body.messages).includes('Name') ? 4 : 1}`;
    const choices = [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }];
    if (path === '/v1/chat/completions') sendJson(response, 200, { ...completion(''), choices });
    else sendJson(response, 404, { error: { message: 'chat only' } });
  });
  const file = join(work, 'bench');
  writeFileSync(file, `${JSON.stringify(ROWS.llmbar![0])}\n`);
  const { code, out, err } = await soliloquy(
    'judge-bench',
    file,
    ...at(four.url),
    '--samples',
    '2',
    '--json',
  );
  await four.close();
  expect([code, err]).toEqual([0, '']);
  expect(JSON.parse(out)).toMatchObject({
    judge: 'endpoint:big',
    parseFailures: { value: 0, n: 4 },
    usage: { requests: 4, promptTokens: 40, cost: null },
  });
  expect(four.asked.every(({ headers }) => headers.authorization === `Bearer ${KEY}`)).toBe(true);
});
