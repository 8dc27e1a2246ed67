/**
 * Log-probabilities of target tokens and their gradient, without a one-hot matrix: d logits = c·(onehot − p), so the
 * one-hot half is a row copy on the host and the other half two matmuls. Works through the lines in chunks, so that a
 * large vocabulary does not ask for [N, V] at once.
 */
import * as tf from '@tensorflow/tfjs-core';
import { type Into, linear } from './linear.js';
import type { Linear } from './parameters.js';

const CHUNK_FLOATS = 1 << 22;

type ChunkTensors = {
  readonly hidden: tf.Tensor2D; // [m, D]
  readonly probabilities: tf.Tensor2D; // [m, V]
};

interface Chunk {
  readonly from: number;
  readonly tensors: ChunkTensors;
}

export interface HeadPass {
  /** log p of each line's target. */
  readonly logprobs: Float32Array;
  readonly chunks: readonly Chunk[];
}

/** `hidden` is [M, D] after the final norm. Keeps what a backward pass needs only if told to. */
export function headLogprobs(
  hidden: Float32Array,
  targets: Int32Array,
  head: Linear,
  remember: boolean,
): HeadPass {
  const logprobs = new Float32Array(targets.length);
  const chunks: Chunk[] = [];
  const lines = Math.max(1, Math.floor(CHUNK_FLOATS / head.outSize));
  for (let from = 0; from < targets.length; from += lines) {
    const to = Math.min(from + lines, targets.length);
    const tensors = tf.tidy((): ChunkTensors | undefined => {
      const x = tf.tensor2d(hidden.slice(from * head.inSize, to * head.inSize), [to - from, head.inSize]);
      const logits = linear(x, head); // [m, V]
      const probabilities = tf.softmax(logits); // [m, V]
      fillLogprobs(logits, probabilities, targets, from, logprobs);
      return remember ? { hidden: x, probabilities } : undefined;
    });
    if (tensors !== undefined) chunks.push({ from, tensors });
  }
  return { logprobs, chunks };
}

/** log Z = top logit − log of its probability, which never underflows. */
function fillLogprobs(
  logits: tf.Tensor2D,
  probabilities: tf.Tensor2D,
  targets: Int32Array,
  from: number,
  out: Float32Array,
): void {
  const [lines, size] = logits.shape;
  const values = logits.dataSync<'float32'>();
  const topProbability = tf.max(probabilities, -1).dataSync<'float32'>(); // [m]
  for (let i = 0; i < lines; i++) {
    let top = Number.NEGATIVE_INFINITY;
    for (let v = i * size; v < (i + 1) * size; v++) if (values[v]! > top) top = values[v]!;
    out[from + i] = values[i * size + targets[from + i]!]! - top + Math.log(topProbability[i]!);
  }
}

/** Adds d loss / d head into `into`, if it is wanted; gives d loss / d hidden [M, D], where `slopes` are d loss / d logprob. */
export function headBackward(
  pass: HeadPass,
  targets: Int32Array,
  slopes: Float32Array,
  head: Linear,
  into: Into,
): Float32Array {
  const size = head.inSize;
  const dHidden = new Float32Array(targets.length * size);
  const { offset } = head.parts[0]!.weight;
  for (const { from, tensors } of pass.chunks) {
    const { hidden, probabilities } = tensors;
    const lines = hidden.shape[0];
    tf.tidy(() => {
      const slope = tf.tensor2d(slopes.slice(from, from + lines), [lines, 1]);
      const dLogits = tf.neg(tf.mul<tf.Tensor2D>(probabilities, slope)); // [m, V], but for the one-hot half
      const rows = tf.tensor2d(head.rows.slice(), [head.outSize, size]);
      dHidden.set(tf.matMul(dLogits, rows).dataSync<'float32'>(), from * size);
      if (into === null) return;
      const dRows = tf.matMul(tf.transpose(dLogits), hidden).dataSync<'float32'>(); // [V, D]
      for (let i = 0; i < dRows.length; i++) into[offset + i] = into[offset + i]! + dRows[i]!;
    });
    const values = hidden.dataSync<'float32'>();
    for (let i = 0; i < lines; i++) {
      const row = targets[from + i]! * size;
      const slope = slopes[from + i]!;
      addScaled(dHidden, (from + i) * size, head.rows, row, slope, size);
      if (into !== null) addScaled(into, offset + row, values, i * size, slope, size);
    }
  }
  return dHidden;
}

function addScaled(
  to: Float32Array,
  toAt: number,
  from: Float32Array,
  fromAt: number,
  by: number,
  size: number,
): void {
  for (let i = 0; i < size; i++) to[toAt + i] = to[toAt + i]! + by * from[fromAt + i]!;
}
