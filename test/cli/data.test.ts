import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ROWS } from '../data/rows-of-layouts.js';
import { soliloquy, soliloquyJson, temporaryFolder } from './command.js';

const dir = temporaryFolder();
const assets = join(import.meta.dirname, '../../assets/microworld-m0');
const written = (name: string, rows: readonly unknown[]): string => {
  const file = join(dir, name);
  writeFileSync(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  return file;
};

describe('soliloquy data', () => {
  it('tells of every file in a folder, and why rows and files are of no use', async () => {
    written('a', [...ROWS.alpaca!, { instruction: 'x', output: '' }]);
    written('b', [7]);
    const { files } = await soliloquyJson<{ files: object[] }>('data', dir);
    expect(files).toMatchObject([
      { layout: 'alpaca', rows: 2, usable: 1, reasons: [{ reason: 'output empty', first: 2 }] },
      { error: { code: 'data.invalid' } },
    ]);
  });

  it('shows records when asked', async () => {
    const { code, out } = await soliloquy('data', written('c', ROWS['hh-rlhf']!), '--show', '1');
    expect(code).toBe(0);
    expect(out).toMatch(/chosen +So long\.\n +rejected +Go\./);
  });

  it('fails where nothing is of use or nothing is there', async () => {
    const ended = await Promise.all([
      soliloquy('data', written('d', [{ instruction: 'x', output: '' }])),
      soliloquy('data', join(dir, 'nowhere')),
    ]);
    expect(ended.map(({ code }) => code)).toEqual([1, 1]);
  });
});

describe('soliloquy judge-bench', () => {
  const pairs = Array.from({ length: 6 }, (_, i) => ({
    ...(ROWS.llmbar![0] as object),
    input: `Name cat ${i}.`,
  }));

  it('a constant judge ties everything, and a random one is the same twice', async () => {
    const file = written('pairs', pairs);
    const judged = (player: string) =>
      soliloquyJson<Record<string, object>>('judge-bench', file, '--cast.judge', player);
    const [constant, one, two] = await Promise.all([
      judged('constant:3'),
      judged('random'),
      judged('random'),
    ]);
    expect(constant).toMatchObject({
      groups: 6,
      measures: { pairwiseAccuracy: { value: 0 }, judgeTies: { value: 1 } },
    });
    expect(one).toEqual(two);
  });

  it('a model judges on worker threads: what it writes is read, or counted as unreadable', async () => {
    const file = written('pairs', pairs);
    const options = ['--limit', '2', '--samples', '2', '--max-new', '4', '--workers', '1'];
    const report = await soliloquyJson<Record<string, object>>(
      'judge-bench',
      file,
      '--cast.judge',
      `checkpoint:${assets}`,
      ...options,
    );
    expect(report).toMatchObject({ groups: 2, parseFailures: { value: 1, n: 8 } });
  });

  it('wrong usage names the way out', async () => {
    const file = written('pairs', pairs);
    const [none, live] = await Promise.all([
      soliloquy('judge-bench', file),
      soliloquy('judge-bench', file, '--cast.judge', 'live'),
    ]);
    expect([none.code, live.code]).toEqual([2, 2]);
    expect(none.err).toContain('--cast.judge PLAYER');
  });
});
