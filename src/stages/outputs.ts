/**
 * Owns: what is measured of a version's answers as text: length (the paper's confound, §3.2), diversity, and the
 * distance from a reference model. Tokens are ids or words, as the caller has them.
 */
import { bootstrapMean, type Estimate, quantiles, type Resampling } from '../stats.js';

type Tokens = readonly (number | string)[];

export interface Lengths {
  readonly mean: Estimate;
  /** Null where there is no answer. */
  readonly median: number | null;
  readonly max: number | null;
}

/** Of tokens per answer, the end token not counted. */
export function lengths(counts: readonly number[], resampling: Resampling): Lengths {
  const [median, max] = quantiles(counts, [0.5, 1]) ?? [];
  return { mean: bootstrapMean(counts, resampling), median: median ?? null, max: max ?? null };
}

export interface Diversity {
  /** Different n-grams / all n-grams, over all answers together; null where there is none. Falls with more text. */
  readonly distinct1: number | null;
  readonly distinct2: number | null;
  /** Different answers / answers. */
  readonly unique: number | null;
}

export const diversity = (answers: readonly Tokens[]): Diversity => ({
  distinct1: distinctShare(answers.flatMap((tokens) => gramsOf(tokens, 1))),
  distinct2: distinctShare(answers.flatMap((tokens) => gramsOf(tokens, 2))),
  unique: distinctShare(answers.map((tokens) => JSON.stringify(tokens))),
});

const gramsOf = (tokens: Tokens, n: number): readonly string[] =>
  tokens.slice(n - 1).map((_, i) => JSON.stringify(tokens.slice(i, i + n)));

const distinctShare = (items: readonly string[]): number | null =>
  items.length === 0 ? null : new Set(items).size / items.length;

/** One sampled answer: Σ log p of its tokens (end token included, temperature 1) under the two models, nats. */
export interface LogProbs {
  readonly own: number;
  readonly reference: number;
}

/**
 * KL(new ‖ reference) per answer, nats: the plain Monte-Carlo estimator, mean over answers of Σ log p_new − log p_ref
 * ("k1" of Schulman's note). Unbiased where the answers were drawn from the new model at temperature 1 and top-p 1; at
 * other settings it is the same mean over another distribution: a drift, no KL. Single terms, and by noise the mean,
 * may be below 0.
 */
export const klFromReference = (answers: readonly LogProbs[], resampling: Resampling): Estimate =>
  bootstrapMean(
    answers.map(({ own, reference }) => own - reference),
    resampling,
  );
