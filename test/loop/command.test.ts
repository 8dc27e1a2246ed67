/**
 * A run whose versions an external program trains: test/fixtures/trainer/trainer.mjs, a real child process that reads what we
 * export and writes a checkpoint. The scripted model plays the rest; folder, log and files are real.
 */
import { cpSync, existsSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { forkRun } from '../../actors/fork.js';
import { replayRun } from '../../actors/replay.js';
import { resumeRun } from '../../actors/resume.js';
import type { Run, RunEnd, RunOptions } from '../../actors/system.js';
import { createScriptedModel } from '../../bench/scripted.js';
import { readCheckpoint } from '../../src/lm/checkpoint.js';
import { weightsHash } from '../../src/lm/weights.js';
import { readWholeLog } from '../../src/log/reader.js';
import type { Config, ConfigPart } from '../../src/protocol/config.js';
import type { BodyOf, MessageType } from '../../src/protocol/messages.js';
import { readManifest } from '../../src/store/run-folder.js';
import { countingClock, temporaryFolder, tinyConfig, tinyRun, writeTinyModel } from '../support/tiny-run.js';

const folder = temporaryFolder();
const model = join(folder.path, 'm0');
const trainer = join(import.meta.dirname, '../fixtures/trainer/trainer.mjs');
let runs = 0;
const out = () => join(folder.path, `run-${runs++}`);
beforeAll(async () => {
  await writeTinyModel(model);
});
afterAll(() => folder.remove());

const machinery = (): Omit<RunOptions, 'config' | 'out'> => ({
  assets: '/nowhere',
  workers: 1,
  backend: 'auto',
  clock: countingClock(),
  versions: {},
  createModel: () => createScriptedModel(),
});
/** `more`: what follows the job file. */
const command = (...more: string[]): string[] => [process.execPath, trainer, '{job}', ...more];
const config = (run: string[] | string, ...parts: ConfigPart[]): Config =>
  tinyConfig(
    model,
    {
      iterations: 1,
      invent: { asks: 6 },
      evaluate: { resamples: 10 },
      world: { heldOut: 3, probes: 2 },
      cast: { trainer: 'command', judge: 'random' },
      command: { run },
    },
    ...parts,
  );

interface Ended {
  readonly path: string;
  readonly end: RunEnd;
}
const ended = async (run: Run): Promise<Ended> => ({ path: run.folder.path, end: await run.start() });
const record = async (of: Config) => ended(await tinyRun(of, out(), machinery()));
const bodies = async <T extends MessageType>(path: string, type: T): Promise<BodyOf<T>[]> => {
  const { envelopes } = await readWholeLog(join(path, 'messages.jsonl'));
  return envelopes.filter((one) => one.type === type).map(({ body }) => body as BodyOf<T>);
};
const madeOf = async (path: string, version: string) =>
  (await bodies(path, 'version.made')).find((made) => made.version === version)!;
const hashAt = async (dir: string) => weightsHash((await readCheckpoint(dir)).weights);
const jobOf = (path: string, version = 'M2') =>
  JSON.parse(readFileSync(join(path, `training/${version}.command/job.json`), 'utf8')) as Record<
    string,
    unknown
  >;

/** Until something is so; a test that waits in vain is ended by its own limit. */
async function until(so: () => boolean): Promise<void> {
  while (!so()) await new Promise((resolve) => setTimeout(resolve, 20));
}
const lives = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
};

