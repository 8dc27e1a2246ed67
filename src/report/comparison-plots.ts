/**
 * Owns: a comparison as plots (SVG): what is drawn, in which colours, with which titles.
 */
import type { Comparison } from './comparison.js';
import { drawSpecs, type Plot, type PlotSpec } from './draw-plot.js';
import { headToHeadPlot } from './head-to-head-plot.js';
import type { Measure } from './measures-compared.js';
import { COLOURS, framed, INK, type Part, SHAPES, shorter, versionAxis } from './plot-style.js';

/** Arms of one version stand beside each other: so far from one to the next, and in so much of its width at most. */
const STEP = 0.12;
const SPREAD = 0.6;

const legendOf = ({ arms }: Comparison): string[] => arms.map(({ id, label }) => shorter(`${id}  ${label}`));

interface Point {
  readonly x: number;
  readonly version: string;
  readonly arm: string;
  readonly value: number;
  readonly low: number | null;
  readonly high: number | null;
}

const versionsIn = (measures: readonly Measure[]): string[] => [
  ...new Set(measures.flatMap(({ rows }) => rows.map(({ version }) => version))),
];

function pointsOf(comparison: Comparison, { rows, scale }: Measure, versions: readonly string[]): Point[] {
  const { arms } = comparison;
  const names = legendOf(comparison);
  return rows.flatMap(({ version, arm, estimate: { value, interval } }) => {
    if (value === null) return [];
    const i = arms.findIndex(({ id }) => id === arm);
    const shift =
      arms.length < 2 ? 0 : Math.min(STEP * (arms.length - 1), SPREAD) * (i / (arms.length - 1) - 0.5);
    return [
      {
        x: versions.indexOf(version) + shift,
        version,
        arm: names[i]!,
        value: scale * value,
        low: interval && scale * interval.low,
        high: interval && scale * interval.high,
      },
    ];
  });
}

/** Lines over versions with intervals, an arm a colour and a shape. `zero`: a line at nought. */
function panel(
  comparison: Comparison,
  measure: Measure,
  versions: readonly string[],
  more: PanelOptions,
): Part {
  const domain = legendOf(comparison);
  // A colour that comes again has another shape.
  const shapeOf = (i: number) => SHAPES[(i + 3 * Math.floor(i / COLOURS.length)) % SHAPES.length]!;
  const by = (range: readonly string[]): Part => ({
    field: 'arm',
    type: 'nominal',
    scale: { domain, range },
    legend: domain.length > 1 ? { title: null } : null,
  });
  const colour = by(domain.map((_, i) => COLOURS[i % COLOURS.length]!));
  const x = versionAxis(versions);
  const y: Part = {
    field: 'value',
    type: 'quantitative',
    title: more.axis,
    scale: { zero: false, nice: true },
    axis: { tickCount: 6 },
  };
  const zero: Part[] = more.zero
    ? [{ mark: { type: 'rule', color: INK, strokeDash: [2, 3] }, encoding: { y: { datum: 0 } } }]
    : [];
  return {
    width: 380,
    height: 250,
    ...(more.title === undefined ? {} : { title: { text: more.title, fontSize: 12 } }),
    data: { values: pointsOf(comparison, measure, versions) },
    layer: [
      ...zero,
      { mark: { type: 'line', strokeWidth: 1.5, opacity: 0.75 }, encoding: { x, y, color: colour } },
      {
        transform: [{ filter: 'datum.low !== null' }],
        mark: { type: 'rule', strokeWidth: 1.5 },
        encoding: { x, y: { ...y, field: 'low' }, y2: { field: 'high' }, color: colour },
      },
      {
        mark: { type: 'point', filled: true, size: 55, opacity: 1 },
        encoding: { x, y, color: colour, shape: by(domain.map((_, i) => shapeOf(i))) },
      },
    ],
  };
}

interface PanelOptions {
  readonly axis: string;
  readonly title?: string;
  readonly zero?: boolean;
}

function subtitleOf({ runs, drawing }: Comparison, over: string): string[] {
  const seeds = new Set(runs.map(({ seed }) => seed)).size;
  const drawn = seeds > 1 ? `seeds, then ${over}` : over;
  return [
    `bars: ${Math.round(1000 * drawing.confidence) / 10} % bootstrap over ${drawn}; ${seeds === 1 ? 'one seed' : `${seeds} seeds`}`,
  ];
}

const CHARTS: readonly {
  readonly measure: string;
  readonly file: string;
  readonly title: string;
  readonly options: PanelOptions;
}[] = [
  {
    measure: 'judge.pairwise',
    file: 'judge-accuracy',
    title: 'Judge accuracy by version, on the frozen probe bank',
    options: { axis: 'pairs in the right order, %' },
  },
  {
    measure: 'gap',
    file: 'hacking-gap',
    title: 'Hacking gap by version: above 0 the judge flatters',
    options: { axis: 'self-score − true score', zero: true },
  },
  {
    measure: 'length',
    file: 'length',
    title: 'Length of an answer by version',
    options: { axis: 'tokens, mean' },
  },
];

/** True score beside self-score, on one scale; whichever exists. */
function scoresPlot(comparison: Comparison): Part[] {
  const both = comparison.measures.filter(({ name }) => name === 'true.score' || name === 'self.score');
  if (both.length === 0) return [];
  const versions = versionsIn(both);
  const panels = both.map((measure) =>
    panel(comparison, measure, versions, {
      axis: 'score, 0–5',
      title: measure.name === 'true.score' ? 'true score' : 'self-score, by the cast judge',
    }),
  );
  const body = { hconcat: panels, resolve: { scale: { y: 'shared' } } };
  return [framed('True score and self-score by version', subtitleOf(comparison, 'held-out prompts'), body)];
}

/** Specs by file name, in reading order. */
function specsOf(comparison: Comparison): PlotSpec[] {
  const scores = scoresPlot(comparison).map((spec) => ({
    name: 'scores',
    title: 'True score and self-score',
    spec,
  }));
  const charts = CHARTS.flatMap(({ measure, file, title, options }) => {
    const found = comparison.measures.find(({ name }) => name === measure);
    if (!found) return [];
    const drawn = panel(comparison, found, versionsIn([found]), options);
    const spec = framed(title, subtitleOf(comparison, found.over), { ...drawn, width: 520 });
    return [{ name: file, title, spec }];
  });
  const games = headToHeadPlot(comparison).map((spec) => ({
    name: 'head-to-head',
    title: 'Head to head',
    spec,
  }));
  return [...scores, ...charts, ...games];
}

/** Every plot that these runs have numbers for. */
export const drawPlots = (comparison: Comparison): Promise<Plot[]> => drawSpecs(specsOf(comparison));
