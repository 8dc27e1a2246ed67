/** Scales, ticks and the writing of numbers: plain arithmetic. */
export interface Range {
  readonly low: number;
  readonly high: number;
}

/** 1, 2 or 5 × a power of ten. */
function niceStep(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(rough));
  const share = rough / power;
  return (share > 5 ? 10 : share > 2 ? 5 : share > 1 ? 2 : 1) * power;
}

/** About `count` round numbers that span the range. */
export function ticksOf({ low, high }: Range, count = 5): number[] {
  const step = niceStep((high - low || 1) / count);
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

/** Widened to round numbers; `with` is kept inside. A range of nothing is 0–1. */
export function rangeOf(
  values: readonly (number | null | undefined)[],
  including: readonly number[] = [],
): Range {
  const known = [...values, ...including].filter((value): value is number => Number.isFinite(value));
  if (known.length === 0) return { low: 0, high: 1 };
  const low = known.reduce((a, b) => Math.min(a, b));
  const high = known.reduce((a, b) => Math.max(a, b));
  const step = niceStep((high - low || Math.abs(high) || 1) / 5);
  const wide = { low: Math.floor(low / step + 1e-9) * step, high: Math.ceil(high / step - 1e-9) * step };
  return wide.low === wide.high ? { low: wide.low, high: wide.high + step } : wide;
}

export const scaleTo =
  ({ low, high }: Range, from: number, to: number) =>
  (value: number): number =>
    from + ((value - low) / (high - low)) * (to - from);

const MINUS = '−';

/** For eyes: three or four figures. */
export function written(value: number, digits = 2): string {
  const size = Math.abs(value);
  const text = Number.isInteger(value)
    ? size.toLocaleString('en')
    : size >= 1000
      ? Math.round(size).toLocaleString('en')
      : size !== 0 && size < 10 ** -digits
        ? size.toPrecision(2)
        : size.toFixed(size >= 100 ? 1 : digits);
  return value < 0 ? `${MINUS}${text}` : text;
}

/** A share as a percentage, always with one figure behind the point. */
export const percent = (share: number): string =>
  `${share < 0 ? MINUS : ''}${Math.abs(100 * share).toFixed(1)}`;

export const fixed = (value: number): string => `${value < 0 ? MINUS : ''}${Math.abs(value).toFixed(2)}`;

export const signed = (value: number, digits = 2): string =>
  value > 0 ? `+${written(value, digits)}` : written(value, digits);

export const tick = (value: number): string =>
  (value < 0 ? MINUS : '') + Math.abs(value).toLocaleString('en', { maximumSignificantDigits: 4 });

export function duration(ms: number): string {
  const seconds = ms / 1000;
  if (ms === 0) return '0';
  if (seconds < 1) return `${Math.round(ms)} ms`;
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  const minutes = Math.floor(seconds / 60);
  const rest = Math.floor(seconds - 60 * minutes);
  if (minutes < 60) return rest === 0 ? `${minutes} min` : `${minutes} min ${rest} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
