/**
 * The two losses over target log-probabilities, and their slopes. SFT: −Σ log p. DPO (Rafailov et al. 2023):
 * −log σ(β·[(log π/π_ref)(chosen) − (log π/π_ref)(rejected)]), log-probs summed over the target tokens.
 */
import type { GradientSums, GradientTask } from '../engine.js';

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
  task.pairs.forEach((pair, i) => {
    const chosen = total[2 * i]! - pair.referenceChosen;
    const rejected = total[2 * i + 1]! - pair.referenceRejected;
    const margin = task.beta * (chosen - rejected);
    sums.loss += softplus(-margin);
    sums.positive += margin > 0 ? 1 : 0;
    sums.margin += margin;
    const slope = (task.beta * Math.exp(-softplus(margin))) / task.scale; // β·σ(−margin)
    bySequence[2 * i] = -slope;
    bySequence[2 * i + 1] = slope;
  });
  return { sums, slopes: Float32Array.from(sequenceOf, (row) => bySequence[row]!) };
}

/** log(1 + eˣ), without overflow. */
const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
