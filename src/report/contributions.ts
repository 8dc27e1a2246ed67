/**
 * How each published number is made of its facts: what is counted, and what each answer, comparison or probe group adds to it.
 * The numbers themselves are those of src/stages/metrics.ts; nothing here is published.
 */
import type { Verdict } from '../protocol/messages.js';
import { scoreHistogram } from '../stages/evaluate.js';
import { meanScore } from '../stages/judge.js';
import {
  exactMatch,
  fiveBest,
  groupKendall,
  groupSpearman,
  type JudgedRanking,
  judgeTies,
  pairwiseAccuracy,
} from '../stages/measures.js';
import type { Evaluation, Placed } from './evaluation.js';

export interface Contribution {
  /** Id of the held-out prompt or the probe group. */
  readonly of: string;
  /** Null: it is left out of the number. */
  readonly value: number | null;
  /** Where the facts behind it stand. */
  readonly seqs: readonly number[];
  readonly texts: Readonly<Record<string, string>>;
  readonly facts?: Readonly<Record<string, readonly (string | number)[]>>;
}

export interface Composition {
  readonly how: string;
  /** What one contribution is. */
  readonly each: string;
  readonly contributions: readonly Contribution[];
}

type Answered = Placed<'evaluation.answered'>;
type Judged = Placed<'evaluation.judged'>;

const scoreOf = (verdicts: readonly Verdict[]): number | null => meanScore(verdicts).score;
const difference = (a: number | null, b: number | null): number | null =>
  a === null || b === null ? null : a - b;

const perAnswer = (
  answered: readonly Answered[],
  value: (body: Answered['body'], i: number) => number | null,
) =>
  answered.map(({ seq, body }, i) => ({
    of: body.id,
    value: value(body, i),
    seqs: [seq],
    texts: { prompt: body.prompt, answer: body.generation.text },
  }));

function perGroup(
  judged: readonly Judged[],
  measure: (group: JudgedRanking) => number | null,
): Contribution[] {
  const groups = new Map<string, Judged[]>();
  for (const one of judged) groups.set(one.body.group, [...(groups.get(one.body.group) ?? []), one]);
  return [...groups].map(([of, own]) => ({
    of,
    value: measure({
      responses: own.map(({ body }) => ({ value: body.value, score: scoreOf(body.verdicts) })),
    }),
    seqs: own.map(({ seq }) => seq),
    texts: {},
    facts: {
      values: own.map(({ body }) => body.value),
      scores: own.map(({ body }) => scoreOf(body.verdicts) ?? 'unreadable'),
    },
  }));
}

const perJudged = (
  judged: readonly Judged[],
  value: (verdicts: readonly Verdict[]) => number,
): Contribution[] =>
  judged.map(({ seq, body }) => ({
    of: `${body.group}#${body.index}`,
    value: value(body.verdicts),
    seqs: [seq],
    texts: Object.fromEntries(body.texts.map((text, i) => [`judgement ${i}`, text])),
  }));

/** n-grams of an answer that no answer before it has: together, over all n-grams, they are the share of different ones. */
function firstSeen(answered: readonly Answered[], grams: (ids: readonly number[]) => readonly string[]) {
  const seen = new Set<string>();
  return perAnswer(answered, ({ generation }) => {
    const before = seen.size;
    for (const gram of grams(generation.ids)) seen.add(gram);
    return seen.size - before;
  });
}

const gramsOf =
  (n: number) =>
  (ids: readonly number[]): readonly string[] =>
    ids.slice(n - 1).map((_, i) => ids.slice(i, i + n).join());

function leads({ answered, before, compared }: Evaluation, by: string, against: string): Contribution[] {
  const theirs = new Map<string, { seq: number; score: number | null }>();
  if (by === 'oracle')
    for (const [version, answers] of before)
      for (const { seq, body } of version === against ? answers : [])
        theirs.set(body.id, { seq, score: body.truth });
  else
    for (const { seq, body } of compared)
      if (body.against === against) theirs.set(body.id, { seq, score: scoreOf(body.verdicts) });
  return answered
    .filter(({ body }) => theirs.has(body.id))
    .map(({ seq, body }) => {
      const other = theirs.get(body.id)!;
      const own = by === 'oracle' ? body.truth : scoreOf(body.selfScores);
      const texts = { prompt: body.prompt, answer: body.generation.text };
      return { of: body.id, value: difference(own, other.score), seqs: [seq, other.seq], texts };
    });
}

const GROUP: Readonly<
  Record<string, readonly [string, (group: JudgedRanking, max: number) => number | null]>
