/**
 * The real program, killed at any moment and gone on with: nothing is lost, nothing counted twice, nothing left behind. Again with
 * other moments: CRASH_SEED=2; CRASHES=200 for more of them.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, watch } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { replayRun } from '../../actors/replay.js';
import { keyOf, rngOf } from '../../src/rng.js';
import { readManifest } from '../../src/store/run-folder.js';
import { temporaryFolder } from '../cli/command.js';
import { writeTinyModel } from '../support/tiny-run.js';

const CRASHES = Number(process.env.CRASHES ?? 40);
const SEED = Number(process.env.CRASH_SEED ?? 1);
const work = temporaryFolder();
const rng = rngOf(keyOf(SEED, 'crash'));

const SET = [
  ['world.demonstrations', 16],
  ['world.evaluations', 16],
  ['world.heldOut', 6],
  ['world.probes', 3],
  ['invent.asks', 12],
  ['invent.similarity', 1],
  ['respond.candidates', 3],
  ['judge.samples', 2],
  ['evaluate.resamples', 50],
  ['dpo.batchSize', 2],
  ['flow.keepSteps', 2],
].flatMap(([path, value]) => ['--set', `${path}=${value}`]);

const start = (...args: string[]): ChildProcess =>
  spawn(process.execPath, ['dist/src/cli/main.js', ...args, '--workers', '1', '--quiet', '--json'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });

function ended(child: ChildProcess): Promise<{ readonly code: number | null; readonly said: string }> {
  let said = '';
  child.stdout!.on('data', (chunk) => {
    said += chunk;
  });
  child.stderr!.on('data', (chunk) => {
    said += chunk;
  });
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, said })));
}

const filesIn = (path: string): string[] =>
  readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(path.length))
    .sort();

/** Kills the child when the n-th half-written file appears in its folder: in the midst of a checkpoint or a manifest. */
function killAtDraft(child: ChildProcess, out: string, nth: number): void {
  let seen = 0;
  const begun = setInterval(() => {
    if (!existsSync(join(out, 'models'))) return;
    clearInterval(begun);
    const watcher = watch(out, { recursive: true }, (_, name) => {
      if (!/\.(tmp|part)$/.test(String(name)) || ++seen < nth) return;
      child.kill('SIGKILL');
    });
    child.on('close', () => watcher.close());
  }, 2);
  child.on('close', () => clearInterval(begun));
}

/** Kills the child when its log has grown to `bytes`. */
function killAtSize(child: ChildProcess, out: string, bytes: number): void {
  const log = join(out, 'messages.jsonl');
  const look = setInterval(() => {
    if ((statSync(log, { throwIfNoEntry: false })?.size ?? 0) >= bytes) child.kill('SIGKILL');
  }, 1);
  child.on('close', () => clearInterval(look));
}

it(
  `killed at ${CRASHES} moments, each run comes to the outcome of the one that was left alone`,
  async () => {
    const model = await writeTinyModel(join(work, 'm0'));
    const args = (out: string) => ['run', '--model', model, '--out', out, '--cast.judge', 'random', ...SET];
    const whole = join(work, 'whole');
    const began = performance.now();
    expect((await ended(start(...args(whole)))).code).toBe(0);
    const lasted = performance.now() - began;
    const expected = readManifest(whole);
    const { size } = statSync(join(whole, 'messages.jsonl'));
    const killed: number[] = [];

    const crash = async (nth: number): Promise<void> => {
      const out = join(work, `crash-${nth}`);
      const child = start(...args(out));
      const end = ended(child);
      if (nth % 4 === 0) killAtDraft(child, out, 1 + rng.below(40));
      else if (nth % 4 === 1) setTimeout(() => child.kill('SIGKILL'), lasted * rng.uniform());
      else killAtSize(child, out, size * rng.uniform());
      await end;
      if (!existsSync(join(out, 'config.json'))) {
        // Before it had written anything of use: the same command again takes the folder.
        expect((await ended(start(...args(out)))).code, `crash ${nth}`).toBe(0);
      } else {
        const log = join(out, 'messages.jsonl');
        killed.push(existsSync(log) ? readFileSync(log, 'utf8').split('\n').length - 1 : 0);
        const { code, said } = await ended(start('resume', out));
        expect([nth, code, said.slice(0, 400)]).toEqual([nth, 0, expect.any(String)]);
      }
      expect(readManifest(out)).toMatchObject({ status: 'finished', outcomeHash: expected.outcomeHash });
      expect(filesIn(out)).toEqual(filesIn(whole));
      expect((await replayRun({ path: out, verify: true })).problems).toEqual([]);
      rmSync(out, { recursive: true });
    };
    for (let nth = 0; nth < CRASHES; nth += 2) await Promise.all([crash(nth), crash(nth + 1)]);
    // The moments did fall all over the run.
    expect(new Set(killed).size).toBeGreaterThan(CRASHES / 3);
  },
  15 * 60_000,
);
