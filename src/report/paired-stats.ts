/**
 * Owns: what can be said of values that stand in seeds × prompts: a mean with an interval, and a test that paired
 * differences have no sign. Owns no draw of its own: everything is keyed. Checked against scipy and numpy in
 * test/report/paired-stats.test.ts; what each test asks stands in docs/compare.md.
 *
 * A prompt of two seeds is one prompt. It is drawn, and its sign is flipped, in all seeds at once.
 */
import type { RngKey } from '../protocol/lm.js';
import { rngOf } from '../rng.js';
import { type Interval, quantiles, type Resampling } from '../stats.js';

/** One seed's values (or paired differences), by prompt or probe group. */
export type SeedValues = ReadonlyMap<string, number>;

export interface ClusteredEstimate {
  /** Mean over seeds of the mean over prompts; null where there is no value. */
  readonly value: number | null;
  /** Percentile bootstrap; null where one value alone makes it meaningless. */
  readonly interval: Interval | null;
  /** Seeds that have a value, and values of all of them. */
  readonly seeds: number;
  readonly n: number;
}

export interface SignFlip {
  /** Two-sided; null where nothing can be flipped. */
  readonly p: number | null;
  /** True: every assignment of signs was counted. */
  readonly exact: boolean;
  /** Units with a difference other than 0: the only ones a sign matters to. */
  readonly units: number;
}

/** Up to so many units all 2ⁿ assignments are counted. */
export const EXACT_UNITS = 14;
const EQUAL = 1e-9;

const meanOf = (values: Iterable<number>): number => {
  let sum = 0;
  let n = 0;
  for (const value of values) {
    sum += value;
    n++;
  }
  return sum / n;
};

const isConstant = (seeds: readonly SeedValues[]): boolean =>
  new Set(seeds.flatMap((seed) => [...seed.values()])).size === 1;

const filled = (seeds: readonly SeedValues[]): readonly SeedValues[] => seeds.filter(({ size }) => size > 0);

const promptsOf = (seeds: readonly SeedValues[]): readonly string[] =>
  [...new Set(seeds.flatMap((seed) => [...seed.keys()]))].sort();

/** b − a on what both have; seeds are paired by place. */
export const differences = (a: readonly SeedValues[], b: readonly SeedValues[]): SeedValues[] =>
  b.map(
    (own, i) =>
      new Map(
        [...own].flatMap(([id, value]) => {
          const other = a[i]?.get(id);
          return other === undefined ? [] : [[id, value - other] as const];
        }),
      ),
  );

/**
 * The bootstrap of one seed draws prompts (scipy.stats.bootstrap, method='percentile'). That of several draws seeds, then
 * prompts, the same prompts for every drawn seed (Owen 2007, "the pigeonhole bootstrap"): a seed without a drawn prompt
 * takes the mean of those it has.
 */
export function clusteredMean(
  all: readonly SeedValues[],
  { key, resamples, confidence }: Resampling,
): ClusteredEstimate {
  const seeds = filled(all);
  const n = seeds.reduce((sum, { size }) => sum + size, 0);
  if (n === 0) return { value: null, interval: null, seeds: 0, n };
  const value = meanOf(seeds.map((seed) => meanOf(seed.values())));
  if (n < 2) return { value, interval: null, seeds: seeds.length, n };
  if (isConstant(seeds)) return { value, interval: { low: value, high: value }, seeds: seeds.length, n };
  const tail = (1 - confidence) / 2;
  const found = quantiles(resampledMeans(seeds, key, resamples), [tail, 1 - tail]);
  return { value, interval: found && { low: found[0]!, high: found[1]! }, seeds: seeds.length, n };
}

