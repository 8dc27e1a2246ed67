/**
 * Owns: the five reward-modelling measures (paper §3.3, table 2/4): how well a judge's mean scores put a group's
 * responses in the order people (or the world's truth) put them in.
 *
 * Common to all: a group's measure is taken first, then the mean over the groups where it is defined (`n` of them),
 * with a bootstrap over groups. A response without a readable score is left out of its group, so read these beside the
 * parse-failure rate. Ties in the human order and in the scores are exact up to 1e-9.
 */
import { bootstrapMean, type Estimate, kendallTauB, type Resampling, spearman } from '../stats.js';

export interface JudgedRanking {
  readonly responses: readonly {
    /** The human (or true) order: higher is better. */
    readonly value: number;
    /** Mean score; null where no judgement could be read. */
    readonly score: number | null;
  }[];
}

interface Point {
  readonly value: number;
  readonly score: number;
}

const order = (a: number, b: number): number => (Math.abs(a - b) < 1e-9 ? 0 : Math.sign(a - b));

/** Equal up to 1e-9 becomes equal, so that rank correlations see the ties that the other measures see. */
const rounded = (value: number): number => Math.round(value * 1e9) / 1e9;

const pointsOf = ({ responses }: JudgedRanking): readonly Point[] =>
  responses.flatMap(({ value, score }) => (score === null ? [] : [{ value, score }]));

/** Signs of (human order, judge's order) of each pair of responses. */
const comparisons = (
  points: readonly Point[],
): readonly { readonly human: number; readonly judge: number }[] =>
  points.flatMap((a, i) =>
    points.slice(0, i).map((b) => ({ human: order(a.value, b.value), judge: order(a.score, b.score) })),
  );

const share = <T>(items: readonly T[], holds: (item: T) => boolean): number | null =>
  items.length === 0 ? null : items.filter(holds).length / items.length;

/**
 * Share of the pairs that people order strictly which the scores order the same way. A tie of the judge is a miss
 * († inferred: the paper's 26.6% for the coarse judge prompt is below chance); a tie of people is no pair. Null: no pair.
 */
export const pairwiseAccuracy = (group: JudgedRanking): number | null =>
  share(
    comparisons(pointsOf(group)).filter(({ human }) => human !== 0),
    ({ human, judge }) => human === judge,
  );

/** Share of the pairs that people order strictly which the scores leave tied. Null: no pair. */
export const judgeTies = (group: JudgedRanking): number | null =>
  share(
    comparisons(pointsOf(group)).filter(({ human }) => human !== 0),
    ({ judge }) => judge === 0,
  );

/**
 * 5-best: share of the responses scored perfect (mean ≥ max) that nothing in the group is ranked above; several may
 * share the top. Unreadable responses still count as rivals. Null: nothing scored perfect.
 */
export function fiveBest(group: JudgedRanking, max: number): number | null {
  const top = Math.max(...group.responses.map(({ value }) => value));
  return share(
    pointsOf(group).filter(({ score }) => score >= max - 1e-9),
    ({ value }) => order(value, top) === 0,
  );
}

/**
 * Exact match: 1 where the scores give the whole human order, ties and all (each pair's sign is the same), else 0.
 * Null: fewer than two responses, people tie them all, or a score is missing (the whole order isn't known).
 */
export function exactMatch(group: JudgedRanking): number | null {
  const points = pointsOf(group);
  const pairs = comparisons(points);
  if (points.length < group.responses.length || pairs.every(({ human }) => human === 0)) return null;
  return pairs.every(({ human, judge }) => human === judge) ? 1 : 0;
}

const correlationOf =
  (correlation: typeof spearman) =>
  (group: JudgedRanking): number | null => {
    const points = pointsOf(group);
    return correlation(
      points.map(({ value }) => rounded(value)),
      points.map(({ score }) => rounded(score)),
    );
  };

/** Spearman's ρ, ties at average rank. Null: all tied on either side, or fewer than two responses. */
export const groupSpearman = correlationOf(spearman);
/** Kendall's τ-b (ties corrected on both sides). Null: all tied on either side, or fewer than two responses. */
export const groupKendall = correlationOf(kendallTauB);

export interface RewardModelling {
  readonly pairwiseAccuracy: Estimate;
  readonly fiveBest: Estimate;
  readonly exactMatch: Estimate;
  readonly spearman: Estimate;
  readonly kendall: Estimate;
  readonly judgeTies: Estimate;
}

/** Shares are 0–1, not percent. `max`: the judge template's perfect score. */
export function rewardModelling(
  groups: readonly JudgedRanking[],
  max: number,
  resampling: Resampling,
): RewardModelling {
  const over = (measure: (group: JudgedRanking) => number | null): Estimate =>
    bootstrapMean(
      groups.map(measure).filter((value) => value !== null),
      resampling,
    );
  return {
    pairwiseAccuracy: over(pairwiseAccuracy),
    fiveBest: over((group) => fiveBest(group, max)),
    exactMatch: over(exactMatch),
    spearman: over(groupSpearman),
    kendall: over(groupKendall),
    judgeTies: over(judgeTies),
  };
}
