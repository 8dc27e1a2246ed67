/**
 * The learning rate of step i (from 0) of n, with w warm-up steps:
 *   i < w:  learningRate · (i + 1) / (w + 1)
 *   else:   cosine from learningRate at i = w to finalLearningRate at i = n − 1
 * Where one step only is left after the warm-up, it is taken at learningRate.
 */
import type { OptimizerConfig } from '../protocol/lm.js';

export function learningRateAt(
  i: number,
  n: number,
  config: Pick<OptimizerConfig, 'learningRate' | 'finalLearningRate' | 'warmupSteps'>,
): number {
  const { learningRate: top, finalLearningRate: bottom, warmupSteps: w } = config;
  if (i < w) return (top * (i + 1)) / (w + 1);
  const span = n - 1 - w;
  const progress = span > 0 ? (i - w) / span : 0;
  return bottom + (top - bottom) * 0.5 * (1 + Math.cos(Math.PI * progress));
}
