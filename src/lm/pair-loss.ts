/**
 * The loss of one preference pair as arithmetic on its margin h = (log π/π_ref)(chosen) − (log π/π_ref)(rejected), log-probs
 * summed over the target tokens. DPO (Rafailov et al. 2023): −log σ(β·h). IPO (Azar et al. 2023): (h − 1/(2β))². With an
 * agreement C below 1 (Wang et al. 2024) it is C·loss(h) + (1 − C)·loss(−h). The α·NLL of Pang et al. 2024 is no function of
 * the margin: see `likelihoodWeights`.
 */
import type { PairRecipe } from '../protocol/lm.js';
import type { GradientTask, SequenceRow } from './engine.js';

export const PLAIN: PairRecipe = { loss: 'sigmoid', nll: 0, agreement: 1 };

export interface PairLoss {
  readonly loss: number;
  /** d loss / d h. */
  readonly slope: number;
}

/** log(1 + eˣ), without overflow. */
export const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
const sigmoid = (x: number): number => Math.exp(-softplus(-x));

/** The margin that IPO aims at. */
export const ipoTarget = (beta: number): number => 1 / (2 * beta);

function oneWay(h: number, beta: number, loss: PairRecipe['loss']): PairLoss {
  if (loss === 'sigmoid') return { loss: softplus(-beta * h), slope: -beta * sigmoid(-beta * h) };
  const off = h - ipoTarget(beta);
  return { loss: off * off, slope: 2 * off };
}

export function pairLoss(h: number, beta: number, { loss, agreement }: PairRecipe): PairLoss {
  const forth = oneWay(h, beta, loss);
  if (agreement === 1) return forth;
  const back = oneWay(-h, beta, loss);
  return {
    loss: agreement * forth.loss + (1 - agreement) * back.loss,
    slope: agreement * forth.slope - (1 - agreement) * back.slope,
  };
}

const targetsOf = ({ ids, targetStart }: SequenceRow): number => ids.length - Math.max(1, targetStart);

/** What each sequence's log-prob weighs in the likelihood term (chosen, rejected, chosen …): α / its target tokens, or 0. */
export const likelihoodWeights = ({
  pairs,
  recipe = PLAIN,
}: Extract<GradientTask, { readonly objective: 'dpo' }>): readonly number[] =>
  pairs.flatMap(({ chosen }) => [recipe.nll === 0 ? 0 : recipe.nll / Math.max(1, targetsOf(chosen)), 0]);
