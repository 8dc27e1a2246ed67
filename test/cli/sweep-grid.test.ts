import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  axisOf,
  cellsOf,
  claimFolder,
  collectAxis,
  type Grid,
  seedList,
  splitValues,
} from '../../src/cli/sweep-grid.js';
import { showSweep } from '../../src/cli/sweep-progress.js';
import { type Before, type CellState, runCells } from '../../src/cli/sweep-runs.js';
import { testFolder } from '../support/folder.js';

const grid = (more: Partial<Grid> = {}): Grid => ({
  format: 1,
  experiment: 'paper',
  flags: [],
  axes: [],
  seeds: [1, 2],
  ...more,
});

describe('the grid', () => {
  it.each([
    ['1..5', [1, 2, 3, 4, 5]],
    ['1,3,7', [1, 3, 7]],
    ['4', [4]],
    ['1..3,9, 2', [1, 2, 3, 9]],
  ])('seeds %s', (text, seeds) => expect(seedList(text)).toEqual(seeds));

  it.each(['', '5..1', 'a', '1..', '1,,2', '-1', '1.5'])('seeds “%s” are refused', (text) => {
    expect(() => seedList(text)).toThrow(/1\.\.5/);
  });

  it('commas separate values, those inside brackets do not', () => {
    expect(splitValues('live,ensemble:[live,frozen:M1], oracle')).toEqual([
      'live',
      'ensemble:[live,frozen:M1]',
      'oracle',
    ]);
    expect(collectAxis('invent.keywords=["a","b"],[]')).toEqual([
      { path: 'invent.keywords', values: ['["a","b"]', '[]'] },
    ]);
    expect(() => axisOf('dpo.beta', '0.1,,0.2')).toThrow(/empty value/);
  });

  it('has each combination once for each seed, the first axis slowest, each with a folder name of its own', () => {
    const axes = [
      axisOf('cast.judge', 'live,frozen:M1'),
      axisOf('dpo.beta', '0.1,0.2'),
      axisOf('iterations', '1'),
    ];
    const cells = cellsOf(grid({ axes: axes.map(({ path, values }) => ({ path, values: [...values] })) }));
    expect(cells.map(({ name }) => name)).toEqual([
      'judge-live_beta-0.1_seed-1',
      'judge-live_beta-0.1_seed-2',
      'judge-live_beta-0.2_seed-1',
      'judge-live_beta-0.2_seed-2',
      'judge-frozen-M1_beta-0.1_seed-1',
      'judge-frozen-M1_beta-0.1_seed-2',
      'judge-frozen-M1_beta-0.2_seed-1',
      'judge-frozen-M1_beta-0.2_seed-2',
    ]);
    expect(cells[0]!.settings).toContainEqual({ path: 'iterations', value: '1' });
    expect(cellsOf(grid()).map(({ name }) => name)).toEqual(['run_seed-1', 'run_seed-2']);
  });

  it('no two runs share a folder, whatever the values', () => {
    const value = fc.stringMatching(/^[a-z:./\-[\]]{1,4}$/);
    fc.assert(
      fc.property(fc.uniqueArray(value, { minLength: 1, maxLength: 5 }), (values) => {
        const names = cellsOf(grid({ axes: [{ path: 'cast.judge', values }] })).map(({ name }) => name);
        expect(new Set(names).size).toBe(names.length);
        expect(names.every((name) => /^[\w.-]+$/.test(name))).toBe(true);
      }),
    );
  });
});

describe('the sweep’s folder', () => {
  it('is known again by its grid; another grid is refused and told what differs', () => {
    const dir = testFolder();
    claimFolder(dir, grid(), true);
    const written = readFileSync(join(dir, 'sweep.json'), 'utf8');
    claimFolder(dir, grid(), false);
    expect(() => claimFolder(dir, grid({ seeds: [1, 2, 3] }), false)).toThrow(/its seeds are \[1,2\]/);
    expect(readFileSync(join(dir, 'sweep.json'), 'utf8')).toBe(written);
  });

  it('is not taken from anybody else, nor from a sweep.json that is none', () => {
    const dir = testFolder();
    expect(() => claimFolder(dir, grid(), false)).toThrow(/holds something/);
    writeFileSync(join(dir, 'sweep.json'), '{}');
    expect(() => claimFolder(dir, grid(), false)).toThrow(/describes no sweep/);
  });
});

