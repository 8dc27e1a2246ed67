import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Comparison } from '../../src/report/comparison.js';
import { readManifest } from '../../src/store/run-folder.js';
import { writeTinyModel } from '../support/tiny-run.js';
import { type Ended, soliloquy, soliloquyJson, temporaryFolder } from './command.js';

const work = temporaryFolder();
const model = join(work, 'm0');
const out = join(work, 'sweep');
const SMALL = [
  ...['iterations=1', 'world.demonstrations=16', 'world.evaluations=16', 'world.heldOut=4', 'world.probes=2'],
  ...['invent.asks=8', 'respond.candidates=2', 'judge.samples=1', 'sft.epochs=1', 'evaluate.judgeSamples=1'],
  'evaluate.resamples=20',
].flatMap((set) => ['--set', set]);
const sweeping = (...more: readonly string[]) => [
  'sweep',
  'paper',
  ...['--model', model, '--backend', 'onnx', '--workers', '1', '--parallel', '2'],
  ...SMALL,
  ...more,
];
/** The second judge's folder isn't there: its runs fail at once. */
const GRID = ['--seeds', '1..2', '--cast.judge', `random,checkpoint:${join(work, 'nowhere')}`, '--out', out];
let first: Ended;

beforeAll(async () => {
  await writeTinyModel(model);
  first = await soliloquy(...sweeping(...GRID));
});
const runs = [1, 2].map((seed) => join(out, `judge-random_seed-${seed}`));

describe('soliloquy sweep', () => {
  it('a run that fails stops no other: exit code 1, its name and reason at the end, a plain line a run', () => {
    expect(first.code).toBe(1);
    for (const run of runs) expect(readManifest(run).status).toBe('finished');
    expect(first.out).toMatch(/2 of 4 runs are finished, 2 failed/);
    expect(first.out).toMatch(/judge-checkpoint-\S+_seed-1: .*nowhere/);
    expect(first.err).toMatch(/\[1\/4\] judge-\S+ +(finished in|failed)/);
    expect(first.err).not.toContain('\x1b[');
  });

  it('ends in one comparison of what is finished, written into its folder', () => {
    expect(first.out).toContain('True score');
    const comparison = JSON.parse(readFileSync(join(out, 'comparison.json'), 'utf8')) as Comparison;
    expect(comparison.arms).toMatchObject([{ id: 'A', label: 'paper', seeds: [1, 2] }]);
    expect(readdirSync(out)).toEqual(
      expect.arrayContaining(['comparison.html', 'scores.svg', 'sweep.json', 'logs']),
    );
  });

  it('again skips what is finished and leaves it alone', async () => {
    const heads = runs.map((run) => readManifest(run).headHash);
    const { runs: ended } = await soliloquy(...sweeping(...GRID), '--json').then(
      ({ code, out: text, err }) => {
        expect([code, err]).toEqual([1, '']);
        return JSON.parse(text) as { runs: { name: string; state: string }[] };
      },
    );
    expect(ended.map(({ state }) => state)).toEqual(['skipped', 'skipped', 'failed', 'failed']);
    expect(runs.map((run) => readManifest(run).headHash)).toEqual(heads);
  });

  it.each([
    ['another grid in its folder', ['--seeds', '1..3', '--out', out], 1, /another sweep/],
    ['an option that isn’t there', ['--set', 'dpo.betta=1,2', '--out', join(work, 'never')], 2, /betta/],
    ['a player that isn’t there', ['--cast.judge', 'live,nobody', '--out', join(work, 'never')], 2, /nobody/],
    [
      'an option twice',
      ['--set', 'dpo.beta=1', '--set', 'dpo.beta=2', '--out', join(work, 'never')],
      2,
      /twice/,
    ],
  ])('%s is refused before anything runs', async (_, args, code, named) => {
    const end = await soliloquy(...sweeping(...args));
    expect(end.err).toMatch(named);
    expect(end.code).toBe(code);
    expect(existsSync(join(work, 'never'))).toBe(false);
  });

  it('Ctrl-C stops its runs between two messages and says how to go on; the same command then does', async () => {
    const dir = join(work, 'interrupted');
    const args = sweeping('--seeds', '5', '--cast.judge', 'random', '--set', 'invent.asks=300', '--out', dir);
    // invent.asks stands in SMALL too.
    const once = args.filter((arg, i) => arg !== 'invent.asks=8' && args[i + 1] !== 'invent.asks=8');
    const child = spawn(process.execPath, ['dist/src/cli/main.js', ...once], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let said = '';
    child.stdout.on('data', (chunk) => (said += chunk));
    // The run's own words, as the sweep keeps them: now it listens to signals.
    const log = join(dir, 'logs', 'run_seed-5.log');
    const looking = setInterval(() => {
      if (!existsSync(log) || !readFileSync(log, 'utf8').includes('measuring M0')) return;
      clearInterval(looking);
      child.kill('SIGINT');
    }, 10);
    expect(await new Promise((resolve) => child.on('close', resolve))).toBe(130);
    expect(said).toContain('the same command again');
    const run = join(dir, 'run_seed-5');
    expect(readManifest(run).status).toBe('stopped');

    const again = await soliloquy(...once);
    if ((await soliloquy('resume', '--help')).out.includes('Usage: soliloquy resume')) {
      expect(again.code).toBe(0);
      expect(readManifest(run).status).toBe('finished');
    } else {
      expect(again.code).toBe(1);
      expect(again.out).toMatch(/run_seed-5 can't be resumed .*remove it/);
    }
  });
});

describe('soliloquy compare', () => {
  it('prints the tables, and with --json one line that a program reads', async () => {
    const { code, out: text } = await soliloquy('compare', ...runs);
    expect(code).toBe(0);
    for (const part of ['Arms', 'Runs', 'True score', 'Hacking gap', 'Length', 'Pairs made'])
      expect(text).toContain(part);
    const comparison = await soliloquyJson<Comparison>('compare', ...runs);
    expect(comparison.runs.map(({ seed }) => seed)).toEqual([1, 2]);
  });

  it('writes nothing without --out, and names each file it writes with it', async () => {
    const to = join(work, 'compared');
    await soliloquy('compare', runs[0]!);
    expect(existsSync(to)).toBe(false);
    const { out: text } = await soliloquy('compare', runs[0]!, '--out', to);
    for (const file of readdirSync(to)) expect(text).toContain(join(to, file));
    const before = readdirSync(runs[0]!);
    expect((await soliloquy('compare', runs[0]!, '--out', runs[0]!)).err).toMatch(/a run's own folder/);
    expect(readdirSync(runs[0]!)).toEqual(before);
  });

  it.each([
    ['no run at all', [], 2, /missing required argument/],
    ['a folder that is no run', [work], 1, /no run folder/],
  ])('%s: a clear error and the exit code', async (_, args, code, named) => {
    mkdirSync(work, { recursive: true });
    const end = await soliloquy('compare', ...args);
    expect(end.err).toMatch(named);
    expect(end.code).toBe(code);
  });

  it('--help of both shows examples', async () => {
    for (const command of ['compare', 'sweep']) {
      const { code, out: text } = await soliloquy(command, '--help');
      expect(code).toBe(0);
      expect(text).toContain(`Examples\n  soliloquy ${command}`);
    }
  });
});
