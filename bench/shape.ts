/**
 * `npm run shape -- RUN…`: the shape that the paper found, as means over runs (seeds) with 95 % t-intervals, from their
 * metrics.jsonl alone. One line a run, so that no seed hides behind a mean.
 */
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { z } from 'zod';
import { tEstimate } from '../src/stats.js';

const line = z.object({ version: z.string(), name: z.string(), value: z.number().nullable() });
type Values = ReadonlyMap<string, number | null>;

/** `M2 h2h.oracle.M1.margin` → value. */
function valuesOf(run: string): Values {
  const lines = readFileSync(join(run, 'metrics.jsonl'), 'utf8').trim().split('\n');
  return new Map(
    lines.map((text) => {
      const { version, name, value } = line.parse(JSON.parse(text));
      return [`${version} ${name}`, value] as const;
    }),
  );
}

interface Quantity {
  readonly name: string;
  readonly of: (values: Values) => number | null;
}

const minus = (a: number | null | undefined, b: number | null | undefined): number | null =>
  a === null || b === null || a === undefined || b === undefined ? null : a - b;
const scaled = (value: number | null | undefined, by: number): number | null =>
  value === null || value === undefined ? null : value * by;
const at =
  (key: string, by = 1) =>
  (values: Values) =>
    scaled(values.get(key), by);
const judge = (version: string) => `${version} judge.pairwise`;

const QUANTITIES: readonly Quantity[] = [
  ...['SFT', 'M1', 'M2', 'M3'].map((v) => ({ name: `judge pairwise ${v}, %`, of: at(judge(v), 100) })),
  { name: 'judge M1 − SFT, points', of: (v) => scaled(minus(v.get(judge('M1')), v.get(judge('SFT'))), 100) },
  { name: 'judge M2 − M1, points', of: (v) => scaled(minus(v.get(judge('M2')), v.get(judge('M1'))), 100) },
  { name: 'judge M3 − M1, points', of: (v) => scaled(minus(v.get(judge('M3')), v.get(judge('M1'))), 100) },
  ...[
    ['M1', 'SFT'],
    ['M2', 'M1'],
    ['M3', 'M2'],
    ['M3', 'SFT'],
  ].map(([a, b]) => ({
    name: `${a} vs ${b}, win − loss, points`,
    of: at(`${a} h2h.oracle.${b}.margin`, 100),
  })),
  ...['SFT', 'M1', 'M2', 'M3'].map((v) => ({ name: `true score ${v}`, of: at(`${v} true.score`) })),
  ...['M1', 'M2', 'M3'].map((v) => ({ name: `self − true ${v}`, of: at(`${v} gap`) })),
];

const show = (value: number | null): string => (value === null ? '–' : value.toFixed(2)).padStart(8);

function main(runs: readonly string[]): void {
  if (runs.length === 0) {
    process.stderr.write('usage: npm run shape -- RUN… (finished run folders, one a seed)\n');
    process.exitCode = 2;
    return;
  }
  const values = runs.map(valuesOf);
  process.stdout.write(
    `${''.padEnd(30)}${runs.map((run) => basename(run).slice(-8).padStart(9)).join('')}     mean [95 %]\n`,
  );
  for (const { name, of } of QUANTITIES) {
    const each = values.map(of);
    const { value, interval } = tEstimate(each.filter((one) => one !== null));
    const range = interval ? ` [${interval.low.toFixed(2)}, ${interval.high.toFixed(2)}]` : '';
    process.stdout.write(
      `${name.padEnd(30)}${each.map((one) => ` ${show(one)}`).join('')} ${show(value)}${range}\n`,
    );
  }
}

main(process.argv.slice(2));
