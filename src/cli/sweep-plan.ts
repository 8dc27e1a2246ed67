/**
 * From the flags of `soliloquy sweep` to its grid, and from the grid to the flags of each `soliloquy run`.
 */
import type { BackendChoice } from '../protocol/backends.js';
import { SoliloquyError } from '../protocol/errors.js';
import type { WorldOptions } from './config-options.js';
import { hubModel, pinnedData } from './hub.js';
import { configOf } from './run.js';
import { collectSet } from './set-option.js';
import { type Axis, axisOf, type Cell, type Grid } from './sweep-grid.js';

export const ROLES = ['generator', 'responder', 'judge', 'trainer'] as const;

export interface SweepOptions extends WorldOptions {
  readonly seeds: readonly number[];
  readonly set?: readonly Axis[];
  readonly iterations?: number;
  readonly model?: string;
  readonly quick?: true;
  readonly out?: string;
  readonly parallel?: number;
  readonly workers?: number;
  readonly backend: BackendChoice;
  readonly json?: true;
  readonly quiet?: true;
  readonly [cast: `cast.${string}`]: string | undefined;
}

/** What every run of the grid shares, as `run` takes it. */
const flagsOf = ({ quick, world, data = [], evalData = [], model, iterations }: SweepOptions): string[] => [
  ...(quick ? ['--quick'] : []),
  ...Object.entries({ world, model, iterations }).flatMap(([name, value]) =>
    value === undefined ? [] : [`--${name}`, String(value)],
  ),
  ...data.flatMap((file) => ['--data', file]),
  ...evalData.flatMap((file) => ['--eval-data', file]),
];

/** Hub ids name commits, so that every run of the grid has the same. */
export async function pinnedOptions(options: SweepOptions): Promise<SweepOptions> {
  const { model, data, evalData } = options;
  return {
    ...options,
    ...(model === undefined ? {} : { model: await hubModel(model) }),
    ...(data === undefined ? {} : { data: await pinnedData(data) }),
    ...(evalData === undefined ? {} : { evalData: await pinnedData(evalData) }),
  };
}

export function gridOf(experiment: string, options: SweepOptions): Grid {
  const casts = ROLES.flatMap((role) => {
    const text = options[`cast.${role}`];
    return text === undefined ? [] : [axisOf(`cast.${role}`, text)];
  });
  const axes = [...casts, ...(options.set ?? [])];
  const twice = axes.find(({ path }, i) => axes.findIndex((other) => other.path === path) !== i);
  if (twice || axes.some(({ path }) => path === 'seed' || path === 'name'))
    throw new SoliloquyError(
      'usage',
      `${twice ? `${twice.path} is given twice` : 'seed and name are no options of a grid'}`,
      {
        fix: 'name each option once, its values separated by commas; seeds with --seeds',
      },
    );
  return {
    format: 1,
    experiment,
    flags: flagsOf(options),
    axes: axes.map(({ path, values }) => ({ path, values: [...values] })),
    seeds: [...options.seeds],
  };
}

/** Every combination must be a good config before the first run begins. */
export async function checkCells(
  experiment: string,
  cells: readonly Cell[],
  { quick, world, data, evalData, model, iterations }: SweepOptions,
) {
  for (const { seed, settings } of cells) {
    const set = settings.flatMap(({ path, value }) => collectSet(`${path}=${value}`));
    const shared = { quick, world, data, evalData, model, iterations };
    const given = Object.fromEntries(Object.entries(shared).filter(([, value]) => value !== undefined));
    // The machine is no part of a config.
    await configOf(experiment, { ...given, seed, set } as Parameters<typeof configOf>[1]);
  }
}

/** What `run` is told, the folder and the machine aside. */
export const runArguments =
  ({ experiment, flags }: Grid) =>
  ({ seed, settings }: Cell): string[] => [
    experiment,
    ...flags,
    '--seed',
    String(seed),
    ...settings.flatMap(({ path, value }) =>
      path.startsWith('cast.') ? [`--${path}`, value] : ['--set', `${path}=${value}`],
    ),
  ];
