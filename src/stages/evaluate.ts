/**
 * Owns: what is measured of a version from its answers to held-out prompts: head to head against another version,
 * self-score against true score, parse failures, score histogram. Its judging stands in measures.ts, its text in
 * outputs.ts. Everything takes plain arrays, so it can be recomputed from the log. Paper §3.2.
 * Unlike the paper's head to head (GPT-4 compares two texts, in both orders), ours compares scores given to each answer
 * alone: by the oracle or by a judge. There is no order to average over.
 */
import type { Verdict } from '../protocol/messages.js';
import { bootstrapMargin, bootstrapMean, bootstrapPaired, type Estimate, type Resampling } from '../stats.js';

/** One version's answer to one prompt, scored. */
export interface ScoredAnswer {
  /** The prompt's id. */
  readonly id: string;
  /** Null where the oracle has no truth or no judgement could be read. */
  readonly score: number | null;
}

export interface HeadToHead {
  readonly wins: number;
  readonly ties: number;
  readonly losses: number;
  /** Prompts where either answer has no score: in none of the three. */
  readonly undecided: number;
  /** (wins − losses) / decided, bootstrap over prompts. */
  readonly margin: Estimate;
}

const EQUAL = 1e-9;

/** `a` against `b` on the prompts that both answered, whatever their order. */
export function headToHead(
  a: readonly ScoredAnswer[],
  b: readonly ScoredAnswer[],
  resampling: Resampling,
): HeadToHead {
  const scoresB = new Map(b.map(({ id, score }) => [id, score]));
  const met = a.filter(({ id }) => scoresB.has(id));
  const leads = met.flatMap(({ id, score }) => {
    const other = scoresB.get(id) ?? null;
    return score === null || other === null ? [] : [score - other];
  });
  const wins = leads.filter((lead) => lead > EQUAL).length;
  const losses = leads.filter((lead) => lead < -EQUAL).length;
  const record = { wins, losses, ties: leads.length - wins - losses };
  return { ...record, undecided: met.length - leads.length, margin: bootstrapMargin(record, resampling) };
}

/** One answer as the version itself scores it and as it really is. */
export interface SelfAndTruth {
  readonly self: number | null;
  readonly truth: number | null;
}

export interface HackingGap {
  /** All three over the answers that have both scores. */
  readonly self: Estimate;
  readonly truth: Estimate;
  /** Mean of self − truth, paired: above 0, the model thinks better of itself than it should. */
  readonly gap: Estimate;
  /** Answers that lack one of the two. */
  readonly unknown: number;
}

export function hackingGap(answers: readonly SelfAndTruth[], resampling: Resampling): HackingGap {
  const both = answers.flatMap(({ self, truth }) =>
    self === null || truth === null ? [] : [{ self, truth }],
  );
  const self = both.map((answer) => answer.self);
  const truth = both.map((answer) => answer.truth);
  return {
    self: bootstrapMean(self, resampling),
    truth: bootstrapMean(truth, resampling),
    gap: bootstrapPaired(self, truth, resampling),
    unknown: answers.length - both.length,
  };
}

/** Mean of the scores there are. */
export const meanOfScores = (answers: readonly ScoredAnswer[], resampling: Resampling): Estimate =>
  bootstrapMean(
    answers.map(({ score }) => score).filter((score) => score !== null),
    resampling,
  );

/** Share of single judgements that could not be read. */
export const parseFailures = (verdicts: readonly Verdict[], resampling: Resampling): Estimate =>
  bootstrapMean(
    verdicts.map(({ status }) => (status === 'unparseable' ? 1 : 0)),
    resampling,
  );

/** How many scores fall on each whole point min … max, decimals to the nearest, halves up. */
export function scoreHistogram(scores: readonly number[], min = 0, max = 5): readonly number[] {
  const bins = new Array<number>(max - min + 1).fill(0);
  for (const score of scores) {
    const bin = Math.min(max, Math.max(min, Math.floor(score + 0.5))) - min;
    bins[bin] = bins[bin]! + 1;
  }
  return bins;
}
