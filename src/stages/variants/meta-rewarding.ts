/**
 * Meta-Rewarding: Wu et al. 2024, "Meta-Rewarding Language Models: Self-Improving Alignment with LLM-as-a-Meta-Judge", §2.3. Of each
 * prompt the answer whose judgements vary most in score is taken; a meta-judge (the same model) compares its judgements two by
 * two, in both orders. Position bias: a win in a position counts ω_first = wins_second/(wins_first + wins_second), over all of the
 * iteration, and ω_second the rest. B_mn is what m won of n; Elo ratings ε maximise Σ B_mn·log σ(ε_m − ε_n). Highest against lowest
 * is a judgement pair, left out where the chosen is too long; it is trained beside the actor's pairs, by the same DPO.
 *
 * Departures:
 * - As many judgements as config.judge.samples says (3; the paper has 11), the same that score the answers; equal texts count once.
 * - Between any two judgements stand 0.1 wins either way, so that one that wins everything has a finite rating; no order changes.
 * - No answer of an episode with judgements of different scores: no judgement pair. One pair an episode at most.
 * - Length is in characters (config.meta.maxChars); off by default. Length control of the actor's pairs is its own option, for all
 *   iterations alike (variants/length-control.ts), and off by default.
 * - No EFT of meta-judgements exists in either; M1 here was never shown a meta-judge's prompt.
 */
import { type EpisodeId, type PairId, pairId } from '../../protocol/ids.js';
import type { BodyOf } from '../../protocol/messages.js';
import type { JudgeTemplate } from '../../protocol/records.js';
import type { MetaRequest, MetaVerdict } from '../meta-judge.js';
import { byId } from '../seed.js';
import { judgePrompt } from '../templates.js';
import type { PreferenceText } from '../train.js';

type Compared = MetaRequest['judgements'][number];
export type JudgementPair = BodyOf<'judgement-pair.made'>;
type Withheld = BodyOf<'judgement-pair.withheld'>;

/** A verdict with the judgements that it is of. */
export interface Met {
  readonly first: string;
  readonly second: string;
  readonly verdict: MetaVerdict;
  readonly seq: number;
}

/** Population variance. */
const varianceOf = (scores: readonly number[]): number => {
  const mean = scores.reduce((a, b) => a + b, 0) / scores.length;
  return scores.reduce((sum, score) => sum + (score - mean) ** 2, 0) / scores.length;
};

/** The answer whose readable judgements vary most, with those of different texts; the first among equals, null where none varies. */
export function mostDisputed<R extends { readonly id: string }>(
  responses: readonly R[],
  judgements: readonly (Compared & { readonly response: string })[],
): { readonly response: R; readonly judgements: readonly Compared[] } | null {
  const own = responses.map((response) => {
    const all = judgements.filter((one) => one.response === response.id);
    return { response, all, variance: all.length < 2 ? 0 : varianceOf(all.map(({ score }) => score)) };
  });
  const best = own.reduce((a, b) => (b.variance > a.variance ? b : a), own[0]!);
  if (!best || best.variance === 0) return null;
  const different = best.all.filter(
    ({ text }, i) => best.all.findIndex((other) => other.text.trim() === text.trim()) === i,
  );
  return {
    response: best.response,
    judgements: different.map(({ id, seq, text, score }) => ({ id, seq, text, score })),
  };
}

export interface Wins {
  readonly first: number;
  readonly second: number;
}

export const winsOf = (met: readonly Met[]): Wins => ({
  first: met.filter(({ verdict }) => verdict.status === 'first').length,
  second: met.filter(({ verdict }) => verdict.status === 'second').length,
});

/** What a win in each position counts. */
export const positionWeights = ({ first, second }: Wins): Wins =>
  first + second === 0
    ? { first: 0.5, second: 0.5 }
    : { first: second / (first + second), second: first / (first + second) };