describe('running the grid', () => {
  /** Runs that are settled by hand. */
  function hand(before: Readonly<Record<string, Before>> = {}) {
    const open = new Map<string, (state: CellState) => void>();
    const begun: string[] = [];
    let stop = false;
    const cells = cellsOf(grid({ seeds: [1, 2, 3, 4] }));
    const states = runCells(cells, {
      parallel: 2,
      doing: {
        before: ({ name }) => before[name] ?? 'missing',
        start: ({ name }, was) =>
          new Promise((resolve) => {
            begun.push(`${name} ${was}`);
            open.set(name, resolve);
          }),
      },
      onChange: () => {},
      stopped: () => stop,
    });
    const settle = async (seed: number, state: CellState) => {
      open.get(`run_seed-${seed}`)!(state);
      await new Promise(setImmediate);
    };
    const end = async () => [...(await states).values()].map(({ state }) => state);
    return { begun, settle, end, stop: () => (stop = true) };
  }

  it('has so many at once, the next as one ends; a failure stops no other', async () => {
    const { begun, settle, end } = hand();
    expect(begun).toEqual(['run_seed-1 missing', 'run_seed-2 missing']);
    await settle(2, { state: 'failed', reason: 'broken' });
    expect(begun.at(-1)).toBe('run_seed-3 missing');
    await settle(1, { state: 'finished' });
    await settle(3, { state: 'finished' });
    await settle(4, { state: 'finished' });
    expect(await end()).toEqual(['finished', 'failed', 'finished', 'finished']);
  });

  it('skips what is finished and goes on with what is not', async () => {
    const { begun, settle, end } = hand({
      'run_seed-1': 'finished',
      'run_seed-2': 'unfinished',
      'run_seed-4': 'finished',
    });
    expect(begun).toEqual(['run_seed-2 unfinished', 'run_seed-3 missing']);
    await settle(2, { state: 'finished' });
    await settle(3, { state: 'finished' });
    expect(await end()).toEqual(['skipped', 'finished', 'finished', 'skipped']);
  });

  it('begins nothing after a stop', async () => {
    const { begun, settle, end, stop } = hand();
    stop();
    await settle(1, { state: 'stopped' });
    await settle(2, { state: 'stopped' });
    expect(begun).toHaveLength(2);
    expect(await end()).toEqual(['stopped', 'stopped', 'waiting', 'waiting']);
  });
});

describe('progress', () => {
  const cells = cellsOf(grid());
  function shown(isTTY: boolean): string {
    let text = '';
    let at = 0;
    const write = (part: string | Uint8Array): boolean => {
      text += part;
      return true;
    };
    const out = { isTTY, columns: 40, rows: 10, write };
    const progress = showSweep(cells, out, { now: () => (at += 1000) });
    const [one, two] = cells as [(typeof cells)[0], (typeof cells)[0]];
    progress.changed(one, { state: 'running', note: 'starting' });
    progress.changed(one, { state: 'running', note: `10 %  ${'measuring '.repeat(20)}` });
    progress.changed(two, { state: 'running', note: 'starting' });
    progress.changed(one, { state: 'finished' });
    progress.changed(two, { state: 'failed', reason: 'broken' });
    progress.end();
    return text;
  }

  it('is a plain line when a run begins and ends, where there is no terminal', () => {
    const lines = shown(false).trimEnd().split('\n');
    expect(lines).toHaveLength(4);
    expect(lines[2]).toMatch(/^\[1\/2\] run_seed-1 {2}finished in 0:0\d$/);
    expect(lines[3]).toMatch(/^\[2\/2\] run_seed-2 {2}failed: broken$/);
  });

  it('is one living line for each running run on a terminal, none wider than it, none left at the end', () => {
    const text = shown(true).replaceAll('\x1b[', '⎋');
    let screen: string[] = [];
    for (const part of text.split(/(?=⎋\d+A⎋J)/)) {
      const up = /^⎋(\d+)A⎋J/.exec(part);
      if (up) screen = screen.slice(0, screen.length - Number(up[1]));
      const lines = part.slice(up?.[0].length ?? 0).split('\n');
      expect(lines.pop()).toBe('');
      expect(lines.every((line) => line.length < 40)).toBe(true);
      screen.push(...lines);
    }
    expect(screen).toHaveLength(2);
    expect(screen[1]).toContain('failed: broken');
  });
});
