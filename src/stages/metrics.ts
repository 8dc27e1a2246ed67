/**
 * Owns: the list of numbers that is published of a version, and their names, from the facts on the log alone. What each
 * means stands in evaluate.ts, measures.ts and outputs.ts.
 */
import type { VersionId } from '../protocol/ids.js';
import type { BodyOf, Metric, Verdict } from '../protocol/messages.js';
import type { Estimate, Resampling } from '../stats.js';
import {
  hackingGap,
  headToHead,
  meanOfScores,
  parseFailures,
  type ScoredAnswer,
  scoreHistogram,
} from './evaluate.js';
import { meanScore } from './judge.js';
import { keys } from './keys.js';
import { type JudgedRanking, rewardModelling } from './measures.js';
import { diversity, klFromReference, lengths } from './outputs.js';

/** All that was noted while one version was measured, and the older answers it is compared with. */
export interface EvaluationFacts {
  readonly version: VersionId;
  readonly answered: readonly BodyOf<'evaluation.answered'>[];
  readonly judged: readonly BodyOf<'evaluation.judged'>[];
  readonly compared: readonly BodyOf<'evaluation.compared'>[];
  /** Answers of the versions that this one is compared with. */
  readonly before: ReadonlyMap<VersionId, readonly BodyOf<'evaluation.answered'>[]>;
}

export interface MetricOptions {
  readonly seed: number;
  readonly resamples: number;
  readonly confidence: number;
  /** The perfect score of the judge template. */
  readonly maxScore: number;
}

type Ask = (name: string) => Resampling;

const plain = (name: string, value: number | null, n: number): Metric => ({ name, value, interval: null, n });
const estimated = (name: string, { value, interval, n }: Estimate): Metric => ({ name, value, interval, n });
const scoreOf = (verdicts: readonly Verdict[]): number | null => meanScore(verdicts).score;

/** Every number of one evaluation, in a fixed order. */
export function metricsOf(facts: EvaluationFacts, options: MetricOptions): Metric[] {
  const ask: Ask = (name) => ({
    key: keys.bootstrap(options.seed, facts.version, name),
    resamples: options.resamples,
    confidence: options.confidence,
  });
  return [
    ...scoreMetrics(facts, ask),
    ...headToHeads(facts, ask),
    ...judgeMetrics(facts, options, ask),
    ...textMetrics(facts, ask),
  ];
}

function scoreMetrics({ answered }: EvaluationFacts, ask: Ask): Metric[] {
  const truth = answered.map(({ id, truth }) => ({ id, score: truth }));
  const self = answered.map(({ id, selfScores }) => ({ id, score: scoreOf(selfScores) }));
  const { gap } = hackingGap(
    answered.map((a) => ({ self: scoreOf(a.selfScores), truth: a.truth })),
    ask('gap'),
  );
  return [
    estimated('true.score', meanOfScores(truth, ask('true.score'))),
    estimated('self.score', meanOfScores(self, ask('self.score'))),
    estimated('gap', gap),
  ];
}

function headToHeads({ answered, compared, before }: EvaluationFacts, ask: Ask): Metric[] {
  const truth = answered.map(({ id, truth }) => ({ id, score: truth }));
  const self = answered.map(({ id, selfScores }) => ({ id, score: scoreOf(selfScores) }));
  return [...before].flatMap(([against, answers]) => [
    ...versus(
      `h2h.oracle.${against}`,
      truth,
      answers.map(({ id, truth }) => ({ id, score: truth })),
      ask,
    ),
    ...versus(
      `h2h.judge.${against}`,
      self,
      compared
        .filter((c) => c.against === against)
        .map(({ id, verdicts }) => ({ id, score: scoreOf(verdicts) })),
      ask,
    ),
  ]);
}

function versus(name: string, a: readonly ScoredAnswer[], b: readonly ScoredAnswer[], ask: Ask): Metric[] {
  const { wins, ties, losses, margin } = headToHead(a, b, ask(name));
  const n = wins + ties + losses;
  const share = (count: number) => (n === 0 ? null : count / n);
  return [
    plain(`${name}.win`, share(wins), n),
    plain(`${name}.tie`, share(ties), n),
    plain(`${name}.loss`, share(losses), n),
    estimated(`${name}.margin`, margin),
  ];
}

function rankingsOf(judged: readonly BodyOf<'evaluation.judged'>[]): JudgedRanking[] {
  const groups = new Map<string, { value: number; score: number | null }[]>();
  for (const { group, value, verdicts } of judged)
    groups.set(group, [...(groups.get(group) ?? []), { value, score: scoreOf(verdicts) }]);
  return [...groups.values()].map((responses) => ({ responses }));
}

function judgeMetrics({ judged }: EvaluationFacts, { maxScore }: MetricOptions, ask: Ask): Metric[] {
  const measures = rewardModelling(rankingsOf(judged), maxScore, ask('judge'));
  const verdicts = judged.flatMap((one) => one.verdicts);
  const scores = verdicts.flatMap((v) => (v.status === 'score' ? [v.score] : []));
  return [
    estimated('judge.pairwise', measures.pairwiseAccuracy),
    estimated('judge.fiveBest', measures.fiveBest),
    estimated('judge.exactMatch', measures.exactMatch),
    estimated('judge.spearman', measures.spearman),
    estimated('judge.kendall', measures.kendall),
    estimated('judge.ties', measures.judgeTies),
    estimated('judge.unparseable', parseFailures(verdicts, ask('judge.unparseable'))),
    ...scoreHistogram(scores, 0, maxScore).map((count, score) =>
      plain(`judge.histogram.${score}`, count, scores.length),
    ),
  ];
}

function textMetrics({ answered }: EvaluationFacts, ask: Ask): Metric[] {
  const { distinct1, distinct2, unique } = diversity(answered.map(({ generation }) => generation.ids));
  const logprobs = answered.flatMap(({ logprob, referenceLogprob }) =>
    logprob === null || referenceLogprob === null ? [] : [{ own: logprob, reference: referenceLogprob }],
  );
  const n = answered.length;
  return [
    estimated(
      'length',
      lengths(
        answered.map(({ tokens }) => tokens),
        ask('length'),
      ).mean,
    ),
    plain('distinct1', distinct1, n),
    plain('distinct2', distinct2, n),
    plain('unique', unique, n),
    estimated('kl', klFromReference(logprobs, ask('kl'))),
  ];
}
