/**
 * What happens between gradients and new weights: torch's `clip_grad_norm_` and `optim.AdamW` (decoupled decay, bias
 * correction, all parameters in one group), in plain loops over [begin, end) so that threads can share the work. Nothing is
 * updated in place: the same call again gives the same bits, which is what lets a crashed worker's part be done again.
 */
import type { OptimizerConfig } from '../protocol/lm.js';

/** Weights with the running means of the gradient and of its square. */
export interface OptimizerState {
  readonly weights: Float32Array;
  readonly mean: Float32Array;
  readonly square: Float32Array;
}

export interface AdamWStep
  extends Pick<OptimizerConfig, 'learningRate' | 'beta1' | 'beta2' | 'epsilon' | 'weightDecay'> {
  /** From 1. */
  readonly step: number;
  /** What clipping multiplies gradients with. */
  readonly gradientScale: number;
}

const CLIP_EPSILON = 1e-6;

/** Adds `parts` element by element, in their order, into `into`; returns the sum of squares of the range. */
export function reduceGradients(
  parts: readonly Float32Array[],
  into: Float32Array,
  begin: number,
  end: number,
): number {
  const [first, ...others] = parts;
  if (!first) throw new RangeError('no gradients to add');
  into.set(first.subarray(begin, end), begin);
  for (const part of others) {
    for (let i = begin; i < end; i++) into[i]! += part[i]!;
  }
  let squares = 0;
  for (let i = begin; i < end; i++) squares += into[i]! * into[i]!;
  return squares;
}

/** Factor for gradients of this norm; `clipNorm` 0 = off. */
export const clipScale = (norm: number, clipNorm: number): number =>
  clipNorm > 0 ? Math.min(1, clipNorm / (norm + CLIP_EPSILON)) : 1;

/** One step of AdamW from `from` into `into` (other arrays). */
export function adamW(
  from: OptimizerState,
  gradient: Float32Array,
  into: OptimizerState,
  config: AdamWStep,
  begin: number,
  end: number,
): void {
  const { learningRate, beta1, beta2, epsilon, weightDecay, step, gradientScale } = config;
  const keep = 1 - learningRate * weightDecay;
  // Numerator and denominator times the root's correction: one division a weight.
  const rootCorrection = Math.sqrt(1 - beta2 ** step);
  const stepSize = (learningRate / (1 - beta1 ** step)) * rootCorrection;
  const correctedEpsilon = epsilon * rootCorrection;
  const { weights, mean, square } = from;
  const { weights: newWeights, mean: newMean, square: newSquare } = into;
  for (let i = begin; i < end; i++) {
    const g = gradient[i]! * gradientScale;
    const m = mean[i]! * beta1 + g * (1 - beta1);
    const v = square[i]! * beta2 + g * g * (1 - beta2);
    newMean[i] = m;
    newSquare[i] = v;
    newWeights[i] = weights[i]! * keep - (stepSize * m) / (Math.sqrt(v) + correctedEpsilon);
  }
}