function resampledMeans(seeds: readonly SeedValues[], key: RngKey, resamples: number): number[] {
  const prompts = promptsOf(seeds);
  const tables = seeds.map((seed) => Float64Array.from(prompts, (id) => seed.get(id) ?? Number.NaN));
  const rng = rngOf(key);
  const drawn = new Uint32Array(prompts.length);
  const means: number[] = [];
  for (let r = 0; r < resamples; r++) {
    const chosen = seeds.length === 1 ? tables : tables.map(() => tables[rng.below(tables.length)]!);
    for (let i = 0; i < drawn.length; i++) drawn[i] = rng.below(drawn.length);
    const own = chosen.map((table) => drawnMean(table, drawn)).filter((mean) => !Number.isNaN(mean));
    if (own.length > 0) means.push(meanOf(own));
  }
  return means;
}

/** Mean of the drawn cells that hold a value; NaN where none does. */
function drawnMean(table: Float64Array, drawn: Uint32Array): number {
  let sum = 0;
  let n = 0;
  for (let i = 0; i < drawn.length; i++) {
    const value = table[drawn[i]!]!;
    if (Number.isNaN(value)) continue;
    sum += value;
    n++;
  }
  return sum / n;
}

/**
 * Sign-flip test of "the difference has no sign", each prompt a unit: do these very models differ, beyond the prompts that
 * happened to be held out? (scipy.stats.permutation_test, permutation_type='samples', on a prompt's sum over seeds.)
 */
export function flipPrompts(all: readonly SeedValues[], key: RngKey, resamples: number): SignFlip {
  const seeds = filled(all);
  const weights = promptsOf(seeds).map((id) =>
    seeds.reduce((sum, seed) => sum + (seed.get(id) ?? 0) / (seed.size * seeds.length), 0),
  );
  return signFlip(weights, key, resamples);
}

/** The same with each seed a unit: would the difference be there in a training with other random numbers? */
export function flipSeeds(all: readonly SeedValues[], key: RngKey, resamples: number): SignFlip {
  const seeds = filled(all);
  if (seeds.length < 2) return { p: null, exact: true, units: seeds.length };
  return signFlip(
    seeds.map((seed) => meanOf(seed.values())),
    key,
    resamples,
  );
}

/**
 * P(|Σ ±dᵢ| ≥ |Σ dᵢ|) over fair signs. Exact up to EXACT_UNITS units, else (1 + hits) / (1 + resamples) (Phipson & Smyth
 * 2010). Units of no difference are left out: no sign changes them.
 */
export function signFlip(values: readonly number[], key: RngKey, resamples: number): SignFlip {
  if (values.length === 0) return { p: null, exact: true, units: 0 };
  const moved = values.map(Math.abs).filter((value) => value > EQUAL / Math.max(1, values.length));
  const seen = Math.abs(values.reduce((a, b) => a + b, 0));
  const bound = seen - EQUAL * Math.max(seen, 1e-3);
  const units = moved.length;
  return units <= EXACT_UNITS
    ? { p: exactShare(moved, bound), exact: true, units }
    : { p: drawnShare(moved, bound, key, resamples), exact: false, units };
}

function exactShare(moved: readonly number[], bound: number): number {
  const count = 2 ** moved.length;
  let hits = 0;
  for (let signs = 0; signs < count; signs++) {
    let sum = 0;
    for (let i = 0; i < moved.length; i++) sum += (signs >>> i) & 1 ? moved[i]! : -moved[i]!;
    if (Math.abs(sum) >= bound) hits++;
  }
  return hits / count;
}

function drawnShare(moved: readonly number[], bound: number, key: RngKey, resamples: number): number {
  const rng = rngOf(key);
  let hits = 0;
  for (let r = 0; r < resamples; r++) {
    let sum = 0;
    let word = 0;
    for (let i = 0; i < moved.length; i++) {
      if (i % 32 === 0) word = rng.word();
      sum += (word >>> (i % 32)) & 1 ? moved[i]! : -moved[i]!;
    }
    if (Math.abs(sum) >= bound) hits++;
  }
  return (1 + hits) / (1 + resamples);
}