> = {
  pairwise: [
    'share of the pairs of responses, strictly ordered by people or the truth, that the mean scores order alike',
    pairwiseAccuracy,
  ],
  fiveBest: ['share of the responses scored perfect that nothing in their group is ranked above', fiveBest],
  exactMatch: ['share of groups whose whole order the mean scores give, ties and all', exactMatch],
  spearman: ['Spearman’s ρ of mean scores and values', groupSpearman],
  kendall: ['Kendall’s τ-b of mean scores and values', groupKendall],
  ties: ['share of the strictly ordered pairs that the mean scores leave tied', judgeTies],
};

const ANSWER: Readonly<Record<string, (evaluation: Evaluation) => Composition>> = {
  'true.score': ({ answered }) => ({
    how: 'mean over held-out prompts of the true score of the one answer to each',
    each: 'the true score of an answer',
    contributions: perAnswer(answered, ({ truth }) => truth),
  }),
  'self.score': ({ answered }) => ({
    how: 'mean over held-out prompts of the mean of the readable verdicts of the cast judge',
    each: 'the mean verdict on an answer',
    contributions: perAnswer(answered, ({ selfScores }) => scoreOf(selfScores)),
  }),
  gap: ({ answered }) => ({
    how: 'mean of self-score − true score over the answers that have both',
    each: 'self-score − true score of an answer',
    contributions: perAnswer(answered, ({ selfScores, truth }) => difference(scoreOf(selfScores), truth)),
  }),
  length: ({ answered }) => ({
    how: 'mean number of tokens of the answers, the end token not counted',
    each: 'tokens of an answer',
    contributions: perAnswer(answered, ({ tokens }) => tokens),
  }),
  kl: ({ answered }) => ({
    how: 'mean over answers of Σ log p(version) − log p(reference), nats, at temperature 1',
    each: 'the log-ratio of an answer',
    contributions: perAnswer(answered, ({ logprob, referenceLogprob }) =>
      difference(logprob, referenceLogprob),
    ),
  }),
  distinct1: ({ answered }) => ({
    how: 'different tokens / all tokens, over all answers',
    each: 'tokens of an answer that no answer before it has',
    contributions: firstSeen(answered, gramsOf(1)),
  }),
  distinct2: ({ answered }) => ({
    how: 'different pairs of neighbouring tokens / all such pairs, over all answers',
    each: 'pairs of an answer that no answer before it has',
    contributions: firstSeen(answered, gramsOf(2)),
  }),
  unique: ({ answered }) => ({
    how: 'different answers / answers',
    each: '1 where no answer before it is the same',
    contributions: firstSeen(answered, (ids) => [ids.join()]),
  }),
};

function judgeComposition({ judged }: Evaluation, measure: string, max: number): Composition | undefined {
  if (measure === 'unparseable')
    return {
      how: 'share of the single judgements of the probe bank that could not be read',
      each: 'share of the judgements of one response that could not be read',
      contributions: perJudged(
        judged,
        (verdicts) => verdicts.filter(({ status }) => status === 'unparseable').length / verdicts.length,
      ),
    };
  const bin = /^histogram\.(\d+)$/.exec(measure)?.[1];
  if (bin !== undefined)
    return {
      how: `number of readable judgements of the probe bank whose score is nearest to ${bin}`,
      each: 'such judgements of one response',
      contributions: perJudged(judged, (verdicts) => {
        const scores = verdicts.flatMap((verdict) => (verdict.status === 'score' ? [verdict.score] : []));
        return scoreHistogram(scores, 0, max)[Number(bin)] ?? 0;
      }),
    };
  const found = GROUP[measure];
  return (
    found && {
      how: `mean over probe groups of the ${found[0]}`,
      each: 'the measure of one group',
      contributions: perGroup(judged, (group) => found[1](group, max)),
    }
  );
}

/** How a number is made, or undefined for a name that is none. */
export function compositionOf(
  evaluation: Evaluation,
  name: string,
  maxScore: number,
): Composition | undefined {
  const own = ANSWER[name];
  if (own) return own(evaluation);
  if (name.startsWith('judge.')) return judgeComposition(evaluation, name.slice('judge.'.length), maxScore);
  const [, by, against, part] = /^h2h\.(oracle|judge)\.(.+)\.(win|tie|loss|margin)$/.exec(name) ?? [];
  if (!by || !against) return undefined;
  const score = by === 'oracle' ? 'true score' : 'mean verdict of this version’s judge';
  const share =
    part === 'margin' ? 'wins − losses' : part === 'win' ? 'wins' : part === 'tie' ? 'ties' : 'losses';
  return {
    how: `${share} / held-out prompts where both answers have a ${score}; a lead above 0 is a win over ${against}`,
    each: `lead: ${score} of the answer − that of ${against}’s answer`,
    contributions: leads(evaluation, by, against),
  };
}
