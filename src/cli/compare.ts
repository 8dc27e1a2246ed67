/**
 * `soliloquy compare`: paired tables of several runs, and with --out a page with plots.
 */
import { Command } from 'commander';
import { type Comparison, compareRuns } from '../report/comparison.js';
import { comparisonText } from '../report/comparison-tables.js';
import type { Drawing } from '../report/measures-compared.js';
import { openRuns } from './compared-runs.js';
import { decimal, printJson, wholeNumber } from './options.js';
import { writeComparison } from './write-comparison.js';

interface Options {
  readonly out?: string;
  readonly resamples: number;
  readonly confidence?: number;
  readonly json?: true;
}

const EXAMPLES = `
Runs that differ in nothing but the seed are one arm; arms are called A, B … in the order named, and every difference is
taken to A: same seed, same prompt, same random numbers. What the tests ask stands in docs/compare.md.

Examples
  soliloquy compare runs/paper-1 runs/frozen-judge-1       two arms, one seed
  soliloquy compare runs/paper-* runs/frozen-judge-*       two arms, several seeds
  soliloquy compare runs/paper-1 runs/my-fork              a run and its fork: shared prefix, first difference
  soliloquy compare runs/paper-1                           one run alone: values and intervals
  soliloquy compare runs/* --out report                    report/comparison.html, comparison.json and plots as SVG
  soliloquy compare runs/* --json | jq .headToHead`;

export const RESAMPLES = 2000;
/** Sign assignments drawn: p is known to about ± 0.002 near 0.05. */
export const FLIPS = 10_000;

export function compareCommand(): Command {
  return new Command('compare')
    .description('paired table and plots of several runs, arms of forks, or seeds of one experiment')
    .argument('<runs...>', 'run folders; the first one’s arm is what the others are compared with')
    .option('--out <dir>', 'also write comparison.html, comparison.json and SVG plots there')
    .option('--resamples <n>', 'bootstrap resamples', wholeNumber(10, 1_000_000), RESAMPLES)
    .option(
      '--confidence <share>',
      'coverage of the intervals (default: the first run’s, 0.95)',
      decimal(0.01, 0.999),
    )
    .option('--json', 'the whole comparison as one line of JSON')
    .addHelpText('after', EXAMPLES)
    .action(compare);
}

async function compare(paths: readonly string[], options: Options): Promise<void> {
  const { json, out } = options;
  const comparison = await comparisonOf(paths, options);
  if (json) printJson(comparison);
  else process.stdout.write(`${comparisonText(comparison)}\n`);
  if (out === undefined) return;
  const written = await writeComparison(comparison, out);
  if (!json) process.stdout.write(`\n${written.map((file) => `  ${file}`).join('\n')}\n`);
}

/** Reads the runs, with progress on a terminal, and compares them. */
export async function comparisonOf(
  paths: readonly string[],
  { resamples, confidence, json }: Pick<Options, 'resamples' | 'confidence' | 'json'>,
): Promise<Comparison> {
  const silent = json || !process.stderr.isTTY;
  const say = (text: string) => silent || process.stderr.write(`\r\x1b[2K${text}`);
  const runs = await openRuns(paths, (done, all) =>
    say(done < all ? `reading ${done + 1}/${all}` : 'comparing …'),
  );
  const drawing: Drawing = {
    confidence: confidence ?? runs[0]!.config.evaluate.confidence,
    resamples,
    flips: FLIPS,
  };
  try {
    return await compareRuns(runs, drawing);
  } finally {
    say('');
  }
}
