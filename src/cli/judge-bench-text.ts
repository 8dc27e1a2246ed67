/**
 * What `judge-bench` tells a person.
 */
import Table from 'cli-table3';
import type { MtBenchTable } from '../data/mt-bench-scores.js';
import type { CalibrationBin, PairAgreement, ReliabilityBin } from '../stages/agreement.js';
import type { RewardModelling } from '../stages/measures.js';
import type { Estimate } from '../stats.js';
import type { Report } from './judge-bench.js';

const number = (value: number | null): string => (value === null ? '–' : value.toFixed(3));

const style = { head: [], border: [], compact: true };

function estimates(rows: readonly (readonly [string, Estimate])[]): string {
  const head = ['measure', 'value', 'interval', 'n'];
  const table = new Table({ head, colAligns: ['left', 'right', 'left', 'right'], style });
  for (const [name, { value, interval, n }] of rows)
    table.push([
      name,
      number(value),
      interval === null ? '' : `${number(interval.low)} – ${number(interval.high)}`,
      n,
    ]);
  return table.toString();
}

function pairRows({ accuracy, accuracyWithoutTies, judgeTies, parseFailures, position }: PairAgreement) {
  const rows: [string, Estimate][] = [
    ['accuracy', accuracy],
    ['accuracy, ties of people left out', accuracyWithoutTies],
    ['judge ties', judgeTies],
    ['unreadable', parseFailures],
  ];
  if (position)
    rows.push(
      ['same verdict in both orders', position.consistent],
      ['right in both orders', position.rightTwice],
      ['first-shown answer chosen', position.firstChosen],
    );
  return rows;
}

const measureRows = (measures: RewardModelling): [string, Estimate][] => [
  ['pairwise accuracy (a judge’s tie is a miss)', measures.pairwiseAccuracy],
  ['5-best', measures.fiveBest],
  ['exact match', measures.exactMatch],
  ['Spearman', measures.spearman],
  ['Kendall τ-b', measures.kendall],
  ['judge ties', measures.judgeTies],
];

const calibrationRows = (bins: readonly CalibrationBin[]): [string, Estimate][] =>
  bins.map(({ over, upTo, accuracy }) => [
    upTo === Number.POSITIVE_INFINITY ? `over ${over}` : `${over} < difference ≤ ${upTo}`,
    accuracy,
  ]);

const reliabilityRows = (bins: readonly ReliabilityBin[]): [string, Estimate][] =>
  bins.map(({ score, preferred }) => [`score ${score}`, preferred]);

const titled = (title: string, rows: readonly (readonly [string, Estimate])[]): string[] =>
  rows.length === 0 ? [] : ['', title, estimates(rows)];

export function reportText(report: Report): string {
  const lines = [`${report.judge} on ${report.data} (${report.layout})`];
  if ('pairwise' in report) {
    const { pairwise, published, contradictions } = report;
    lines.push(
      pairwise.position
        ? `${pairwise.pairs} pairs, each judged in both orders`
        : `${pairwise.pairs} pairs, each judged in one order or answer by answer: no position bias to measure`,
      ...titled('verdicts', pairRows(pairwise)),
      `Cohen’s κ with people ${number(pairwise.kappa)}`,
    );
    if (published) {
      lines.push('', 'as the bench’s authors print it');
      for (const [name, value] of Object.entries(published)) lines.push(`  ${name.padEnd(17)} ${value}`);
    }
    if (contradictions) lines.push(`${contradictions} rows whose winner is not what their scores say`);
  } else
    lines.push(
      `${report.groups} groups (${report.humanTies} tied by people); each answer is scored alone, so both orders of a pair coincide`,
      '',
      estimates([['unreadable judgements', report.parseFailures]]),
    );
  if (report.measures) lines.push(...titled('scores against people’s order', measureRows(report.measures)));
  lines.push(
    ...titled('accuracy by difference of the scores', calibrationRows(report.calibration ?? [])),
    ...titled('preferred by people, by score', reliabilityRows(report.reliability ?? [])),
  );
  return lines.join('\n');
}

const meanText = (one: { readonly mean: number | null; readonly n: number } | undefined): string =>
  one === undefined || one.mean === null ? '–' : `${one.mean.toFixed(4)} (${one.n})`;

export function mtBenchText(
  file: string,
  { models, unread, judgements, contradictions }: MtBenchTable,
): string {
  const names = [...new Set(models.flatMap(({ categories }) => Object.keys(categories)))].sort();
  const table = new Table({ head: ['mean (n)', ...models.map(({ model }) => model)], style });
  table.push(['all', ...models.map(meanText)]);
  for (const turn of [...new Set(models.flatMap(({ turns }) => Object.keys(turns)))].sort())
    table.push([`turn ${turn}`, ...models.map(({ turns }) => meanText(turns[turn]))]);
  for (const name of names) table.push([name, ...models.map(({ categories }) => meanText(categories[name]))]);
  return `${file}: ${judgements} judgements, ${unread} unreadable (left out), ${contradictions} whose score is not the rating in their words\n${table.toString()}`;
}
