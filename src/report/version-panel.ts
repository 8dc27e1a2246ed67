/**
 * Owns: one panel of a run's plots: metrics as lines over the versions, with their intervals.
 */
import type { Metric } from '../protocol/messages.js';
import { COLOURS, type Part, versionAxis } from './plot-style.js';
import type { Tally } from './tally.js';

export interface Point {
  readonly version: string;
  readonly series: string;
  readonly value: number;
  readonly low: number | null;
  readonly high: number | null;
}

/** Metric → what its line is called. */
export type Series = readonly (readonly [metric: string, name: string])[];

const pointOf = (version: string, series: string, scale: number, metric: Metric | undefined): Point[] =>
  metric === undefined || metric.value === null
    ? []
    : [
        {
          version,
          series,
          value: scale * metric.value,
          low: metric.interval && scale * metric.interval.low,
          high: metric.interval && scale * metric.interval.high,
        },
      ];

export const pointsOf = ({ metrics }: Tally, series: Series, scale: number): Point[] =>
  [...metrics].flatMap(([version, own]) =>
    series.flatMap(([metric, name]) => pointOf(version, name, scale, own.get(metric))),
  );

/** Series stand beside each other at a version: so far from one to the next. */
const STEP = 0.16;

/** Lines over versions with their intervals. */
export function versionPanel(title: string, axis: string, points: readonly Point[], width: number): Part {
  const names = [...new Set(points.map(({ series }) => series))];
  const versions = [...new Set(points.map(({ version }) => version))];
  const placeOf = ({ version, series }: Point) =>
    versions.indexOf(version) + STEP * (names.indexOf(series) - (names.length - 1) / 2);
  const x = versionAxis(versions);
  const y: Part = {
    field: 'value',
    type: 'quantitative',
    title: axis,
    scale: { zero: false, nice: true },
    axis: { tickCount: 6, format: '.4~g' },
  };
  const color: Part = {
    field: 'series',
    type: 'nominal',
    scale: { domain: names, range: names.map((_, i) => COLOURS[i]!) },
    legend:
      names.length > 1
        ? { title: null, columns: names.length, direction: 'horizontal', symbolOpacity: 1 }
        : null,
  };
  return {
    width,
    height: 220,
    title: { text: title, fontSize: 12, frame: 'group' },
    data: { values: points.map((point) => ({ ...point, x: placeOf(point) })) },
    layer: [
      { mark: { type: 'line', strokeWidth: 1.5, opacity: 0.6 }, encoding: { x, y, color } },
      {
        transform: [{ filter: 'datum.low !== null' }],
        mark: { type: 'rule', strokeWidth: 1.5 },
        encoding: { x, y: { ...y, field: 'low' }, y2: { field: 'high' }, color },
      },
      { mark: { type: 'point', filled: true, size: 50, opacity: 1 }, encoding: { x, y, color } },
    ],
  };
}
