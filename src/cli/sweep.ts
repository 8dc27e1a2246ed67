/**
 * `soliloquy sweep`: an experiment over a grid of seeds, casts and options, each run a process of its own, ending in one
 * comparison. The same command again goes on where it stopped.
 */
import { mkdirSync, readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { Command, Option } from 'commander';
import { BACKEND_CHOICES } from '../protocol/backends.js';
import { reasonOf, SoliloquyError } from '../protocol/errors.js';
import type { Comparison } from '../report/comparison.js';
import { comparisonText } from '../report/comparison-tables.js';
import { comparisonOf, RESAMPLES } from './compare.js';
import { addWorld } from './config-options.js';
import { loadExperiment } from './experiments.js';
import { printJson, systemClock, wholeNumber } from './options.js';
import { type Children, childProcesses } from './sweep-child.js';
import { type Cell, cellsOf, claimFolder, collectAxis, type Grid, seedList } from './sweep-grid.js';
import { checkCells, gridOf, pinnedOptions, ROLES, runArguments, type SweepOptions } from './sweep-plan.js';
import { showSweep } from './sweep-progress.js';
import { type CellState, runCells } from './sweep-runs.js';
import { writeComparison } from './write-comparison.js';

const EXAMPLES = `
Every combination is run once for each seed, into DIR/<name>; a comma separates values, but not inside […] or {…}. The first
value of each option is what the others are compared with. At the end DIR holds comparison.html, comparison.json and plots.
The same command again skips finished runs, resumes unfinished ones and starts those that are missing.

Examples
  soliloquy sweep paper --seeds 1..5 --cast.judge live,frozen:M1,lagged:1
  soliloquy sweep paper --quick --seeds 1,3,7 --set dpo.beta=0.05,0.1,0.2
  soliloquy sweep paper --cast.judge 'live,ensemble:[live,frozen:M1]' --out runs/ensembles --parallel 4
  soliloquy sweep hacking --seeds 1..10              one arm, ten seeds`;

export function sweepCommand(): Command {
  const command = new Command('sweep')
    .description('an experiment over seeds, casts and options; resumable, ends in a comparison')
    .argument('<experiment>', 'name of an experiment (see run --list) or a file of your own')
    .addOption(
      new Option('--seeds <list>', 'such as 1..5 or 1,3,7').argParser(seedList).default([1, 2, 3], '1..3'),
    )
    .option('--set <path=a,b,c>', 'values of an option of the config, repeatable', collectAxis)
    .option('--iterations <n>', 'DPO iterations after M1', wholeNumber(0, 50))
    .option('--quick', 'small sizes: a look at the whole path, not a result')
    .option('--model <dir>', 'M0: a folder in Hugging Face layout, or hf:org/name@revision')
    .option('--out <dir>', 'the sweep’s folder (default: runs/sweep-<experiment>)')
    .option('--parallel <n>', 'runs at once (default: one a core)', wholeNumber(1, 256))
    .option(
      '--workers <n>',
      'worker threads of each run (default: cores / runs at once)',
      wholeNumber(1, 256),
    )
    .addOption(
      new Option('--backend <name>', 'what does the numbers').choices(BACKEND_CHOICES).default('auto'),
    );
  addWorld(command);
  for (const role of ROLES)
    command.option(
      `--cast.${role} <players>`,
      `who plays the ${role}, e.g. ${role === 'trainer' ? 'dpo,sft-positives' : 'live,frozen:M1'}`,
    );
  return command
    .option('--json', 'one JSON line at the end, progress off')
    .option('--quiet', 'no progress')
    .addHelpText('after', EXAMPLES)
    .action(sweep);
}

function openFolder(dir: string, grid: Grid): void {
  try {
    mkdirSync(dir, { recursive: true });
  } catch (cause) {
    throw new SoliloquyError(
      'log.write',
      `can't make the sweep's folder ${dir}: ${reasonOf(cause)}`,
      { dir, fix: 'name a folder that can be written with --out' },
      { cause },
    );
  }
  claimFolder(dir, grid, readdirSync(dir).length === 0);
}

async function sweep(experiment: string, given: SweepOptions): Promise<void> {
  const options = await pinnedOptions(given);
  const grid = gridOf(experiment, options);
  const cells = cellsOf(grid);
  await checkCells(experiment, cells, options);
  const { name } = await loadExperiment(experiment);
  const dir = options.out ?? join('runs', `sweep-${name}${options.quick ? '-quick' : ''}`);
  openFolder(dir, grid);
  const cores = availableParallelism();
  const parallel = Math.min(options.parallel ?? cores, cells.length);
  const workers = options.workers ?? Math.max(1, Math.floor(cores / parallel));
  const machinery = ['--workers', String(workers), '--backend', options.backend];
  const children = childProcesses({ dir, runArguments: runArguments(grid), machinery });
  const silent = options.json || options.quiet;
  if (!silent)
    process.stderr.write(
      `${name}: ${cells.length} runs, ${parallel} at once × ${workers} workers → ${dir}\n`,
    );
  const states = await runAll(cells, children, parallel, Boolean(silent));
  await tell(dir, states, options);
}

async function runAll(cells: readonly Cell[], children: Children, parallel: number, silent: boolean) {
  const progress = silent ? undefined : showSweep(cells, process.stderr, systemClock);
  const stop = stopOnSignal(children);
  try {
    return await runCells(cells, {
      parallel,
      doing: children,
      onChange: (cell, state) => progress?.changed(cell, state),
      stopped: stop.asked,
    });
  } finally {
    progress?.end();
    stop.release();
  }
}

/** The first Ctrl-C lets every run stop between two messages, the second ends them at once. */
function stopOnSignal(children: Children): { asked(): boolean; release(): void } {
  let times = 0;
  const onSignal = () => {
    if (++times > 1) process.exit(130);
    process.stderr.write('\nstopping every run at its next message (again to leave at once) …\n');
    children.signal('SIGINT');
  };
  const onExit = () => children.signal('SIGKILL');
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  process.on('exit', onExit);
  return {
    asked: () => times > 0,
    release: () => {
      process.off('SIGINT', onSignal);
      process.off('SIGTERM', onSignal);
      process.off('exit', onExit);
    },
  };
}

const DONE = new Set<CellState['state']>(['finished', 'skipped']);

async function tell(dir: string, states: ReadonlyMap<Cell, CellState>, options: SweepOptions): Promise<void> {
  const all = [...states].map(([{ name }, state]) => ({ name, ...state }));
  const failed = all.filter(({ state }) => state === 'failed');
  const stopped = all.some(({ state }) => state === 'stopped' || state === 'waiting');
  if (failed.length > 0) process.exitCode = 1;
  if (stopped) process.exitCode = 130;
  const paths = all.filter(({ state }) => DONE.has(state)).map(({ name }) => join(dir, name));
  let comparison: Comparison | null = null;
  let files: string[] = [];
  if (!stopped && paths.length > 0) {
    comparison = await comparisonOf(paths, { resamples: RESAMPLES, ...(options.json ? { json: true } : {}) });
    files = await writeComparison(comparison, dir);
  }
  if (options.json) return printJson({ sweep: dir, runs: all, comparison });
  if (comparison)
    process.stdout.write(
      `\n${comparisonText(comparison)}\n\n${files.map((file) => `  ${file}`).join('\n')}\n`,
    );
  process.stdout.write(howItEnded(dir, all.length, paths.length, failed, stopped));
}

function howItEnded(
  dir: string,
  all: number,
  done: number,
  failed: readonly ({ readonly name: string } & CellState)[],
  stopped: boolean,
): string {
  const lines = failed.map(
    (one) =>
      `  ${one.name}: ${one.state === 'failed' ? one.reason : ''}\n    ${join(dir, 'logs', `${one.name}.log`)}`,
  );
  const head = `\n${stopped ? 'Stopped' : failed.length > 0 ? 'Ended' : 'Finished'}: ${done} of ${all} runs are finished${failed.length > 0 ? `, ${failed.length} failed:` : ''}`;
  const next =
    done < all ? ['To go on: the same command again. Finished runs are kept, unfinished ones resumed.'] : [];
  return `${[head, ...lines, ...next].join('\n')}\n`;
}
