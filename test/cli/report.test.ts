/** The page that a run leaves, and the command that makes it again. */
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { readManifest } from '../../src/store/run-folder.js';
import { checkLinks, checkStandsAlone } from '../report/markup.js';
import { writeTinyModel } from '../support/tiny-run.js';
import { type Ended, soliloquy, soliloquyJson, temporaryFolder } from './command.js';

const work = temporaryFolder();
const dir = join(work, 'tiny');
const model = join(work, 'm0');
const page = (at: string) => readFileSync(join(at, 'report.html'), 'utf8');
const SMALL = [
  ...['iterations=1', 'world.demonstrations=16', 'world.evaluations=16', 'world.heldOut=4', 'world.probes=2'],
  ...['invent.asks=8', 'respond.candidates=2', 'judge.samples=1', 'sft.epochs=1', 'evaluate.judgeSamples=1'],
  ...['evaluate.resamples=20', 'cast.judge=random'],
].flatMap((set) => ['--set', set]);
let ended: Ended;

beforeAll(async () => {
  await writeTinyModel(model);
  ended = await soliloquy(
    ...['run', '--model', model, '--backend', 'onnx', '--workers', '1', ...SMALL, '--out', dir],
  );
});

describe('a run', () => {
  it('leaves its report, says where, and how long that took', () => {
    expect(ended.code).toBe(0);
    expect(ended.out).toContain('report.html');
    expect(ended.err).toMatch(/report written in [\d.]+ s/);
    checkStandsAlone(page(dir));
    checkLinks(page(dir));
    expect(page(dir)).toContain(readManifest(dir).outcomeHash);
    expect(page(dir)).toContain(readManifest(dir).headHash);
  });
});

describe('soliloquy report', () => {
  it('makes from the log alone what the run wrote at its end, byte for byte', async () => {
    const before = page(dir);
    rmSync(join(dir, 'report.html'));
    const said = await soliloquyJson<{ report: string; messages: number; torn: boolean }>('report', dir);
    expect(said).toMatchObject({ report: join(dir, 'report.html'), torn: false });
    expect(said.messages).toBe(readManifest(dir).count);
    expect(page(dir)).toBe(before);
  });

  it('--out names another file; one that can’t be written is an error that says so', async () => {
    const file = join(work, 'other.html');
    const said = await soliloquy('report', dir, '--out', file);
    expect([said.code, said.out.trim()]).toEqual([0, file]);
    expect(readFileSync(file, 'utf8')).toBe(page(dir));
    const bad = await soliloquy('report', dir, '--out', join(work, 'nowhere', 'x.html'));
    expect(bad.code).toBe(1);
    expect(bad.err).toContain('--out');
  });

  it('reads a log that was cut in the middle of a line', async () => {
    const cut = join(work, 'cut');
    mkdirSync(cut);
    copyFileSync(join(dir, 'config.json'), join(cut, 'config.json'));
    const log = readFileSync(join(dir, 'messages.jsonl'));
    writeFileSync(join(cut, 'messages.jsonl'), log.subarray(0, Math.floor(0.6 * log.length)));
    expect((await soliloquy('report', cut)).code).toBe(0);
    checkStandsAlone(page(cut));
    expect(page(cut)).toContain('not finished');
  });

  it('a folder that is no run is an error', async () => {
    const bad = await soliloquy('report', join(work, 'nothing'), '--json');
    expect(bad.code).toBe(1);
    expect(JSON.parse(bad.err)).toMatchObject({ error: { code: 'run.missing' } });
    expect(existsSync(join(work, 'nothing'))).toBe(false);
  });

  it('of a fork says what it is a fork of, and how to make both', async () => {
    const fork = join(work, 'fork');
    const made = await soliloquy(
      ...[
        'fork',
        dir,
        '--at',
        'M1',
        '--cast.judge',
        'constant:3',
        '--backend',
        'onnx',
        '--workers',
        '1',
        '--out',
        fork,
      ],
    );
    expect(made.code).toBe(0);
    checkStandsAlone(page(fork));
    expect(page(fork)).toMatch(/a fork of tiny at seq \d+: cast.judge = constant:3/);
    expect(page(fork)).toMatch(/npx soliloquy fork runs\/tiny --at \d+ --set cast.judge=constant:3/);
    expect(page(fork)).toContain('id="example-tie"');
    const before = page(fork);
    await soliloquyJson('report', fork);
    expect(page(fork)).toBe(before);
  });
});
