/**
 * Owns: a run as tables, the paper's numbers beside ours where it has them. Ours are the log's metrics as they are; "–" stands where
 * one is undefined or the paper has none.
 */
import { addUsage } from '../stages/usage.js';
import type { TableData } from './comparison-tables.js';
import { counts, DASH, metricOf, number, opponents, percent, record, withInterval } from './metric-text.js';
import {
  PAPER_ALPACA,
  PAPER_HEAD_TO_HEAD,
  PAPER_JUDGING,
  PAPER_ROWS,
  type PaperJudging,
} from './paper-numbers.js';
import type { ReportFacts } from './report-facts.js';
import type { Tally } from './tally.js';

export const hasTruth = ({ metrics }: Tally): boolean =>
  [...metrics.values()].some((own) => own.get('true.score')?.value != null);

const confident = (confidence: number): string => `${Math.round(1000 * confidence) / 10} %`;

export function lineageTable({ tally, baseHash, trained }: ReportFacts): TableData {
  const rows = tally.versions.map((one) => [
    one.version,
    one.from,
    one.reference ?? DASH,
    one.datasets.join(' + '),
    one.tooLong > 0 ? `${one.rows} (${one.tooLong} too long)` : String(one.rows),
    trained.get(one.version)?.steps === 0 ? DASH : number(trained.get(one.version)?.loss, 4),
    one.judge ?? DASH,
    one.weightsHash.slice(0, 12),
    one.dataHash.slice(0, 12),
  ]);
  const base =
    baseHash === null ? [] : [['M0', DASH, DASH, DASH, DASH, DASH, DASH, baseHash.slice(0, 12), DASH]];
  return {
    title: 'Every version, what it comes from and what it was trained on (sha-256, first 12 digits)',
    head: ['', 'from', 'DPO reference', 'data', 'rows', 'last loss', 'judged by', 'weights', 'data'],
    text: [0, 1, 2, 3, 6, 7, 8],
    rows: [...base, ...rows],
  };
}

export function headToHeadTable(tally: Tally, confidence: number): TableData {
  const truth = hasTruth(tally);
  const rows = opponents(tally).map(({ version, against }) => {
    const name = `${version} vs ${against}`;
    const paper = PAPER_HEAD_TO_HEAD[name]?.map((share) => share.toFixed(1)).join(' / ') ?? DASH;
    const margin = withInterval(metricOf(tally, version, `h2h.oracle.${against}.margin`), (v) =>
      (100 * v).toFixed(1),
    );
    const own = record(tally, version, `h2h.judge.${against}`);
    return truth
      ? [name, paper, record(tally, version, `h2h.oracle.${against}`), margin, own]
      : [name, paper, own];
  });
  return {
    title: 'Head to head (win / tie / loss, %): the paper’s figure 3, and ours on held-out prompts',
    head: [
      '',
      'paper, by GPT-4',
      ...(truth ? ['ours, by the true score', `win − loss [${confident(confidence)}]`] : []),
      'ours, by its own judge',
    ],
    text: [0],
    rows,
  };
}

const JUDGING: readonly {
  readonly metric: string;
  readonly paper: keyof PaperJudging;
  readonly title: string;
  readonly digits: number;
}[] = [
  { metric: 'judge.pairwise', paper: 'pairwise', title: 'pairwise %', digits: 1 },
  { metric: 'judge.fiveBest', paper: 'fiveBest', title: '5-best %', digits: 1 },
  { metric: 'judge.exactMatch', paper: 'exactMatch', title: 'exact match %', digits: 1 },
  { metric: 'judge.spearman', paper: 'spearman', title: 'Spearman', digits: 3 },
  { metric: 'judge.kendall', paper: 'kendall', title: 'Kendall τ', digits: 3 },
];

/** A measure a row, a version a column, paper above ours. */
export function judgingTable(tally: Tally, confidence: number): TableData {
  const versions = [...tally.metrics.keys()];
  const rows = JUDGING.flatMap(({ metric, paper, title, digits }) => {
    const show = (value: number) => (digits === 1 ? (100 * value).toFixed(1) : value.toFixed(digits));
    return [
      [title, 'paper', ...versions.map((version) => number(PAPER_JUDGING[version]?.[paper], digits))],
      ['', 'ours', ...versions.map((version) => withInterval(metricOf(tally, version, metric), show))],
    ];
  });
  const alone = (name: string, metric: string) => [
    name,
    'ours',
    ...versions.map((version) => percent(metricOf(tally, version, metric)?.value)),
  ];
  return {
    title: `As a judge: the paper’s table 4 (people’s rankings), and ours on the frozen probe bank [${confident(confidence)}]`,
    head: ['', '', ...versions],
    text: [0, 1],
    rows:
      versions.length === 0
        ? []
        : [...rows, alone('tied %', 'judge.ties'), alone('unreadable %', 'judge.unparseable')],
  };
}

