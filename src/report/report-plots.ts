/**
 * Owns: a run as plots: scores and length by version, how its judge scores and agrees, training curves, what became of the prompts.
 * Every number is one of the log's; a plot without numbers is left out.
 */
import type { PlotSpec } from './draw-plot.js';
import { COLOURS, framed, type Part } from './plot-style.js';
import type { ReportFacts, Step } from './report-facts.js';
import type { Tally } from './tally.js';
import { pointsOf, versionPanel } from './version-panel.js';

const beside = (panels: readonly Part[]): Part => ({
  hconcat: panels,
  spacing: 40,
  resolve: { scale: { color: 'independent' }, legend: { color: 'independent' } },
});

const bars = (confidence: number): string => `bars: ${Math.round(1000 * confidence) / 10} % bootstrap`;

function scoresSpec(tally: Tally, confidence: number): PlotSpec[] {
  const scores = pointsOf(
    tally,
    [
      ['true.score', 'true score'],
      ['self.score', 'self-score'],
    ],
    1,
  );
  const lengths = pointsOf(tally, [['length', 'tokens']], 1);
  const panels = [
    ...(scores.length > 0 ? [versionPanel('Score of an answer', '0–5, mean', scores, 400)] : []),
    ...(lengths.length > 0 ? [versionPanel('Length of an answer', 'tokens, mean', lengths, 320)] : []),
  ];
  if (panels.length === 0) return [];
  const title = 'Scores and length by version, on held-out prompts';
  const gap = scores.some(({ series }) => series === 'true score')
    ? ['between self-score and true score lies the hacking gap']
    : [];
  return [{ name: 'scores', title, spec: framed(title, [bars(confidence), ...gap], beside(panels)) }];
}

function agreementSpec(tally: Tally, confidence: number): PlotSpec[] {
  const shares = pointsOf(
    tally,
    [
      ['judge.pairwise', 'pairwise'],
      ['judge.fiveBest', '5-best'],
      ['judge.exactMatch', 'exact match'],
    ],
    100,
  );
  const ranks = pointsOf(
    tally,
    [
      ['judge.spearman', 'Spearman'],
      ['judge.kendall', 'Kendall τ'],
    ],
    1,
  );
  if (shares.length === 0) return [];
  const title = 'Agreement of the judge by version, on the frozen probe bank';
  const panels = [
    versionPanel('Shares', '%', shares, 400),
    ...(ranks.length > 0 ? [versionPanel('Rank correlations', 'mean over groups', ranks, 320)] : []),
  ];
  return [{ name: 'agreement', title, spec: framed(title, [bars(confidence)], beside(panels)) }];
}

interface Share {
  readonly of: string;
  readonly score: string;
  readonly share: number;
}

/** One small histogram beside the other, in the order given. */
function histograms(name: string, title: string, subtitle: string, values: readonly Share[]): PlotSpec[] {
  if (values.length === 0) return [];
  const order = [...new Set(values.map(({ of }) => of))];
  const body = {
    data: { values },
    facet: { field: 'of', type: 'nominal', sort: order, title: null },
    columns: Math.min(order.length, 8),
    spec: {
      width: order.length > 6 ? 84 : 110,
      height: 130,
      mark: { type: 'bar', color: COLOURS[0] },
      encoding: {
        x: { field: 'score', type: 'ordinal', title: 'score', axis: { labelAngle: 0 } },
        y: { field: 'share', type: 'quantitative', title: 'judgements, %' },
      },
    },
  };
  return [{ name, title, spec: framed(title, [subtitle], body) }];
}

function probeScores({ metrics }: Tally): PlotSpec[] {
  const values = [...metrics].flatMap(([version, own]) =>
    [...own.values()].flatMap(({ name, value, n }) => {
      const score = /^judge\.histogram\.(\d+)$/.exec(name)?.[1];
      return score === undefined || value === null || n === 0
        ? []
        : [{ of: version, score, share: (100 * value) / n }];
    }),
  );
  return histograms(
    'histograms',
    'What scores each version gives to the frozen probe bank',
    'readable judgements only',
    values,
  );
}

