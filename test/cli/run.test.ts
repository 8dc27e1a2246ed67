import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readWholeLog } from '../../src/log/reader.js';
import { readManifest } from '../../src/store/run-folder.js';
import { writeTinyModel } from '../support/tiny-run.js';
import { soliloquy, soliloquyJson, temporaryFolder } from './command.js';

const work = temporaryFolder();
const model = join(work, 'm0');
const SMALL = [
  ...['iterations=1', 'world.demonstrations=16', 'world.evaluations=16', 'world.heldOut=4', 'world.probes=2'],
  ...['invent.asks=8', 'respond.candidates=2', 'judge.samples=1', 'sft.epochs=1', 'evaluate.judgeSamples=1'],
  'evaluate.resamples=20',
].flatMap((set) => ['--set', set]);
const small = (...more: readonly string[]) => [
  'run',
  '--model',
  model,
  '--cast.judge',
  'random',
  '--workers',
  '1',
  '--backend',
  'onnx',
  ...SMALL,
  ...more,
];

beforeAll(async () => {
  await writeTinyModel(model);
});

describe('soliloquy run', () => {
  it('ends with the lineage, both tables, the gap, and where things lie', async () => {
    const { code, out, err } = await soliloquy(...small('--out', join(work, 'plain')));
    expect(err).toMatch(/training M1/);
    expect(err).toMatch(/left\)/);
    for (const part of [
      'Lineage',
      'Head to head',
      'As a judge',
      'hacking gap',
      'Episodes',
      'messages.jsonl',
      'Try next',
    ])
      expect(out).toContain(part);
    expect(code).toBe(0);
  });

  it('--json ends with a line that holds the outcome and every measurement', async () => {
    const end = await soliloquyJson<{
      status: string;
      outcomeHash: string;
      metrics: Record<string, unknown[]>;
    }>(...small('--out', join(work, 'json')));
    expect(end.status).toBe('finished');
    expect(Object.keys(end.metrics)).toEqual(['M0', 'SFT', 'M1', 'M2']);
    expect(readManifest(join(work, 'json')).outcomeHash).toBe(end.outcomeHash);
  });

  it('writes the resolved config, with the template and format that were used', () => {
    const config = JSON.parse(readFileSync(join(work, 'json', 'config.json'), 'utf8')) as Record<
      string,
      unknown
    >;
    expect(config).toMatchObject({
      seed: 1,
      cast: { judge: 'random' },
      invent: { asks: 8 },
      used: { backend: 'onnx', template: { name: 'microworld' } },
    });
  });

  it('--list names every experiment', async () => {
    const { out } = await soliloquy('run', '--list');
    for (const name of [
      'paper',
      'frozen-judge',
      'oracle-judge',
      'no-eft',
      'positives-only',
      'multiple-choice-judge',
      'hacking',
    ])
      expect(out).toContain(name);
  });

  it.each([
    ['an unknown experiment', ['run', 'nonesuch'], 'nonesuch'],
    ['an unknown option of the config', ['run', '--set', 'dpo.betta=1'], 'dpo'],
    ['a wrong value', ['run', '--set', 'dpo.beta=-1'], 'dpo.beta'],
    ['an unknown flag', ['run', '--sed', '1'], '--sed'],
    ['a judge that cannot be', ['run', '--cast.judge', 'frozen'], 'cast.judge'],
    ['an oracle as responder', ['run', '--cast.responder', 'oracle'], 'writes none'],
    ['a world without its data', ['run', '--world', 'open-assistant', '--model', model], '--data'],
  ])('%s is wrong usage: exit code 2, and the message says what', async (_, args, named) => {
    const { code, err } = await soliloquy(...args, '--out', join(work, 'never'));
    expect(err).toContain(named);
    expect(code).toBe(2);
    expect(existsSync(join(work, 'never'))).toBe(false);
  });

  it('a truncated checkpoint ends in an error that names the file, before anything is written', async () => {
    const broken = await writeTinyModel(join(work, 'broken'));
    truncateSync(join(broken, 'model.safetensors'), 5000);
    const { code, err } = await soliloquy('run', '--model', broken, '--out', join(work, 'never'));
    expect(err).toContain('model.safetensors');
    expect(code).toBe(1);
    expect(existsSync(join(work, 'never'))).toBe(false);
  });

  it('an unreadable data file ends in an error that names the file and the line; the log stays readable', async () => {
    const data = join(work, 'trees.jsonl');
    writeFileSync(data, '{"message_tree_id": 3\n');
    const out = join(work, 'bad-data');
    const { code, err } = await soliloquy(
      'run',
      '--world',
      'open-assistant',
      '--data',
      data,
      '--model',
      model,
      '--out',
      out,
    );
    expect(err).toContain('trees.jsonl');
    expect(err).toMatch(/line 1|:1/);
    expect(code).toBe(1);
    expect((await readWholeLog(join(out, 'messages.jsonl'))).end.torn).toBe(false);
    expect(readManifest(out).status).toBe('failed');
  });

  it('a folder that holds something already is refused and left alone', async () => {
    const taken = join(work, 'taken');
    mkdirSync(taken);
    writeFileSync(join(taken, 'mine.txt'), 'mine');
    const { code, err } = await soliloquy(...small('--out', taken));
    expect(err).toContain('taken');
    expect(code).toBe(1);
    expect(readFileSync(join(taken, 'mine.txt'), 'utf8')).toBe('mine');
  });
});

describe('Ctrl-C', () => {
  it('stops between two messages, says how to go on, and leaves a readable run', async () => {
    const out = join(work, 'interrupted');
    const child = spawn(
      process.execPath,
      ['dist/src/cli/main.js', ...small('--out', out, '--set', 'invent.asks=400')],
      {
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    let said = '';
    child.stdout.on('data', (chunk) => {
      said += chunk;
    });
    child.stderr.on('data', (chunk) => {
      if (String(chunk).includes('measuring M0')) child.kill('SIGINT');
    });
    const code = await new Promise((resolve) => child.on('close', resolve));
    expect(code).toBe(130);
    expect(said).toContain('To go on');
    expect(readManifest(out).status).toBe('stopped');
    expect((await readWholeLog(join(out, 'messages.jsonl'))).end.torn).toBe(false);
  });
});

describe('a full disk', () => {
  const disk = join(work, 'disk');
  mkdirSync(disk);
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=200k', 'tmpfs', disk]).status === 0;
  afterAll(() => {
    if (mounted) execFileSync('umount', [disk]);
  });

  it.skipIf(!mounted)(
    'ends the run with a clear error, and what was written stays readable (needs the right to mount)',
    async () => {
      const out = join(disk, 'run');
      const { code, err } = await soliloquy(
        ...small('--out', out, '--set', 'iterations=3', '--set', 'invent.asks=200'),
      );
      expect(err).toMatch(/can't (be written|write)|ENOSPC/);
      expect(err).toContain('way out');
      expect(code).toBe(1);
      const { envelopes } = await readWholeLog(join(out, 'messages.jsonl'));
      expect(envelopes.length).toBeGreaterThan(0);
      expect(envelopes.map(({ seq }) => seq)).toEqual(envelopes.map((_, i) => i));

      // With room again it goes on, to the outcome of a run that never lacked any.
      execFileSync('mount', ['-o', 'remount,size=50m', disk]);
      const whole = join(work, 'never-full');
      await soliloquyJson(...small('--out', whole, '--set', 'iterations=3', '--set', 'invent.asks=200'));
      await soliloquyJson('resume', out);
      expect(readManifest(out).outcomeHash).toBe(readManifest(whole).outcomeHash);
    },
  );
});
