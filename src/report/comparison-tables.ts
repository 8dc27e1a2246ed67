/**
 * Owns: a comparison as tables, the same for a terminal and for the page: what stands in which column, and how numbers are
 * written. "–" stands where a number is undefined.
 */
import type { Comparison, PairsRow } from './comparison.js';
import type { Difference, HeadToHeadRow, Measure, MeasureRow } from './measures-compared.js';
import type { ClusteredEstimate, SignFlip } from './paired-stats.js';
import { partingsText } from './partings-text.js';
import { type Row, table } from './summary.js';

export interface TableData {
  readonly title: string;
  readonly head: Row;
  readonly rows: readonly Row[];
  /** Columns of text, by place; the others are numbers. */
  readonly text: readonly number[];
}

const DASH = '–';

const withInterval = (
  { value, interval }: ClusteredEstimate,
  scale: number,
  digits: number,
  plus = false,
): string => {
  const show = (number: number) => {
    const text = (scale * number).toFixed(digits);
    const zero = Number(text) === 0;
    return zero ? (0).toFixed(digits) : plus && number > 0 ? `+${text}` : text;
  };
  if (value === null) return DASH;
  return interval ? `${show(value)} [${show(interval.low)}, ${show(interval.high)}]` : show(value);
};

/** `0.003`, `< 0.0001`, a dash where nothing could be flipped. */
export function pText({ p }: SignFlip): string {
  if (p === null) return DASH;
  if (p < 0.0001) return '< 0.0001';
  return p < 0.001 ? p.toFixed(4) : p.toFixed(3);
}

/** Arms that stand beside the reference; the columns of differences exist only with them. */
const isCompared = ({ arms }: Comparison): boolean => arms.length > 1;
const percent = ({ drawing }: Comparison): string => `${Math.round(1000 * drawing.confidence) / 10} %`;
const hasSeeds = ({ measures, headToHead }: Comparison): boolean =>
  [
    ...measures.flatMap(({ rows }) => rows.map(({ difference }) => difference)),
    ...headToHead.map((row) => row.margin),
  ].some((difference) => (difference?.estimate.seeds ?? 0) > 1);

const tests = (difference: Difference | null, seeds: boolean): string[] =>
  difference === null
    ? [DASH, ...(seeds ? [DASH] : [])]
    : [pText(difference.prompts), ...(seeds ? [pText(difference.seeds)] : [])];

const testHeads = (seeds: boolean): string[] => (seeds ? ['p, models', 'p, seeds'] : ['p']);

/** A version's name stands on the first of its rows. */
const once = (names: readonly string[]): string[] =>
  names.map((name, i) => (names[i - 1] === name ? '' : name));

export function armsTable({ arms, runs }: Comparison): TableData {
  return {
    title: 'Arms',
    head: ['', 'seeds', 'what differs'],
    text: [0, 1, 2],
    rows: arms.map(({ id, label, seeds }) => [
      id,
      seeds.join(', '),
      arms.length === 1 && runs.length === 1 ? `${label}: ${runs[0]!.path}` : label,
    ]),
  };
}

export function runsTable({ runs }: Comparison): TableData {
  return {
    title: 'Runs',
    head: ['', 'seed', 'status', 'messages', 'measured', 'folder'],
    text: [0, 2, 4, 5],
    rows: runs.map(({ arm, seed, status, torn, messages, versions, path }) => [
      arm,
      String(seed),
      torn ? `${status}, torn` : status,
      String(messages),
      versions.length === 0
        ? DASH
        : versions.length === 1
          ? versions[0]!
          : `${versions[0]}…${versions.at(-1)}`,
      path,
    ]),
  };
}

function measureRow(
  comparison: Comparison,
  { scale }: Measure,
  { arm, estimate, difference }: MeasureRow,
): Row {
  const digits = scale === 100 ? 1 : 2;
  const compared = isCompared(comparison)
    ? [
        difference ? withInterval(difference.estimate, scale, digits, true) : DASH,
        ...tests(difference, hasSeeds(comparison)),
      ]
    : [];
  return [arm, withInterval(estimate, scale, digits), ...compared, String(estimate.n)];
}

