/**
 * Owns: head to head against the reference arm as a plot: one bar of wins, ties and losses for each version and arm.
 */
import type { Comparison } from './comparison.js';
import { framed, type Part, shorter } from './plot-style.js';

const WIN = '#0072B2';
const TIE = '#D9D9D9';
const LOSS = '#D55E00';

/** Win, tie and loss as one bar a version, the margin written beside it. */
export function headToHeadPlot(comparison: Comparison): Part[] {
  const { headToHead, arms, reference } = comparison;
  if (headToHead.length === 0) return [];
  const outcomes = ['wins', 'ties', 'losses'] as const;
  const called = { wins: 'the arm wins', ties: 'tie', losses: `${reference} wins` };
  const labelOf = (arm: string) => shorter(`${arm}  ${arms.find(({ id }) => id === arm)!.label}`);
  const values = headToHead.flatMap((row) =>
    outcomes.map((outcome, order) => {
      const share = (100 * row[outcome]) / (row.wins + row.ties + row.losses);
      return { version: row.version, arm: labelOf(row.arm), outcome: called[outcome], order, share };
    }),
  );
  const encoding = {
    y: { field: 'version', type: 'nominal', sort: null, title: 'model version' },
    x: {
      field: 'share',
      type: 'quantitative',
      title: 'held-out prompts, %',
      scale: { domain: [0, 100] },
      stack: 'zero',
    },
    order: { field: 'order', type: 'quantitative' },
  };
  const text = (outcome: string, colour: string): Part => ({
    transform: [{ filter: `datum.outcome === ${JSON.stringify(outcome)} && datum.share >= 6` }],
    mark: {
      type: 'text',
      color: colour,
      fontSize: 10,
      align: outcome === called.wins ? 'left' : 'right',
      dx: outcome === called.wins ? 5 : -5,
    },
    encoding: {
      y: encoding.y,
      x: { datum: outcome === called.wins ? 0 : 100 },
      text: { field: 'share', format: '.1f' },
    },
  });
  const body = {
    data: { values },
    facet: {
      row: {
        field: 'arm',
        type: 'nominal',
        sort: null,
        title: null,
        header: { labelOrient: 'top', labelAnchor: 'start', labelFontSize: 12, labelFontWeight: 'bold' },
      },
    },
    spec: {
      width: 520,
      height: { step: 24 },
      layer: [
        {
          mark: { type: 'bar', height: 18 },
          encoding: {
            ...encoding,
            color: {
              field: 'outcome',
              type: 'nominal',
              scale: { domain: outcomes.map((outcome) => called[outcome]), range: [WIN, TIE, LOSS] },
              legend: { title: null, direction: 'horizontal', columns: 3 },
            },
          },
        },
        text(called.wins, 'white'),
        text(called.losses, 'white'),
      ],
    },
  };
  const { label } = arms[0]!;
  return [
    framed(
      `Head to head against ${reference} by the true score`,
      [shorter(`${reference}  ${label}`), 'same seed, same held-out prompt'],
      body,
    ),
  ];
}