describe('a version that an external command trains', () => {
  it('is its checkpoint: other weights than M1, on the log, in models/, and verified by a replay', async () => {
    const { path, end } = await record(config(command()));
    expect(end.status).toBe('finished');
    const [m1, m2] = [await madeOf(path, 'M1'), await madeOf(path, 'M2')];
    expect(m2.weightsHash).not.toBe(m1.weightsHash);
    expect(await hashAt(join(path, 'models/M2'))).toBe(m2.weightsHash);
    const trained = (await bodies(path, 'model.trained')).at(-1)!;
    const steps = (await bodies(path, 'training.stepped')).filter(({ to }) => to === 'M2');
    expect(trained).toMatchObject({ to: 'M2', steps: steps.length, loss: steps.at(-1)!.loss });
    expect(steps[0]).toMatchObject({ step: 1, loss: 0.7, gradNorm: null, learningRate: null });
    expect((await bodies(path, 'model.train')).map(({ to, by }) => [to, by])).toEqual([
      ['SFT', undefined],
      ['M1', undefined],
      ['M2', 'command'],
    ]);
    const replayed = await replayRun({ path, verify: true });
    expect(replayed).toMatchObject({ problems: [], outcomeHash: end.outcomeHash });
    // What it was given and what it said stays; copies of weights don't.
    expect(readdirSync(join(path, 'training/M2.command')).sort()).toEqual([
      'data.jsonl',
      'job.json',
      'output.log',
    ]);
  });

  it('gets the pairs as the log has them, and the settings of config.dpo', async () => {
    const { path } = await record(config(command(), { dpo: { beta: 0.3, learningRate: 0.01 } }));
    const job = jobOf(path);
    expect(job).toMatchObject({ objective: 'dpo', beta: 0.3, from: 'M1', to: 'M2', style: 'standard' });
    expect(job.optimizer).toMatchObject({ learningRate: 0.01, batchSize: 16, epochs: 1 });
    const rows = readFileSync(join(path, 'training/M2.command/data.jsonl'), 'utf8').trim().split('\n');
    const pairs = (await bodies(path, 'pair.made')).sort((a, b) => (a.id < b.id ? -1 : 1));
    expect(pairs.length).toBeGreaterThan(0);
    expect(rows.map((row) => JSON.parse(row) as object)).toEqual(
      pairs.map(({ id, prompt, chosen, rejected }) => ({
        prompt: `<user> ${prompt} <asst>`,
        chosen: chosen.text,
        rejected: rejected.text,
        id,
      })),
    );
  });

  it('gets lists of messages without our format where its style is conversational', async () => {
    const { path } = await record(config(command(), { command: { style: 'conversational' } }));
    const [row] = readFileSync(join(path, 'training/M2.command/data.jsonl'), 'utf8').split('\n');
    const [first] = (await bodies(path, 'pair.made')).sort((a, b) => (a.id < b.id ? -1 : 1));
    expect(JSON.parse(row!)).toMatchObject({
      prompt: [{ role: 'user', content: first!.prompt }],
      chosen: [{ role: 'assistant', content: first!.chosen.text }],
    });
  });

  it('is every version where its stages are all: SFT on prompts and completions', async () => {
    const { path, end } = await record(config(command(), { command: { stages: 'all' }, eft: false }));
    expect(end.status).toBe('finished');
    expect((await bodies(path, 'model.train')).map(({ by }) => by)).toEqual([
      'command',
      'command',
      'command',
    ]);
    expect(jobOf(path, 'SFT')).toMatchObject({ objective: 'sft', stage: 'sft-baseline', rows: 16 });
    const [row] = readFileSync(join(path, 'training/SFT.command/data.jsonl'), 'utf8').split('\n');
    expect(Object.keys(JSON.parse(row!) as object).sort()).toEqual(['completion', 'id', 'kind', 'prompt']);
  });

  it('is the same on another run of the same seed, and another on another seed', async () => {
    const [a, b, c] = [
      await record(config(command())),
      await record(config(command())),
      await record(config(command(), { seed: 2 })),
    ];
    expect(b!.end.outcomeHash).toBe(a!.end.outcomeHash);
    expect((await madeOf(c!.path, 'M2')).weightsHash).not.toBe((await madeOf(a!.path, 'M2')).weightsHash);
  });

  it('that is an adapter of the model it was given is merged into it', async () => {
    const whole = await record(config(command()));
    const adapter = await record(config(command('adapter')));
    const [a, b] = [whole, adapter].map(({ path }) =>
      readFileSync(join(path, 'models/M2/model.safetensors')),
    );
    const floats = (bytes: Buffer) => {
      const from = 8 + Number(bytes.readBigUInt64LE(0));
      return new Float32Array(bytes.buffer.slice(bytes.byteOffset + from, bytes.byteOffset + bytes.length));
    };
    const [wholes, merged] = [floats(a!), floats(b!)];
    expect(merged.length).toBe(wholes.length);
    expect(Math.max(...merged.map((value, i) => Math.abs(value - wholes[i]!)))).toBeLessThan(1e-6);
  });

  it('that comes back untouched is said to have taken no step', async () => {
    const { path, end } = await record(config(command('same')));
    expect(end.status).toBe('finished');
    expect((await madeOf(path, 'M2')).weightsHash).toBe((await madeOf(path, 'M1')).weightsHash);
    expect((await bodies(path, 'model.trained')).at(-1)).toMatchObject({ to: 'M2', steps: 0 });
  });
});

