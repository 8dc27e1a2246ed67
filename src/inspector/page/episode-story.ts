/**
 * An episode put together from its messages: prompt → answers → judgements of each → pair or reason. Pure; what the log doesn't
 * hold yet is absent, and types that this page doesn't know are kept for showing as they are.
 */
import type { BodyOf, Candidate, Envelope, MessageType, Verdict } from '../../protocol/messages.js';
import type { episode } from '../reading.js';

export type Answer = ReturnType<typeof episode>;
export type Said<T extends MessageType> = Envelope & { readonly body: BodyOf<T> };
type TrueScore = NonNullable<Answer['truths'][string]>;

export interface JudgedAnswer {
  readonly candidate: Candidate;
  readonly judgements: readonly Said<'judgement.made'>[];
  /** Mean of those that could be read; null where none could. */
  readonly mean: number | null;
  readonly truth: TrueScore | null;
  readonly part: 'chosen' | 'rejected' | null;
  /** Praised by the judge, worth little in truth. */
  readonly isOverrated: boolean;
}
export interface Story {
  readonly prompt: Said<'prompt.made'> | Said<'prompt.filtered'> | Said<'prompt.failed'> | null;
  readonly answers: Said<'responses.made'> | null;
  readonly judged: readonly JudgedAnswer[];
  readonly end: Said<'pair.made'> | Said<'pair.withheld'> | null;
  /** Messages that say neither of these: requests, failures, what a later version of the log may hold. */
  readonly others: readonly Envelope[];
}

export const verdictWords = (verdict: Verdict, { marker, min, max }: Answer['scale']): string => {
  if (verdict.status === 'score') return `score ${verdict.score}`;
  const known: Readonly<Record<string, string>> = {
    'no-marker': `unreadable: it never says “${marker}”`,
    'no-score': `unreadable: no score follows “${marker}”`,
    'out-of-range': `unreadable: the score is not between ${min} and ${max}`,
  };
  return known[verdict.reason] ?? `unreadable: ${verdict.reason}`;
};

const WITHHELD: Readonly<Record<string, string>> = {
  filtered: 'the prompt was filtered out',
  'too-few': 'there were not two different answers to compare',
  unparseable: 'fewer than two answers have a judgement that can be read',
  tie: 'all answers have the same score, so none is better',
  failed: 'a step failed',
};
const FILTERED: Readonly<Record<string, string>> = {
  empty: 'it was empty',
  'too-short': 'it was too short',
  'too-long': 'it was too long',
  keyword: 'it holds a word that is not allowed',
  duplicate: 'it was there already',
  'held-out': 'it is one of the prompts to measure with',
  similar: 'it is too much like another prompt',
};
export const withheldWords = (reason: string): string => WITHHELD[reason] ?? reason;
export const filteredWords = (reason: string): string => FILTERED[reason] ?? reason;

/** Shares of the scale above and below which a score is high and low. */
const HIGH = 0.6;
const LOW = 0.4;

const isOverrated = (mean: number | null, truth: TrueScore | null, { min, max }: Answer['scale']): boolean =>
  mean !== null &&
  truth !== null &&
  mean - min >= HIGH * (max - min) &&
  truth.score - min <= LOW * (max - min);

function meanOf(judgements: readonly Said<'judgement.made'>[]): number | null {
  const scores = judgements.flatMap(({ body: { verdict } }) =>
    verdict.status === 'score' ? [verdict.score] : [],
  );
  return scores.length === 0 ? null : scores.reduce((sum, score) => sum + score, 0) / scores.length;
}

export function storyOf({ envelopes, truths, scale }: Answer): Story {
  const last = <T extends MessageType>(...types: readonly T[]) =>
    (envelopes.findLast(({ type }) => (types as readonly string[]).includes(type)) ?? null) as Said<T> | null;
  const prompt = last('prompt.made', 'prompt.filtered', 'prompt.failed') as Story['prompt'];
  const answers = last('responses.made');
  const end = last('pair.made', 'pair.withheld') as Story['end'];
  const byId = new Map<string, Said<'judgement.made'>>();
  for (const one of envelopes)
    if (one.type === 'judgement.made')
      byId.set((one as Said<'judgement.made'>).body.id, one as Said<'judgement.made'>);
  const pair = end?.type === 'pair.made' ? (end.body as BodyOf<'pair.made'>) : null;
  const judged = (answers?.body.candidates ?? []).map((candidate): JudgedAnswer => {
    const judgements = [...byId.values()].filter(({ body }) => body.response === candidate.id);
    const mean = meanOf(judgements);
    const truth = truths[candidate.id] ?? null;
    const isIn = (scored: { readonly response: string } | undefined) => scored?.response === candidate.id;
    const part = isIn(pair?.chosen) ? 'chosen' : isIn(pair?.rejected) ? 'rejected' : null;
    return { candidate, judgements, mean, truth, part, isOverrated: isOverrated(mean, truth, scale) };
  });
  const told = new Set<Envelope | null>([prompt, answers, end, ...byId.values()]);
  return { prompt, answers, judged, end, others: envelopes.filter((one) => !told.has(one)) };
}