/** B[m][n]: what m has won of n. */
export function battleMatrix(ids: readonly string[], met: readonly Met[], weights: Wins): number[][] {
  const won = ids.map(() => ids.map(() => 0));
  for (const { first, second, verdict } of met) {
    const [m, n] = [ids.indexOf(first), ids.indexOf(second)];
    if (verdict.status === 'first') won[m]![n]! += weights.first;
    if (verdict.status === 'second') won[n]![m]! += weights.second;
  }
  return won;
}

const DRAW = 0.1;
const ROUNDS = 200;

/** Ratings of mean 0, in natural units: σ(ε_m − ε_n) is the chance that m wins. Minorise–maximise (Hunter 2004). */
export function eloOf(won: readonly (readonly number[])[]): readonly number[] {
  const n = won.length;
  const others = (i: number) => Array.from({ length: n }, (_, j) => j).filter((j) => j !== i);
  let strength = won.map(() => 1);
  for (let round = 0; round < ROUNDS; round++) {
    const next = strength.map((p, i) => {
      const wins = others(i).reduce((sum, j) => sum + won[i]![j]! + DRAW, 0);
      const met = (j: number) => won[i]![j]! + won[j]![i]! + 2 * DRAW;
      return wins / others(i).reduce((sum, j) => sum + met(j) / (p + strength[j]!), 0);
    });
    const mean = Math.exp(next.reduce((sum, p) => sum + Math.log(p), 0) / n);
    strength = next.map((p) => p / mean);
  }
  return strength.map(Math.log);
}

const SAME = 1e-9;

/** What the verdicts on one answer's judgements come to. */
export function judgementPairOf(
  request: MetaRequest,
  met: readonly Met[],
  weights: Wins,
  maxChars: number,
): { readonly pair: JudgementPair } | { readonly withheld: Withheld } {
  const { episode, iteration, prompt, response, judgements } = request;
  const no = (reason: Withheld['reason'], detail: string) => ({
    withheld: { episode, iteration, reason, detail },
  });
  const read = met.filter(({ verdict }) => verdict.status !== 'none');
  if (read.length === 0) {
    const reasons = [...new Set(met.map(({ verdict }) => (verdict.status === 'none' ? verdict.reason : '')))];
    return no('no-verdict', `none of ${met.length}: ${reasons.sort().join(', ')}`);
  }
  const won = battleMatrix(
    judgements.map(({ id }) => id),
    met,
    weights,
  );
  const elo = eloOf(won);
  const best = elo.reduce((a, e, i) => (e > elo[a]! + SAME ? i : a), 0);
  const worst = elo.reduce((a, e, i) => (e < elo[a]! - SAME ? i : a), 0);
  if (best === worst) return no('tie', `${judgements.length} judgements all have rating 0`);
  if (maxChars > 0 && judgements[best]!.text.length > maxChars)
    return no('too-long', `the chosen has ${judgements[best]!.text.length} characters`);
  const side = (i: number) => {
    const { id, text, score, seq } = judgements[i]!;
    return { judgement: id, text, score, elo: elo[i]!, judgements: [seq] };
  };
  const metaJudgements = met.map(({ seq }) => seq);
  const pair = { id: pairId(episode as EpisodeId), iteration, prompt, response, metaJudgements };
  return { pair: { ...pair, chosen: side(best), rejected: side(worst) } };
}

/** Preference rows by id: the judge's prompt, the better judgement, the worse. */
export const judgementTexts = (
  pairs: readonly JudgementPair[],
  template: JudgeTemplate,
): readonly PreferenceText[] =>
  pairs
    .map(({ id, prompt, response, chosen, rejected }) => ({
      id: `${id}/judgements` as PairId,
      prompt: judgePrompt(template, prompt, response.text),
      chosen: chosen.text,
      rejected: rejected.text,
      provenance: { chosen: withoutText(chosen), rejected: withoutText(rejected) },
    }))
    .sort(byId);

const withoutText = ({ text: _text, ...rest }: JudgementPair['chosen']) => rest;