describe('a command that fails', () => {
  it.each([
    ['fails', /ended with 3; it said last:\n [^\n]*29\/30[^\n]*\nTraceback.*CUDA out of memory/s],
    ['dies', /killed by SIGKILL/],
    ['nothing', /has no config.json/],
    ['torn', /model.safetensors/],
    ['nan', /q_proj.weight" holds NaN/],
    ['shapes', /is \[.*asks for/],
    ['vocabulary', /another vocabulary: token "cat"/],
    ['odd-adapter', /lora_A.*asks for/s],
  ])('“%s” ends the run with the reason on the log, and makes no version', async (way, reason) => {
    const { path, end } = await record(config(command(way)));
    expect(end.status).toBe('failed');
    const [failed] = await bodies(path, 'training.failed');
    expect(failed!.to).toBe('M2');
    expect(failed!.reason).toMatch(reason);
    expect(existsSync(join(path, 'models/M2'))).toBe(false);
    expect(await madeOf(path, 'M2')).toBeUndefined();
  });

  it('names a program that is not there', async () => {
    const { path } = await record(config('/no/such/program {job}'));
    expect((await bodies(path, 'training.failed'))[0]!.reason).toMatch(/can't be started.*ENOENT/);
  });

  it('is ended by force after its time, even if it does not listen', async () => {
    const limits = { timeoutMinutes: 0.015, graceSeconds: 0.2 };
    const note = join(folder.path, 'deaf.txt');
    const { path } = await record(config(command('deaf', note), { command: limits }));
    expect((await bodies(path, 'training.failed'))[0]!.reason).toMatch(/ended after 0.015 minutes.*waiting/s);
    expect(lives(Number(readFileSync(note, 'utf8').split(' ')[1]))).toBe(false);
  });

  it('can be put right by a fork just before its end', async () => {
    const { path } = await record(config(command('fails')));
    const well = await record(config(command()));
    const { run } = await forkRun({
      ...machinery(),
      parent: path,
      out: out(),
      at: 'request.failed:1',
      changes: { command: { run: command() } },
      overrides: [],
    });
    const mended = await ended(run);
    expect(mended.end.outcomeHash).toBe(well.end.outcomeHash);
  });
});

describe('a run that is stopped or dies while a command trains', () => {
  it('ends the command with it, and goes on to the outcome that it would have had', async () => {
    const note = join(folder.path, 'stopped.txt');
    const run = await tinyRun(config(command('hangs-once', note)), out(), machinery());
    const { path } = run.folder;
    const ending = run.start();
    await until(() => existsSync(join(path, 'training/M2.command/output.log')) && existsSync(note));
    await until(() => readFileSync(join(path, 'training/M2.command/output.log'), 'utf8').includes('waiting'));
    run.stop();
    expect((await ending).status).toBe('stopped');
    expect(lives(Number(readFileSync(note, 'utf8').split(' ')[1]))).toBe(false);
    const { run: again } = await resumeRun({ ...machinery(), path, allowCommand: true });
    const resumed = await ended(again!);
    const whole = await record(config(command()));
    expect(resumed.end.outcomeHash).toBe(whole.end.outcomeHash);
    expect(readFileSync(note, 'utf8').trim().split('\n')).toHaveLength(2);
  });
});

/** A run's folder as a crash leaves it between the end of the command and the log's knowing of it. */
async function crashedAfterCommand(of: Config): Promise<{ readonly path: string; readonly whole: Ended }> {
  const run = await tinyRun(of, out(), machinery());
  const path = out();
  run.messages$.subscribe(({ type, body, seq }) => {
    if (type !== 'model.trained' || (body as BodyOf<'model.trained'>).to !== 'M2') return;
    cpSync(run.folder.path, path, { recursive: true, filter: (file) => !file.endsWith('lock') });
    const log = join(path, 'messages.jsonl');
    const lines = readFileSync(log, 'utf8').split('\n').slice(0, seq);
    truncateSync(log, Buffer.byteLength(lines.map((line) => `${line}\n`).join('')));
    const manifest = readManifest(path);
    writeFileSync(join(path, 'manifest.json'), JSON.stringify({ ...manifest, count: 0 }));
  });
  return { path, whole: await ended(run) };
}

describe('a command that ended just before the crash', () => {
  it('is not run again: its checkpoint is taken', async () => {
    const note = join(folder.path, 'once.txt');
    const { path, whole } = await crashedAfterCommand(config(command('well', note)));
    const { run } = await resumeRun({ ...machinery(), path, allowCommand: true });
    const { end } = await ended(run!);
    expect(end.outcomeHash).toBe(whole.end.outcomeHash);
    expect(readFileSync(note, 'utf8').trim().split('\n')).toHaveLength(1);
  });

  it('is run again where its checkpoint was damaged since', async () => {
    const note = join(folder.path, 'twice.txt');
    const { path, whole } = await crashedAfterCommand(config(command('well', note)));
    truncateSync(join(path, 'training/M2.command/out/model.safetensors'), 100);
    const { run } = await resumeRun({ ...machinery(), path, allowCommand: true });
    const { end } = await ended(run!);
    expect(end.outcomeHash).toBe(whole.end.outcomeHash);
    expect(readFileSync(note, 'utf8').trim().split('\n')).toHaveLength(2);
  });
});

describe('a command in a run that is gone on with', () => {
  it('needs leave on a resume, and the error shows it', async () => {
    const { path } = await crashedAfterCommand(config(command()));
    await expect(resumeRun({ ...machinery(), path })).rejects.toMatchObject({
      code: 'usage',
      fields: { command: expect.stringContaining('trainer.mjs') },
    });
  });

  it('needs leave on a fork, unless the fork brings the whole section itself', async () => {
    const env = { TRAINER_NOTE: 'theirs' };
    const { path } = await record(config(command(), { command: { env } }));
    const fork = (changes: ConfigPart, more: object = {}) =>
      forkRun({ ...machinery(), parent: path, out: out(), at: 'M1', changes, overrides: [], ...more });
    await expect(fork({})).rejects.toMatchObject({ code: 'usage' });
    // The parent's variables would come with it.
    await expect(fork({ command: { run: command('same') } })).rejects.toMatchObject({ code: 'usage' });
    const { run } = await fork({}, { allowCommand: true });
    expect((await ended(run)).end.status).toBe('finished');
  });

  it('is refused when it comes up where the log has another than the config.json that was allowed', async () => {
    const note = join(folder.path, 'hidden.txt');
    const parent = await record(config(command(), { cast: { trainer: 'dpo' } }));
    const changes: ConfigPart = {
      cast: { trainer: 'command' },
      command: { run: command('hangs-once', note) },
    };
    const { run } = await forkRun({
      ...machinery(),
      parent: parent.path,
      out: out(),
      at: 'M1',
      changes,
      overrides: [],
    });
    const { path, config: file } = run.folder;
    const ending = run.start();
    await until(() => existsSync(note));
    run.stop();
    await ending;
    const { command: _theirs, ...rest } = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
    writeFileSync(file, JSON.stringify({ ...rest, command: { run: ['true'] } }));
    const { run: again } = await resumeRun({ ...machinery(), path, allowCommand: true });
    const { end } = await ended(again!);
    expect(end).toMatchObject({ status: 'failed', reason: expect.stringContaining('nobody has allowed') });
    expect(readFileSync(note, 'utf8').trim().split('\n')).toHaveLength(1);
  });
});
