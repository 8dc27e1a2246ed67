/**
 * The losses over target log-probabilities, and their slopes. SFT: −Σ log p. Of pairs: what ../pair-loss.ts makes of their
 * margins, and −α/length · Σ log p of the chosen where the recipe wants it.
 */
import type { GradientSums, GradientTask } from '../engine.js';
import { likelihoodWeights, PLAIN, pairLoss } from '../pair-loss.js';

export interface Objective {
  readonly sums: GradientSums;
  /** d(loss / scale) / d(log p) of each target. */
  readonly slopes: Float32Array;
}

/** `sequenceOf[i]` is the sequence that target i belongs to. */
export function objective(task: GradientTask, logprobs: Float32Array, sequenceOf: Int32Array): Objective {
  return task.objective === 'sft' ? sft(task.scale, logprobs) : dpo(task, logprobs, sequenceOf);
}

function sft(scale: number, logprobs: Float32Array): Objective {
  const loss = logprobs.reduce((sum, x) => sum - x, 0);
  return {
    sums: { loss, positive: 0, margin: 0 },
    slopes: new Float32Array(logprobs.length).fill(-1 / scale),
  };
}

function dpo(
  task: GradientTask & { readonly objective: 'dpo' },
  logprobs: Float32Array,
  sequenceOf: Int32Array,
): Objective {
  const total = new Float64Array(2 * task.pairs.length);
  logprobs.forEach((x, i) => {
    total[sequenceOf[i]!] = total[sequenceOf[i]!]! + x;
  });
  const sums = { loss: 0, positive: 0, margin: 0 };
  const bySequence = new Float64Array(total.length);
  const { beta, scale, recipe = PLAIN } = task;
  const likelihood = likelihoodWeights(task);
  task.pairs.forEach((pair, i) => {
    const chosen = total[2 * i]! - pair.referenceChosen;
    const rejected = total[2 * i + 1]! - pair.referenceRejected;
    const { loss, slope } = pairLoss(chosen - rejected, beta, recipe);
    const margin = beta * (chosen - rejected);
    sums.loss += loss - likelihood[2 * i]! * total[2 * i]!;
    sums.positive += margin > 0 ? 1 : 0;
    sums.margin += margin;
    bySequence[2 * i] = (slope - likelihood[2 * i]!) / scale;
    bySequence[2 * i + 1] = -slope / scale;
  });
  return { sums, slopes: Float32Array.from(sequenceOf, (row) => bySequence[row]!) };
}