export function measureTable(comparison: Comparison, measure: Measure): TableData {
  const names = once(measure.rows.map(({ version }) => version));
  const compared = isCompared(comparison)
    ? [`− ${comparison.reference} [${percent(comparison)}]`, ...testHeads(hasSeeds(comparison))]
    : [];
  return {
    title: measure.title,
    head: ['', 'arm', `mean [${percent(comparison)}]`, ...compared, 'n'],
    text: [0, 1],
    rows: measure.rows.map((row, i) => [names[i]!, ...measureRow(comparison, measure, row)]),
  };
}

export function headToHeadTable(comparison: Comparison): TableData {
  const { headToHead, reference } = comparison;
  const names = once(headToHead.map(({ version }) => version));
  const row = ({ arm, wins, ties, losses, margin }: HeadToHeadRow): Row => {
    const games = wins + ties + losses;
    const share = (count: number) => ((100 * count) / games).toFixed(1);
    return [
      `${arm} vs ${reference}`,
      `${share(wins)} / ${share(ties)} / ${share(losses)}`,
      withInterval(margin.estimate, 100, 1, true),
      ...tests(margin, hasSeeds(comparison)),
      String(games),
    ];
  };
  return {
    title: 'Head to head by the true score, the same held-out prompts (win / tie / loss, %)',
    head: [
      '',
      '',
      'win / tie / loss',
      `win − loss [${percent(comparison)}]`,
      ...testHeads(hasSeeds(comparison)),
      'n',
    ],
    text: [0, 1],
    rows: headToHead.map((one, i) => [names[i]!, ...row(one)]),
  };
}

const reasons = (counts: Readonly<Record<string, number>>, runs: number): string =>
  Object.entries(counts)
    .sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1))
    .map(([reason, count]) => `${reason} ${average(count, runs)}`)
    .join(', ') || 'none';

/** Whole where it is whole. */
const average = (sum: number, runs: number): string =>
  Number.isInteger(sum / runs) ? String(sum / runs) : (sum / runs).toFixed(1);

export function pairsTable({ pairs, runs }: Comparison): TableData {
  const names = once(pairs.map(({ iteration }) => `iteration ${iteration}`));
  const row = (one: PairsRow): Row => [
    one.arm,
    average(one.asks, one.runs),
    average(one.prompts, one.runs),
    average(one.pairs, one.runs),
    one.judgements === 0 ? DASH : ((100 * one.unparseable) / one.judgements).toFixed(1),
    reasons(one.withheld, one.runs),
    reasons(one.filtered, one.runs),
  ];
  return {
    title: `Pairs made, and why not${runs.length > 1 ? ' (mean of a run)' : ''}`,
    head: ['', 'arm', 'asks', 'new prompts', 'pairs', 'unreadable %', 'no pair', 'filtered'],
    text: [0, 1, 6, 7],
    rows: pairs.map((one, i) => [names[i]!, ...row(one)]),
  };
}

/** All number tables, in reading order; those without a row are left out. */
export const tablesOf = (comparison: Comparison): TableData[] =>
  [
    armsTable(comparison),
    runsTable(comparison),
    ...comparison.measures.map((measure) => measureTable(comparison, measure)),
    headToHeadTable(comparison),
    pairsTable(comparison),
  ].filter(({ rows }) => rows.length > 0);

/** How to read the numbers, in a line or two. */
export function legend(comparison: Comparison): string {
  const { drawing, reference } = comparison;
  const bootstrap = `[${percent(comparison)}]: bootstrap, ${drawing.resamples} resamples`;
  if (!isCompared(comparison)) return `${bootstrap} over prompts (judge: over probe groups).`;
  const drawn = hasSeeds(comparison) ? 'seeds, then prompts' : 'prompts';
  const p = hasSeeds(comparison)
    ? 'p, models: signs of prompts flipped (are these models different?); p, seeds: signs of seeds flipped (is it the change, or the luck of a training?)'
    : 'p: signs of prompts flipped';
  return `${bootstrap} over ${drawn}. − ${reference}: same seed, same prompt. ${p}. No p is corrected for the number of rows.`;
}

export function comparisonText(comparison: Comparison): string {
  const parts = tablesOf(comparison).map(
    ({ title, head, rows, text }) => `${title}\n${table(head, rows, text)}`,
  );
  if (comparison.partings.length > 0) parts.push(`Where they part\n${partingsText(comparison.partings)}`);
  const notes = comparison.notes.map((note) => ` ! ${note}`);
  if (notes.length > 0) parts.push(`Mind\n${notes.join('\n')}`);
  parts.push(legend(comparison));
  return parts.join('\n\n');
}
