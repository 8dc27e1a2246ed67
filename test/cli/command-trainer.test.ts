/** The real program with an external trainer: Ctrl-C, a kill, and what it asks before it runs somebody's command. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { writeTinyModel } from '../support/tiny-run.js';
import { soliloquy, soliloquyJson, temporaryFolder } from './command.js';

const work = temporaryFolder();
const root = join(import.meta.dirname, '../..');
const trainer = join(root, 'test/fixtures/trainer/trainer.mjs');
const SET = [
  'iterations=1',
  'eft=false',
  'world.demonstrations=16',
  'world.heldOut=3',
  'world.probes=2',
  'invent.asks=8',
  'invent.similarity=1',
  'respond.candidates=3',
  'judge.samples=1',
  'evaluate.resamples=10',
  'evaluate.judgeSamples=1',
  'sft.epochs=1',
  'command.graceSeconds=0.5',
];

/** Sampling from a random model gives pairs only by a judge that needs no words. */
async function argumentsOf(out: string, way: string, note: string): Promise<string[]> {
  const model = await writeTinyModel(join(work, 'm0'));
  const run = `'${process.execPath}' '${trainer}' {job} ${way} '${note}'`;
  const sets = [...SET, `command.run=${run}`].flatMap((set) => ['--set', set]);
  const casts = ['--cast.trainer', 'command', '--cast.judge', 'random'];
  return ['run', '--model', model, '--out', out, '--workers', '1', '--quiet', ...casts, ...sets];
}

function started(...args: string[]): {
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;
} {
  const child = spawn(process.execPath, [join(root, 'dist/src/cli/main.js'), ...args], { stdio: 'ignore' });
  return { child, ended: new Promise((resolve) => child.on('close', resolve)) };
}

async function until(so: () => boolean): Promise<void> {
  while (!so()) await new Promise((resolve) => setTimeout(resolve, 50));
}
const pidsIn = (note: string) =>
  readFileSync(note, 'utf8')
    .trim()
    .split('\n')
    .map((line) => Number(line.split(' ')[1]));
const isThere = (pid: number): boolean =>
  existsSync(`/proc/${pid}`) && !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
const waiting = (out: string) => {
  const log = join(out, 'training/M2.command/output.log');
  return existsSync(log) && readFileSync(log, 'utf8').includes('waiting');
};

it('command trainer — Ctrl-C ends the command too; a resume asks for leave, says the command, and finishes', async () => {
  const [out, note] = [join(work, 'stopped'), join(work, 'stopped.txt')];
  const { child, ended } = started(...(await argumentsOf(out, 'deaf-once', note)));
  await until(() => waiting(out));
  child.kill('SIGINT');
  expect(await ended).toBe(130);
  expect(pidsIn(note).map(isThere)).toEqual([false]);
  const refused = await soliloquy('resume', out);
  expect(refused.code).toBe(2);
  expect(refused.err).toContain('trainer.mjs');
  expect(refused.err).toContain('--allow-command');
  const resumed = await soliloquy('resume', out, '--allow-command', '--json');
  expect(resumed.code).toBe(0);
  expect(resumed.err).toContain('trainer.mjs');
  expect(pidsIn(note)).toHaveLength(2);
});

it('command trainer — after a kill -9 the resume ends the command that was left over before it runs it again', async () => {
  const [out, note] = [join(work, 'killed'), join(work, 'killed.txt')];
  const { child, ended } = started(...(await argumentsOf(out, 'deaf-once', note)));
  await until(() => waiting(out));
  child.kill('SIGKILL');
  await ended;
  expect(pidsIn(note).map(isThere)).toEqual([true]);
  const { status, outcomeHash } = await soliloquyJson<{ status: string; outcomeHash: string }>(
    'resume',
    out,
    '--allow-command',
  );
  expect(status).toBe('finished');
  expect(pidsIn(note).map(isThere)).toEqual([false, false]);
  const whole = join(work, 'whole');
  const { code } = await soliloquy(...(await argumentsOf(whole, 'well', join(work, 'whole.txt'))));
  expect(code).toBe(0);
  const manifest = JSON.parse(readFileSync(join(whole, 'manifest.json'), 'utf8')) as { outcomeHash: string };
  expect(outcomeHash).toBe(manifest.outcomeHash);
  rmSync(note);
});
