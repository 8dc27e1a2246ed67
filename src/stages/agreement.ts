/**
 * Owns: how far a judge's verdicts agree with people's: kappa, preferences in both orders, and calibration of scores.
 * The measures of ranked groups stand in measures.ts.
 */
import { bootstrapMean, type Estimate, type Resampling } from '../stats.js';
import type { JudgedRanking } from './measures.js';

/**
 * Cohen's κ of two raters over any labels: 1 − observed / expected disagreement. Summed in the order of numpy and
 * scikit-learn, so that numbers published from those come out to the last digit. Null: nothing to disagree on.
 */
export function cohenKappa(a: readonly number[], b: readonly number[]): number | null {
  if (a.length !== b.length) throw new RangeError(`labels differ in number: ${a.length} and ${b.length}`);
  const labels = [...new Set([...a, ...b])].sort((x, y) => x - y);
  const place = new Map(labels.map((label, i) => [label, i]));
  const counts = labels.map(() => labels.map(() => 0));
  for (const [i, label] of a.entries()) counts[place.get(label)!]![place.get(b[i]!)!]!++;
  const columns = labels.map((_, j) => counts.reduce((sum, row) => sum + row[j]!, 0));
  const rows = counts.map((row) => row.reduce((sum, n) => sum + n, 0));
  const observed: number[] = [];
  const expected: number[] = [];
  for (const [i, column] of columns.entries())
    for (const [j, row] of rows.entries()) {
      observed.push(i === j ? 0 : counts[i]![j]!);
      expected.push(i === j ? 0 : (column * row) / a.length);
    }
  const total = pairwiseSum(expected);
  return total === 0 ? null : 1 - pairwiseSum(observed) / total;
}

/** numpy's sum of up to 128 numbers: eight running sums, joined two by two, then the rest. */
function pairwiseSum(values: readonly number[]): number {
  if (values.length < 8) return values.reduce((sum, value) => sum + value, 0);
  const r = values.slice(0, 8);
  const whole = values.length - (values.length % 8);
  for (let i = 8; i < whole; i++) r[i % 8] = r[i % 8]! + values[i]!;
  const joined = r[0]! + r[1]! + (r[2]! + r[3]!) + (r[4]! + r[5]! + (r[6]! + r[7]!));
  return values.slice(whole).reduce((sum, value) => sum + value, joined);
}

/** 1: the first answer, 2: the second, 0: a tie; null: the judge's words could not be read. */
export type Choice = 0 | 1 | 2 | null;

/** One pair, judged as shown and (where it was) with its answers swapped. Both said in the order of the first. */
export interface JudgedPair {
  readonly human: 0 | 1 | 2;
  readonly asShown: Choice;
  readonly swapped?: Choice;
}

export interface PairAgreement {
  readonly pairs: number;
  /** Share of the verdicts (both orders, where there are two) that are people's. An unread verdict is a miss. */
  readonly accuracy: Estimate;
  /** Ties of people are left out of this one. */
  readonly accuracyWithoutTies: Estimate;
  readonly judgeTies: Estimate;
  readonly parseFailures: Estimate;
  readonly kappa: number | null;
  /** Null where there is one order. */
  readonly position: PositionBias | null;
}

export interface PositionBias {
  /** Both orders give the same verdict. */
  readonly consistent: Estimate;
  /** Share of the verdicts that choose an answer which choose the one shown first: ½ for a judge without bias. */
  readonly firstChosen: Estimate;
  /** Right in both orders. */
  readonly rightTwice: Estimate;
}

const share = (holds: readonly boolean[], by: Resampling): Estimate => bootstrapMean(holds.map(Number), by);

