/** What the numbers of an evaluation are called, and how they are written. Names are those of the log (`evaluation.made`). */

import type { Metric } from '../../protocol/messages.js';
import { shellWord } from '../../protocol/shell-word.js';
import { fixed, percent, written } from './plot-scale.js';

export interface Measure {
  readonly name: string;
  readonly title: string;
  readonly what: string;
  /** Shown × this, with a sign behind: 100 and `%` for shares. */
  readonly scale: number;
  readonly unit: string;
  readonly group: 'scores' | 'judge' | 'texts';
  /** The axis begins here or earlier. */
  readonly from?: number;
}

const share = { scale: 100, unit: '%' } as const;
const plain = { scale: 1, unit: '' } as const;

export const MEASURES: readonly Measure[] = [
  {
    name: 'true.score',
    title: 'True score',
    what: 'what the answers are worth by the world’s truth',
    group: 'scores',
    ...plain,
  },
  {
    name: 'self.score',
    title: 'Self-score',
    what: 'what the cast judge believes they are worth',
    group: 'scores',
    ...plain,
  },
  {
    name: 'gap',
    title: 'Hacking gap',
    what: 'self-score − true score; above 0 the judge flatters',
    group: 'scores',
    from: 0,
    ...plain,
  },
  {
    name: 'judge.pairwise',
    title: 'Pairwise accuracy',
    what: 'pairs of responses that the judge orders rightly',
    group: 'judge',
    ...share,
  },
  {
    name: 'judge.spearman',
    title: 'Spearman’s ρ',
    what: 'rank correlation of scores and values',
    group: 'judge',
    ...plain,
  },
  {
    name: 'judge.kendall',
    title: 'Kendall’s τ-b',
    what: 'rank correlation of scores and values',
    group: 'judge',
    ...plain,
  },
  {
    name: 'judge.exactMatch',
    title: 'Exact match',
    what: 'groups whose whole order the judge gives',
    group: 'judge',
    from: 0,
    ...share,
  },
  {
    name: 'judge.fiveBest',
    title: '5-best',
    what: 'responses scored perfect that nothing is ranked above',
    group: 'judge',
    ...share,
  },
  {
    name: 'judge.ties',
    title: 'Ties',
    what: 'ordered pairs that the judge leaves tied',
    group: 'judge',
    from: 0,
    ...share,
  },
  {
    name: 'judge.unparseable',
    title: 'Unparseable',
    what: 'judgements that could not be read',
    group: 'judge',
    from: 0,
    ...share,
  },
  {
    name: 'length',
    title: 'Response length',
    what: 'mean tokens of an answer',
    group: 'texts',
    from: 0,
    ...plain,
    unit: ' tokens',
  },
  {
    name: 'kl',
    title: 'KL from the reference',
    what: 'drift from the DPO reference, nats an answer',
    group: 'texts',
    from: 0,
    ...plain,
    unit: ' nats',
  },
  { name: 'unique', title: 'Unique answers', what: 'different answers / answers', group: 'texts', ...share },
  { name: 'distinct1', title: 'Distinct-1', what: 'different tokens / tokens', group: 'texts', ...share },
  {
    name: 'distinct2',
    title: 'Distinct-2',
    what: 'different pairs of tokens / pairs',
    group: 'texts',
    ...share,
  },
];

export const measureNamed = (name: string): Measure =>
  MEASURES.find((one) => one.name === name) ?? {
    ...{ name, title: name, what: '', group: 'texts' },
    ...(/^h2h\./.test(name) ? share : plain),
  };

/** Without its unit. */
const figures = ({ scale }: Measure, value: number): string =>
  scale === 100
    ? percent(value)
    : Number.isInteger(value) && Math.abs(value) > 9
      ? written(value)
      : fixed(value);

export const valueText = (measure: Measure, value: number): string =>
  `${figures(measure, value)}${measure.unit === '%' ? ' %' : ''}`;

export const intervalText = (measure: Measure, { interval }: Metric): string =>
  interval === null ? '' : `[${figures(measure, interval.low)}, ${figures(measure, interval.high)}]`;

export const whyCommand = (run: string, version: string, metric: string): string =>
  `soliloquy why ${[run, version, metric].map(shellWord).join(' ')}`;
