/**
 * Owns: how every plot of a comparison looks. Colours are Okabe & Ito's, told apart by colour-blind readers; shapes tell
 * arms apart without colour.
 */

/** A part of a Vega-Lite specification. */
export type Part = Readonly<Record<string, unknown>>;

export const COLOURS = [
  '#0072B2',
  '#D55E00',
  '#009E73',
  '#CC79A7',
  '#56B4E9',
  '#E69F00',
  '#000000',
  '#8B6D00',
];
export const SHAPES = [
  'circle',
  'square',
  'triangle-up',
  'diamond',
  'cross',
  'triangle-down',
  'triangle-right',
  'triangle-left',
];
export const INK = '#222222';
const FONT = 'Helvetica, Arial, "DejaVu Sans", sans-serif';
const LABEL_WIDTH = 90;

/** Fits a legend. */
export const shorter = (text: string): string =>
  text.length > LABEL_WIDTH ? `${text.slice(0, LABEL_WIDTH - 1)}…` : text;

/** A plot with its title and the common looks. */
export const framed = (title: string, subtitle: readonly string[], body: Part): Part => ({
  $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
  background: 'white',
  padding: 14,
  title: {
    text: title,
    subtitle,
    anchor: 'start',
    fontSize: 15,
    subtitleFontSize: 11,
    subtitleColor: '#555555',
    offset: 12,
  },
  config: {
    font: FONT,
    axis: {
      labelFontSize: 11,
      titleFontSize: 12,
      titleFontWeight: 'normal',
      labelColor: INK,
      gridColor: '#E8E8E8',
    },
    legend: {
      orient: 'bottom',
      direction: 'vertical',
      columns: 1,
      labelFontSize: 11,
      labelLimit: 600,
      symbolSize: 70,
      offset: 10,
    },
    view: { stroke: '#CCCCCC' },
  },
  ...body,
});

/** Versions side by side along x; a point of the first stands at 0. */
export const versionAxis = (versions: readonly string[]): Part => ({
  field: 'x',
  type: 'quantitative',
  scale: { domain: [-0.5, versions.length - 0.5], nice: false },
  axis: {
    title: 'model version',
    values: versions.map((_, i) => i),
    labelExpr: `${JSON.stringify(versions)}[datum.value]`,
    grid: false,
  },
});
