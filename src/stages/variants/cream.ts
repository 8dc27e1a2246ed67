/**
 * CREAM: Wang et al. 2024, "CREAM: Consistency Regularized Self-Rewarding Language Models", algorithm 1. Answers are ranked
 * twice: by the implicit DPO reward log π_t − log π_ref of the newest version and by that of the version before. The
 * consistency of an episode is (τ + 1)/2, τ Kendall's; C is its mean over the iteration; the loss is
 * C·DPO + (1 − C)·DPO with every pair reversed. Pairs are the best against the worst of the first ranking.
 *
 * Departures:
 * - The two rankings are two members of the bench, `ensemble:[implicit,implicit:1]`; with `ensemble:[live,lagged:1]` the same
 *   loss regularises written judgements.
 * - π_ref is M0. In iteration 1 the version before is M0 itself, whose reward would be 0 of everything: there both versions
 *   rank by their mean log-prob a token, as the authors' code does without a reference. (M1 against M0 beside M0 alone would
 *   disagree by construction: the one ranks by minus what the other ranks by.)
 * - τ is τ-b; an episode in which one ranking is constant has no consistency and counts for nothing. Without any, C = 1.
 * - Held-out answers are judged in writing by the version itself: an implicit reward says little of another model's answers.
 */
import { versionOf } from '../../protocol/ids.js';
import type { PairRecipe } from '../../protocol/lm.js';
import type { BodyOf, Verdict } from '../../protocol/messages.js';
import type { PromptFormat } from '../../protocol/records.js';
import { kendallTauB } from '../../stats.js';
import { throughOf } from '../reading.js';
import { chatPrompt } from '../templates.js';

/** What a member of the bench that is `by` versions behind M_t is asked. */
export function likelihoodRequest(
  id: string,
  { iteration, by }: { readonly iteration: number; readonly by: number },
  format: PromptFormat,
  prompt: string,
  answers: readonly { readonly response: string; readonly text: string }[],
): BodyOf<'likelihood.request'> {
  const version = versionOf(Math.max(0, iteration - by));
  return {
    id,
    version,
    reference: iteration <= 1 ? null : versionOf(0),
    ...throughOf(format),
    items: answers.map(({ response, text }) => ({
      id: response,
      prompt: chatPrompt(format, prompt),
      target: text,
    })),
  };
}

/** Nats; a token, where there is no reference. */
export function rewardOf({
  logprob,
  reference,
  tokens,
}: BodyOf<'likelihood.result'>['items'][number]): Verdict {
  if (logprob === null || tokens === 0)
    return { status: 'unparseable', reason: 'the answer does not fit the context' };
  return { status: 'score', score: reference === null ? logprob / tokens : logprob - reference };
}

/** Of each answer, as a scorer's one judgement. */
export const rewardsIn = ({ items }: BodyOf<'likelihood.result'>) =>
  items.map((item) => ({ id: item.id, made: [{ verdict: rewardOf(item), generation: null }] }));

/** (τ + 1)/2 of two rankings, over the answers that both could rank; null where τ is undefined. */
export function consistencyOf(
  first: readonly (number | null)[],
  second: readonly (number | null)[],
): number | null {
  const both = first.flatMap((a, i) => (a !== null && second[i] != null ? [[a, second[i]] as const] : []));
  const tau = kendallTauB(
    both.map(([a]) => a),
    both.map(([, b]) => b),
  );
  return tau === null ? null : (tau + 1) / 2;
}

/** By episode; the mean is formed in the order of their ids, whatever came first. */
export function cream(consistencies: Readonly<Record<string, number>>): PairRecipe {
  const values = Object.keys(consistencies)
    .sort()
    .map((id) => consistencies[id]!);
  const agreement = values.length === 0 ? 1 : values.reduce((a, b) => a + b, 0) / values.length;
  return { loss: 'sigmoid', nll: 0, agreement };
}
