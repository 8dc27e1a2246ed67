/**
 * Owns: how a measured number is written, in a terminal and on a page. "–" stands where a number is undefined.
 */
import type { Metric } from '../protocol/messages.js';
import type { Tally } from './tally.js';

export const DASH = '–';

export const number = (value: number | null | undefined, digits: number): string =>
  value === null || value === undefined ? DASH : value.toFixed(digits);
export const percent = (value: number | null | undefined): string =>
  value === null || value === undefined ? DASH : (100 * value).toFixed(1);

/** `4.45 [4.36, 4.53]` */
export function withInterval(metric: Metric | undefined, show: (value: number) => string): string {
  if (!metric || metric.value === null) return DASH;
  const { value, interval } = metric;
  return interval ? `${show(value)} [${show(interval.low)}, ${show(interval.high)}]` : show(value);
}

export const metricOf = (tally: Tally, version: string, name: string): Metric | undefined =>
  tally.metrics.get(version)?.get(name);

/** Opponents of each version, as far as they were measured. */
export function opponents(tally: Tally): { version: string; against: string }[] {
  return [...tally.metrics].flatMap(([version, metrics]) =>
    [...metrics.keys()]
      .flatMap((name) => /^h2h\.oracle\.(.+)\.margin$/.exec(name)?.[1] ?? [])
      .map((against) => ({ version, against })),
  );
}

/** `30.5 / 38.7 / 30.9`: win, tie, loss in percent. */
export const record = (tally: Tally, version: string, name: string): string => {
  const share = (part: string) => percent(metricOf(tally, version, `${name}.${part}`)?.value);
  return metricOf(tally, version, `${name}.win`)?.value == null
    ? DASH
    : `${share('win')} / ${share('tie')} / ${share('loss')}`;
};

/** `tie 3, unparseable 1`, the most frequent first. */
export const counts = (reasons: Readonly<Partial<Record<string, number>>>): string =>
  Object.entries(reasons)
    .sort(([, a], [, b]) => (b ?? 0) - (a ?? 0))
    .map(([reason, count]) => `${reason} ${count}`)
    .join(', ') || 'none';
