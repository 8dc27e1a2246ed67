/**
 * Owns: a sweep's grid: how `1..5` and `a,b,c` are read, the name of each run, and the sweep.json by which the same sweep is
 * known again.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { InvalidArgumentError } from 'commander';
import { z } from 'zod';
import { reasonOf, SoliloquyError } from '../protocol/errors.js';
import { writeAtomic } from '../store/files.js';

/** `1..5`, `1,3,7`, `2`, `1..3,9` → each seed once, as they stand. */
export function seedList(text: string): number[] {
  const seeds = text.split(',').flatMap((part) => {
    const found = /^(\d{1,15})(?:\.\.(\d{1,15}))?$/.exec(part.trim());
    const [low, high] = [Number(found?.[1]), Number(found?.[2] ?? found?.[1])];
    if (!found || high < low || high - low > 9999)
      throw new InvalidArgumentError('expected seeds such as 1..5 or 1,3,7.');
    return Array.from({ length: high - low + 1 }, (_, i) => low + i);
  });
  return [...new Set(seeds)];
}

/** Parts between commas; commas inside […] or {…} separate nothing. */
export function splitValues(text: string): string[] {
  const parts = [''];
  let depth = 0;
  for (const char of text) {
    if ('[{'.includes(char)) depth++;
    if (']}'.includes(char)) depth--;
    if (char === ',' && depth === 0) parts.push('');
    else parts[parts.length - 1] += char;
  }
  return parts.map((part) => part.trim());
}

/** One dimension: a flag's path in the config and its values. */
export interface Axis {
  readonly path: string;
  readonly values: readonly string[];
}

const AXIS_FIX = 'write it as --set dpo.beta=0.1,0.2 or --cast.judge live,frozen:M1';

export function axisOf(path: string, text: string): Axis {
  const values = [...new Set(splitValues(text))];
  if (values.some((value) => value === ''))
    throw new SoliloquyError('usage', `"${path}=${text}" has an empty value`, { path, fix: AXIS_FIX });
  return { path, values };
}

/** `dpo.beta=0.1,0.2`, collected. */
export function collectAxis(text: string, before: readonly Axis[] = []): Axis[] {
  const found = /^([A-Za-z][\w.]*)=(.*)$/s.exec(text);
  if (!found) throw new InvalidArgumentError('expected path.to.option=a,b,c, such as dpo.beta=0.1,0.2.');
  return [...before, axisOf(found[1]!, found[2]!)];
}

const gridSchema = z.strictObject({
  format: z.literal(1),
  experiment: z.string(),
  /** Flags that every run gets as they are. */
  flags: z.array(z.string()),
  axes: z.array(z.strictObject({ path: z.string(), values: z.array(z.string()) })),
  seeds: z.array(z.number().int()),
});
export type Grid = z.output<typeof gridSchema>;

/** One run of the grid. */
export interface Cell {
  /** Its folder's name. */
  readonly name: string;
  readonly seed: number;
  readonly settings: readonly { readonly path: string; readonly value: string }[];
}

const slug = (text: string): string => text.replace(/[^A-Za-z0-9.]+/g, '-').replace(/^-+|-+$/g, '');
const last = (path: string): string => path.split('.').at(-1)!;

const combinations = (axes: readonly Axis[]): Cell['settings'][] =>
  axes.reduce<Cell['settings'][]>(
    (all, { path, values }) => all.flatMap((one) => values.map((value) => [...one, { path, value }])),
    [[]],
  );

/** Every run, arm by arm; an axis of one value is no part of the names. */
export function cellsOf({ axes, seeds }: Grid): Cell[] {
  const varied = new Set(axes.filter(({ values }) => values.length > 1).map(({ path }) => path));
  const taken = new Map<string, number>();
  return combinations(axes).flatMap((settings) => {
    const parts = settings
      .filter(({ path }) => varied.has(path))
      .map(({ path, value }) => `${slug(last(path))}-${slug(value)}`);
    const base = parts.join('_') || 'run';
    const count = (taken.get(base) ?? 0) + 1;
    taken.set(base, count);
    const arm = count === 1 ? base : `${base}-${count}`;
    return seeds.map((seed) => ({ name: `${arm}_seed-${seed}`, seed, settings }));
  });
}

const FILE = 'sweep.json';

/** Writes the grid into a new folder, or makes sure that the folder's grid is this one. */
export function claimFolder(dir: string, grid: Grid, isEmpty: boolean): void {
  const file = join(dir, FILE);
  if (!existsSync(file)) {
    if (!isEmpty)
      throw new SoliloquyError('run.exists', `${dir} holds something already, and no ${FILE}`, {
        dir,
        fix: 'name another folder with --out',
      });
    writeAtomic(file, `${JSON.stringify(grid, null, 2)}\n`);
    return;
  }
  let known: Grid;
  try {
    known = gridSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch (cause) {
    throw new SoliloquyError(
      'data.invalid',
      `${file} describes no sweep: ${reasonOf(cause)}`,
      { file, fix: 'restore it from a copy, or name another folder with --out' },
      { cause },
    );
  }
  const other = differenceOf(known, grid);
  if (other !== null)
    throw new SoliloquyError('run.exists', `${dir} is the folder of another sweep: ${other}`, {
      dir,
      fix: 'name another folder with --out, or give the flags of that sweep',
    });
}

/** The first thing in which two grids differ, in words. */
function differenceOf(known: Grid, given: Grid): string | null {
  for (const key of ['experiment', 'flags', 'seeds', 'axes'] as const) {
    const [a, b] = [JSON.stringify(known[key]), JSON.stringify(given[key])];
    if (a !== b) return `its ${key} are ${a}, here they are ${b}`.replace('experiment are', 'experiment is');
  }
  return null;
}
