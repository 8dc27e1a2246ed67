import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { machinesCommand } from '../../src/cli/machines.js';

/** What the command prints. */
async function printed(...args: string[]): Promise<string> {
  let text = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => {
    text += String(chunk);
    return true;
  });
  try {
    await machinesCommand()
      .exitOverride()
      .configureOutput({ writeErr: () => {} })
      .parseAsync(args, { from: 'user' });
  } finally {
    vi.restoreAllMocks();
  }
  return text;
}
const page = (file: string) => readFileSync(join(import.meta.dirname, '../../docs/machines', file), 'utf8');
afterEach(() => vi.restoreAllMocks());

describe('soliloquy machines', () => {
  it('without a name lists the seven, one line each', async () => {
    const lines = (await printed()).trimEnd().split('\n');
    expect(lines.map((line) => line.split(' ')[0])).toEqual([
      'coordinator',
      'generator',
      'episode',
      'responder',
      'judge',
      'meta-judge',
      'trainer',
    ]);
    expect(lines.every((line) => line.length > 30)).toBe(true);
  });

  it('a name alone gives Mermaid, as docs/ shows it', async () => {
    expect(await printed('judge')).toBe(page('judge.mmd'));
    expect(await printed('judge', '--format', 'mermaid')).toBe(page('judge.mmd'));
  });

  it('--format json and --json give what a program reads', async () => {
    expect(JSON.parse(await printed('episode', '--format', 'json'))).toEqual(
      JSON.parse(page('episode.json')),
    );
    expect(JSON.parse(await printed('episode', '--json'))).toEqual(JSON.parse(page('episode.json')));
    expect((JSON.parse(await printed('--json')) as { name: string }[]).map(({ name }) => name)).toHaveLength(
      7,
    );
  });

  it('--format svg draws one, as docs/ shows it; all at once are no SVG', async () => {
    expect(await printed('trainer', '--format', 'svg')).toBe(page('trainer.svg'));
    await expect(printed('--format', 'svg')).rejects.toMatchObject({
      code: 'usage',
      fields: { fix: expect.stringContaining('trainer') },
    });
  });

  it('another name is wrong usage and says the seven', async () => {
    await expect(printed('narrator')).rejects.toMatchObject({
      code: 'usage',
      fields: { fix: expect.stringContaining('coordinator') },
    });
    await expect(printed('constructor')).rejects.toMatchObject({ code: 'usage' });
    await expect(printed('judge', '--format', 'png')).rejects.toMatchObject({ exitCode: 1 });
  });
});