export function lengthTable(tally: Tally): TableData {
  const rows = [...tally.metrics.keys()].map((version) => {
    const paper = PAPER_ALPACA[version];
    return [
      version,
      number(paper?.winRate, 2),
      paper ? paper.length.toLocaleString('en') : DASH,
      withInterval(metricOf(tally, version, 'length'), (v) => v.toFixed(1)),
    ];
  });
  return {
    title: 'Length of an answer: the paper’s table 1 (AlpacaEval 2.0), and our answers to held-out prompts',
    head: ['', 'paper: win rate %', 'paper: characters', 'ours: tokens'],
    text: [0],
    rows,
  };
}

export function dataTable({ tally, evaluations }: ReportFacts): TableData {
  const versionRows = (dataset: string) =>
    tally.versions.find(({ datasets }) => datasets.length === 1 && datasets[0] === dataset)?.rows;
  const judged = tally.eft?.kept ?? evaluations ?? undefined;
  const show = (value: number | undefined) => (value === undefined ? DASH : value.toLocaleString('en'));
  const pairs = [...tally.iterations.values()].map(({ iteration, pairs: made }) => [
    `preference pairs, iteration ${iteration}`,
    show(PAPER_ROWS.pairs[iteration]),
    show(made),
  ]);
  return {
    title: 'Training data: the paper’s §3.1, and ours',
    head: ['', 'paper', 'ours'],
    text: [0],
    rows: [
      ['demonstrations (IFT)', show(PAPER_ROWS.ift), show(versionRows('ift') ?? tally.demonstrations)],
      ['judgements to learn from (EFT)', show(PAPER_ROWS.eft), show(judged)],
      ...pairs,
    ],
  };
}

export function gapTable(tally: Tally, confidence: number): TableData {
  const truth = hasTruth(tally);
  const rows = [...tally.metrics.keys()].map((version) => {
    const of = (name: string) => metricOf(tally, version, name);
    const two = (v: number) => v.toFixed(2);
    return [
      version,
      ...(truth ? [withInterval(of('true.score'), two)] : []),
      withInterval(of('self.score'), two),
      ...(truth ? [withInterval(of('gap'), two)] : []),
      withInterval(of('length'), (v) => v.toFixed(1)),
      number(of('unique')?.value, 2),
      number(of('kl')?.value, 2),
    ];
  });
  return {
    title: `Scores on held-out prompts, 0–5 [${confident(confidence)}]`,
    head: [
      '',
      ...(truth ? ['true score'] : []),
      'self-score',
      ...(truth ? ['gap (self − true)'] : []),
      'tokens',
      'unique',
      'drift (KL, nats)',
    ],
    text: [0],
    rows,
  };
}

export function promptsTable({ tally, rounds }: ReportFacts): TableData {
  const rows = [...tally.iterations.values()].map((own) => {
    const round = rounds.get(own.iteration);
    const withheld = Object.fromEntries(
      Object.entries(own.withheld).filter(([reason]) => reason !== 'filtered'),
    );
    return [
      `iteration ${own.iteration}`,
      String(own.asks),
      String(own.prompts),
      own.asks === 0 ? DASH : percent(own.prompts / own.asks),
      round && round.prompts > 0
        ? `${(round.words / round.prompts).toFixed(1)} (at most ${round.longest})`
        : DASH,
      String(own.pairs),
      own.judgements === 0 ? DASH : percent(own.unparseable / own.judgements),
      counts(own.filtered),
      counts(withheld),
    ];
  });
  return {
    title: '',
    head: ['', 'asks', 'new prompts', 'passed %', 'words', 'pairs', 'unreadable %', 'filtered', 'no pair'],
    text: [0, 7, 8],
    rows,
  };
}

export function trainingTable({ trained }: ReportFacts): TableData {
  return {
    title: '',
    head: ['', 'from', 'objective', 'rows', 'too long', 'steps', 'last loss'],
    text: [0, 1, 2],
    rows: [...trained.values()].map(({ to, from, objective, rows, tooLong, steps, loss }) => [
      to,
      from,
      objective.toUpperCase(),
      String(rows),
      String(tooLong),
      String(steps),
      steps === 0 ? DASH : loss.toFixed(4),
    ]),
  };
}

/** What all servers billed, added up; empty where none was asked. */
function billedIn({ usage }: Tally): readonly (readonly [name: string, sum: number])[] {
  const all = [...usage.values()].flatMap((own) => [...own.values()]);
  if (all.length === 0) return [];
  const { currency, ...sums } = all.reduce(addUsage);
  return Object.entries(sums).flatMap(([name, sum]) =>
    sum === null ? [] : [[name === 'cost' && currency ? `cost (${currency})` : name, sum] as const],
  );
}

export function tokensTable({ made, tally }: ReportFacts): TableData {
  const rows = [...made].map(([purpose, { texts, tokens }]) => [
    purpose,
    texts.toLocaleString('en'),
    tokens.toLocaleString('en'),
    texts === 0 ? DASH : (tokens / texts).toFixed(1),
  ]);
  const billed = billedIn(tally).map(([name, sum]) => [
    `endpoints: ${name}`,
    '',
    Number.isInteger(sum) ? sum.toLocaleString('en') : sum.toFixed(4),
    '',
  ]);
  return {
    title: '',
    head: ['made to', 'texts', 'new tokens', 'a text'],
    text: [0],
    rows: [...rows, ...billed],
  };
}