/** Intervals are bootstraps over verdicts. */
export function pairAgreement(pairs: readonly JudgedPair[], by: Resampling): PairAgreement {
  const said = pairs.flatMap(({ human, asShown, swapped }) =>
    [asShown, ...(swapped === undefined ? [] : [swapped])].map((choice) => ({ human, choice })),
  );
  const twice = pairs.filter((pair) => pair.swapped !== undefined);
  const read = said.filter(({ choice }) => choice !== null);
  return {
    pairs: pairs.length,
    accuracy: share(
      said.map(({ human, choice }) => human === choice),
      by,
    ),
    accuracyWithoutTies: share(
      said.filter(({ human }) => human !== 0).map(({ human, choice }) => human === choice),
      by,
    ),
    judgeTies: share(
      said.map(({ choice }) => choice === 0),
      by,
    ),
    parseFailures: share(
      said.map(({ choice }) => choice === null),
      by,
    ),
    kappa: cohenKappa(
      read.map(({ human }) => human),
      read.map(({ choice }) => choice!),
    ),
    position: twice.length === 0 ? null : positionBias(twice, by),
  };
}

function positionBias(pairs: readonly JudgedPair[], by: Resampling): PositionBias {
  const first = pairs.flatMap(({ asShown, swapped }) => [
    ...(asShown ? [asShown === 1] : []),
    ...(swapped ? [swapped === 2] : []),
  ]);
  return {
    consistent: share(
      pairs.map(({ asShown, swapped }) => asShown !== null && asShown === swapped),
      by,
    ),
    firstChosen: share(first, by),
    rightTwice: share(
      pairs.map(({ human, asShown, swapped }) => asShown === human && swapped === human),
      by,
    ),
  };
}

export interface CalibrationBin {
  /** Difference of the two scores: above `over`, up to `upTo`. */
  readonly over: number;
  readonly upTo: number;
  readonly pairs: number;
  /** Of those pairs, the share that people order the same way. */
  readonly accuracy: Estimate;
}

const EDGES = [0, 0.5, 1, 1.5, 2, 3, 4, Number.POSITIVE_INFINITY];

/** Accuracy by how far the judge's scores stand apart. Ties of people or of the judge are no pair here. */
export function calibration(groups: readonly JudgedRanking[], by: Resampling): readonly CalibrationBin[] {
  const pairs = groups.flatMap(({ responses }) =>
    responses.flatMap((a, i) =>
      responses.slice(0, i).flatMap((b) => {
        if (a.score === null || b.score === null || Math.abs(a.value - b.value) < 1e-9) return [];
        const apart = a.score - b.score;
        return Math.abs(apart) < 1e-9
          ? []
          : [{ apart: Math.abs(apart), right: apart > 0 === a.value > b.value }];
      }),
    ),
  );
  return EDGES.slice(1).flatMap((upTo, i) => {
    const over = EDGES[i]!;
    const inside = pairs.filter(({ apart }) => apart > over + 1e-9 && apart <= upTo + 1e-9);
    if (inside.length === 0) return [];
    return [
      {
        over,
        upTo,
        pairs: inside.length,
        accuracy: share(
          inside.map(({ right }) => right),
          by,
        ),
      },
    ];
  });
}

export interface ReliabilityBin {
  /** Scores to the nearest whole point, halves up. */
  readonly score: number;
  readonly responses: number;
  /** Of the pairs that these responses stand in, the share in which people prefer them (a tie is a half). */
  readonly preferred: Estimate;
}

/** Whether a higher score means what it should: people prefer the response more often. */
export function reliability(groups: readonly JudgedRanking[], by: Resampling): readonly ReliabilityBin[] {
  const won = groups.flatMap(({ responses }) =>
    responses.flatMap(({ score, value }, i) => {
      const rivals = responses.filter((_, j) => j !== i);
      if (score === null || rivals.length === 0) return [];
      const points = rivals.map((rival) => (Math.sign(Math.round((value - rival.value) * 1e9)) + 1) / 2);
      return [{ score: Math.floor(score + 0.5), share: points.reduce((a, b) => a + b, 0) / points.length }];
    }),
  );
  const scores = [...new Set(won.map(({ score }) => score))].sort((a, b) => a - b);
  return scores.map((score) => {
    const own = won.filter((one) => one.score === score);
    return {
      score,
      responses: own.length,
      preferred: bootstrapMean(
        own.map((one) => one.share),
        by,
      ),
    };
  });
}