function loopScores({ rounds }: ReportFacts): PlotSpec[] {
  const values = [...rounds].flatMap(([iteration, { scores }]) => {
    const all = [...scores.values()].reduce((sum, count) => sum + count, 0);
    return [...scores]
      .sort(([a], [b]) => a - b)
      .map(([score, count]) => ({
        of: `iteration ${iteration}`,
        score: String(score),
        share: (100 * count) / all,
      }));
  });
  // More than a handful of scores is no scale of points: a player of one's own may give any number.
  const scores = new Set(values.map(({ score }) => score));
  return histograms(
    'loop-scores',
    'What scores the judge gives in the loop, to the answers that pairs are made of',
    'readable judgements only',
    scores.size > 11 ? [] : values,
  );
}

const CURVE_POINTS = 120;

/** At most so many points: each the mean of its neighbours. */
function curveOf(steps: readonly Step[]): { step: number; loss: number }[] {
  const bin = Math.ceil(steps.length / CURVE_POINTS);
  const bins = Array.from({ length: Math.ceil(steps.length / bin) }, (_, i) =>
    steps.slice(i * bin, (i + 1) * bin),
  );
  return bins.map((own) => ({
    step: own.at(-1)!.step,
    loss: own.reduce((sum, { loss }) => sum + loss, 0) / own.length,
  }));
}

function trainingSpec({ trainings }: ReportFacts): PlotSpec[] {
  const panels = [...trainings].map(([version, steps]) => {
    const ordered = [...steps.values()].sort((a, b) => a.step - b.step);
    return {
      width: 170,
      height: 140,
      title: { text: version, fontSize: 12, frame: 'group' },
      data: { values: curveOf(ordered) },
      mark: { type: 'line', color: COLOURS[0], strokeWidth: 1.3, point: ordered.length < 4 },
      encoding: {
        x: {
          field: 'step',
          type: 'quantitative',
          title: 'step',
          axis: { tickCount: 4, tickMinStep: 1, format: 'd', grid: false },
        },
        y: {
          field: 'loss',
          type: 'quantitative',
          title: ordered[0]!.margin === null ? 'loss, nats a token' : 'DPO loss, nats a pair',
          scale: { zero: false },
          axis: { tickCount: 5, format: '.4~g' },
        },
      },
    };
  });
  if (panels.length === 0) return [];
  const title = 'Training loss';
  const body = { concat: panels, columns: 4, spacing: 22 };
  return [{ name: 'training', title, spec: framed(title, [], body) }];
}

const ENDS = ['pair', 'tie', 'unparseable', 'too-few', 'failed', 'filtered'];
const END_COLOURS = [COLOURS[2]!, COLOURS[4]!, COLOURS[1]!, COLOURS[3]!, '#B2182B', '#A9B1B8'];

function pairsSpec({ iterations }: Tally): PlotSpec[] {
  const values = [...iterations.values()].flatMap(({ iteration, pairs, withheld }) => {
    const found: Readonly<Record<string, number>> = { pair: pairs, ...withheld };
    return ENDS.flatMap((end, order) => {
      const count = found[end] ?? 0;
      return count === 0 ? [] : [{ iteration: `iteration ${iteration}`, end, order, count }];
    });
  });
  if (values.length === 0) return [];
  const title = 'What became of each ask: a pair, or why there is none';
  const y = { field: 'iteration', type: 'nominal', sort: null, title: null };
  const body = {
    width: 620,
    height: { step: 34 },
    data: { values },
    mark: { type: 'bar', height: 22 },
    encoding: {
      y,
      x: {
        field: 'count',
        type: 'quantitative',
        title: 'episodes',
        stack: 'zero',
        axis: { tickMinStep: 1, format: ',d' },
      },
      order: { field: 'order', type: 'quantitative' },
      color: {
        field: 'end',
        type: 'nominal',
        scale: { domain: ENDS, range: END_COLOURS },
        legend: { title: null, direction: 'horizontal', columns: ENDS.length },
      },
    },
  };
  return [{ name: 'pairs', title, spec: framed(title, [], body) }];
}

/** By name: `scores`, `agreement`, `histograms`, `loop-scores`, `training`, `pairs`. */
export function reportPlotSpecs(facts: ReportFacts, confidence: number): PlotSpec[] {
  const { tally } = facts;
  return [
    ...scoresSpec(tally, confidence),
    ...agreementSpec(tally, confidence),
    ...probeScores(tally),
    ...loopScores(facts),
    ...pairsSpec(tally),
    ...trainingSpec(facts),
  ];
}
