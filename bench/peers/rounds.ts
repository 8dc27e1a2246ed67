/**
 * Interleaved rounds: everybody once, then everybody again, so that whatever the machine does hits all alike. And how
 * their figures are told.
 */
import { median, percent, range, ratios, showRatio, tableOf } from '../report.js';
import type { Watch } from './quiet.js';

export interface Entrant {
  readonly name: string;
  once(): Promise<number>;
}

export interface Case {
  readonly name: string;
  readonly unit: string;
  readonly better: 'more' | 'less';
  readonly digits: number;
  /** What is compared with all others comes first. */
  readonly entrants: readonly Entrant[];
  /** Whether everybody goes once unmeasured first. */
  readonly warmUp: boolean;
  /** Model GFLOP/s behind one figure; absent = no utilisation is told. */
  readonly gflops?: (figure: number) => number;
}

/** How everything is measured. */
export interface Conditions {
  readonly rounds: number;
  /** sgemm, GFLOP/s; 0 = unknown. */
  readonly peak: number;
  readonly watch: Watch;
}

export interface Measured {
  readonly case: string;
  readonly unit: string;
  readonly better: Case['better'];
  readonly digits: number;
  readonly figures: readonly {
    readonly name: string;
    readonly values: readonly number[];
    readonly median: number;
    /** The first entrant's figure against this one, round by round. */
    readonly ratios: readonly number[];
    readonly utilisation: number | null;
  }[];
}

export async function measureCase(
  { name, unit, better, digits, entrants, warmUp, gflops }: Case,
  { rounds, peak, watch }: Conditions,
): Promise<Measured> {
  const values = entrants.map((): number[] => []);
  for (let round = warmUp ? -1 : 0; round < rounds; round++) {
    process.stderr.write(`  ${name}: ${round < 0 ? 'warm-up' : `round ${round + 1} of ${rounds}`}\n`);
    for (const [i, entrant] of entrants.entries()) {
      const figure = await watch.watched(entrant.once);
      if (round >= 0) values[i]!.push(figure);
    }
  }
  const figures = entrants.map((entrant, i) => ({
    name: entrant.name,
    values: values[i]!,
    median: median(values[i]!),
    ratios: ratios(values[0]!, values[i]!, better),
    utilisation: gflops && peak > 0 ? gflops(median(values[i]!)) / peak : null,
  }));
  return { case: name, unit, better, digits, figures };
}

const HEAD = ['', 'median', 'range', 'ratio', 'ratio range', 'utilisation'];

const rowsOf = ({ case: name, unit, digits, figures }: Measured): string[][] => [
  [`${name}, ${unit}`, '', '', '', '', ''],
  ...figures.map(({ name, values, median, ratios, utilisation }, i) => [
    `  ${name}`,
    median.toFixed(digits),
    range(values, digits),
    ...(i === 0 ? ['', ''] : showRatio(ratios).split(' ')),
    utilisation === null ? '–' : percent(utilisation),
  ]),
];

export const tableOfCases = (measured: readonly Measured[]): string =>
  tableOf(HEAD, measured.flatMap(rowsOf));
