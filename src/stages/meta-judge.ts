/**
 * Owns: what a meta-judge is asked of two judgements of one answer, and how its words, its likelihoods or a true score become a
 * verdict. Meta-Rewarding (Wu et al. 2024), §2.3. What follows from many verdicts stands in variants/meta-rewarding.ts.
 * Invariant: every two judgements meet twice, once in either order; what can't be read is no verdict.
 */
import type { ResponseId } from '../protocol/ids.js';
import type { BodyOf, MessageOf, Verdict } from '../protocol/messages.js';
import type { MetaJudgeTemplate } from '../protocol/records.js';
import { parseVerdict } from './judge.js';
import { keys } from './keys.js';
import { render } from './templates.js';

export type MetaRequest = BodyOf<'meta-judgements.request'>;
export type MetaVerdict = BodyOf<'meta-judgement.made'>['verdict'];
type Compared = MetaRequest['judgements'][number];

/** Two judgements in the order in which they are shown. */
export interface Battle {
  readonly id: string;
  readonly first: Compared;
  readonly second: Compared;
  readonly key: [number, number];
}

/** The short name of a judgement: `0.2` of `1-0042/3/0.2`. */
const shortly = ({ id }: Compared): string => id.slice(id.lastIndexOf('/') + 1);

export const battlesOf = ({ response, judgements }: MetaRequest, seed: number): readonly Battle[] =>
  judgements.flatMap((first) =>
    judgements
      .filter((second) => second !== first)
      .map((second) => ({
        id: `${response.id}/${shortly(first)}-${shortly(second)}`,
        first,
        second,
        key: [...keys.meta(seed, response.id as ResponseId, shortly(first), shortly(second))],
      })),
  );

export const metaPrompt = (
  template: MetaJudgeTemplate,
  { prompt, response }: MetaRequest,
  { first, second }: Battle,
): string =>
  render(template.prompt, { prompt, response: response.text, first: first.text, second: second.text });

/** The words for "the first" and "the second", after the marker: what a likelihood is asked of. */
export const verdictTexts = ({ verdict }: MetaJudgeTemplate): readonly [string, string] => {
  const [first, second] = [1, 2].map((place) =>
    Object.entries(verdict.words).find(([, points]) => points === place),
  );
  return [`${verdict.marker} ${first![0]}`, `${verdict.marker} ${second![0]}`];
};

const none = (reason: string): MetaVerdict => ({ status: 'none', reason });

export function writtenVerdict(text: string, template: MetaJudgeTemplate): MetaVerdict {
  const read = parseVerdict(text, template);
  if (read.status === 'unparseable') return none(read.reason);
  return { status: read.score === 1 ? 'first' : 'second' };
}

/** Log-probs of the two verdict texts, nats; null where one doesn't fit the context. */
export function likelierVerdict(first: number | null, second: number | null): MetaVerdict {
  if (first === null || second === null) return none('the two judgements do not fit the context');
  if (first === second) return none('both verdicts are equally likely');
  return { status: first > second ? 'first' : 'second' };
}

/** The better judgement is the one whose score is nearer to the true one. */
export function trueVerdict(truth: Verdict, { first, second }: Battle): MetaVerdict {
  if (truth.status === 'unparseable') return none(truth.reason);
  const [a, b] = [first, second].map(({ score }) => Math.abs(score - truth.score)) as [number, number];
  if (a === b) return none('both are as far from the true score');
  return { status: a < b ? 'first' : 'second' };
}

/** A coin: the control. The scorer `random` gives 0–5. */
export const randomVerdict = (drawn: Verdict): MetaVerdict =>
  drawn.status === 'score' ? { status: drawn.score < 3 ? 'first' : 'second' } : none(drawn.reason);

export type ReadVerdict = Pick<BodyOf<'meta-judgement.made'>, 'verdict' | 'generation'>;

/** What a result says of each battle, in their order. */
export function verdictsIn(
  by: {
    readonly seed: number;
    readonly cast: { readonly player: string };
    readonly template: MetaJudgeTemplate;
  },
  request: MetaRequest,
  result: MessageOf<'model.result' | 'score.result' | 'likelihood.result'>,
): readonly ReadVerdict[] {
  const silent = (verdict: MetaVerdict): ReadVerdict => ({ verdict, generation: null });
  const battles = battlesOf(request, by.seed);
  switch (result.type) {
    case 'score.result': {
      const drawn = result.body.items.flatMap(({ verdicts }) => verdicts);
      if (by.cast.player === 'random') return drawn.map((one) => silent(randomVerdict(one)));
      return battles.map((battle) => silent(trueVerdict(drawn[0]!, battle)));
    }
    case 'likelihood.result': {
      const likely = result.body.items.map(({ logprob }) => logprob);
      return battles.map((_, i) => silent(likelierVerdict(likely[2 * i]!, likely[2 * i + 1]!)));
    }
    case 'model.result':
      return result.body.items.map(({ outputs: [generation] }) => ({
        verdict: writtenVerdict(generation!.text, by.template),
        generation: generation!,
      }));
    default:
      return result satisfies never;
  }
}
