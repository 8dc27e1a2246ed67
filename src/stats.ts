/**
 * Owns: means with intervals and rank correlations, over simple-statistics where it has the thing.
 * Owns no draw of its own: bootstraps are keyed (src/rng.ts). What is undefined is null, never NaN.
 * Checked against scipy's numbers in test/stats.test.ts.
 */
import {
  mean as meanOf,
  quantileSorted,
  sampleRankCorrelation,
  sampleStandardDeviation,
} from 'simple-statistics';
import type { RngKey } from './protocol/lm.js';
import { rngOf } from './rng.js';

export interface Interval {
  readonly low: number;
  readonly high: number;
}

/** One number with what is known of its error; `n` is how many values stand behind it. */
export interface Estimate {
  readonly value: number | null;
  /** Null where fewer than two values make it meaningless. */
  readonly interval: Interval | null;
  readonly n: number;
}

/** How a bootstrap draws. */
export interface Resampling {
  readonly key: RngKey;
  readonly resamples: number;
  /** Coverage in (0, 1), e.g. 0.95. */
  readonly confidence: number;
}

export const mean = (values: readonly number[]): number | null =>
  values.length === 0 ? null : meanOf(values as number[]);

/** Quantiles by linear interpolation (numpy's default, R's type 7), in the order of `shares`. */
export function quantiles(values: readonly number[], shares: readonly number[]): readonly number[] | null {
  if (values.length === 0) return null;
  const sorted = Float64Array.from(values).sort();
  return shares.map((share) => quantileSorted(sorted as unknown as number[], share));
}

/** Mean with a percentile bootstrap interval (scipy.stats.bootstrap, method='percentile'). */
export function bootstrapMean(values: readonly number[], resampling: Resampling): Estimate {
  const value = mean(values);
  if (value === null || values.length < 2) return { value, interval: null, n: values.length };
  const tail = (1 - resampling.confidence) / 2;
  const [low, high] = quantiles(resampledMeans(values, resampling), [tail, 1 - tail])!;
  return { value, interval: { low: low!, high: high! }, n: values.length };
}

function resampledMeans(values: readonly number[], { key, resamples }: Resampling): number[] {
  const rng = rngOf(key);
  const n = values.length;
  return Array.from({ length: resamples }, () => {
    let sum = 0;
    for (let i = 0; i < n; i++) sum += values[rng.below(n)]!;
    return sum / n;
  });
}

/** Mean of aᵢ − bᵢ: pairs are drawn whole, so what two versions share cancels. */
export function bootstrapPaired(
  a: readonly number[],
  b: readonly number[],
  resampling: Resampling,
): Estimate {
  if (a.length !== b.length)
    throw new RangeError(`paired values differ in number: ${a.length} and ${b.length}`);
  return bootstrapMean(
    a.map((value, i) => value - b[i]!),
    resampling,
  );
}

/** (wins − losses) / games: the mean of +1, 0, −1. */
export function bootstrapMargin(
  record: { readonly wins: number; readonly ties: number; readonly losses: number },
  resampling: Resampling,
): Estimate {
  const games = [
    ...new Array<number>(record.wins).fill(1),
    ...new Array<number>(record.ties).fill(0),
    ...new Array<number>(record.losses).fill(-1),
  ];
  return bootstrapMean(games, resampling);
}

/** Mean over few independent runs (seeds) with Student's interval (scipy.stats.t.interval). */
export function tEstimate(values: readonly number[], confidence = 0.95): Estimate {
  const value = mean(values);
  const n = values.length;
  if (value === null || n < 2) return { value, interval: null, n };
  const half =
    (tQuantile((1 + confidence) / 2, n - 1) * sampleStandardDeviation(values as number[])) / Math.sqrt(n);
  return { value, interval: { low: value - half, high: value + half }, n };
}

/**
 * P(|T| ≤ t) for a whole number of degrees of freedom: the finite series of Abramowitz & Stegun 26.7.3 and 26.7.4.
 */
function tWithin(t: number, df: number): number {
  const theta = Math.atan(t / Math.sqrt(df));
  const cos = Math.cos(theta);
  const odd = df % 2 === 1;
  let term = odd ? cos : 1;
  let sum = df === 1 ? 0 : term;
  for (let k = odd ? 3 : 2; k <= df - 2; k += 2) {
    term *= ((k - 1) / k) * cos * cos;
    sum += term;
  }
  return odd ? (2 / Math.PI) * (theta + Math.sin(theta) * sum) : Math.sin(theta) * sum;
}

/** Quantile of Student's t for p in (0.5, 1), whole df ≥ 1, by bisection to the last bit. */
export function tQuantile(p: number, df: number): number {
  const within = 2 * p - 1;
  let high = 1;
  while (tWithin(high, df) < within && high < Number.MAX_VALUE / 2) high *= 2;
  let low = 0;
  for (let i = 0; i < 200; i++) {
    const middle = (low + high) / 2;
    if (middle === low || middle === high) break;
    if (tWithin(middle, df) < within) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

const isConstant = (values: readonly number[]): boolean => values.every((value) => value === values[0]);

const uncorrelatable = (x: readonly number[], y: readonly number[]): boolean => {
  if (x.length !== y.length)
    throw new RangeError(`ranked values differ in number: ${x.length} and ${y.length}`);
  return x.length < 2 || isConstant(x) || isConstant(y);
};

const withinOne = (r: number): number => Math.max(-1, Math.min(1, r));

/** Spearman's ρ, average ranks on ties; null when either side is constant or shorter than two. */
export function spearman(x: readonly number[], y: readonly number[]): number | null {
  if (uncorrelatable(x, y)) return null;
  return withinOne(sampleRankCorrelation(x as number[], y as number[]));
}

/**
 * Kendall's τ-b = (concordant − discordant) / √(pairs not tied in x · pairs not tied in y); null when either side is
 * constant or shorter than two. Quadratic: for groups of responses, not for thousands of values.
 */
export function kendallTauB(x: readonly number[], y: readonly number[]): number | null {
  if (uncorrelatable(x, y)) return null;
  let balance = 0;
  let untiedX = 0;
  let untiedY = 0;
  for (let i = 0; i < x.length; i++) {
    for (let j = 0; j < i; j++) {
      const dx = Math.sign(x[i]! - x[j]!);
      const dy = Math.sign(y[i]! - y[j]!);
      balance += dx * dy;
      untiedX += Math.abs(dx);
      untiedY += Math.abs(dy);
    }
  }
  return withinOne(balance / Math.sqrt(untiedX * untiedY));
}
