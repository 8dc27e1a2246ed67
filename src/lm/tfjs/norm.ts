/** RMSNorm (Zhang & Sennrich 2019) and its backward pass. */
import * as tf from '@tensorflow/tfjs-core';
import { columnSums } from './linear.js';
import type { Gain } from './parameters.js';

/** What the backward pass needs. */
export type NormTrace = {
  readonly unit: tf.Tensor2D; // [N, D] x / rms(x)
  readonly inverse: tf.Tensor2D; // [N, 1] 1 / rms(x)
};

export function norm(x: tf.Tensor2D, gain: Gain, epsilon: number): { y: tf.Tensor2D; trace: NormTrace } {
  const meanSquare = tf.mean<tf.Tensor2D>(tf.square(x), -1, true); // [N, 1]
  const inverse = tf.rsqrt(tf.add<tf.Tensor2D>(meanSquare, epsilon)); // [N, 1]
  const unit = tf.mul<tf.Tensor2D>(x, inverse); // [N, D]
  return { y: tf.mul(unit, gain.values), trace: { unit, inverse } };
}

export function normBackward(trace: NormTrace, dy: tf.Tensor2D, gain: Gain, into: Float32Array): tf.Tensor2D {
  const { unit, inverse } = trace;
  into.set(columnSums(tf.mul(dy, unit)), gain.parameter.offset);
  const dUnit = tf.mul<tf.Tensor2D>(dy, gain.values); // [N, D]
  const along = tf.mean<tf.Tensor2D>(tf.mul(dUnit, unit), -1, true); // [N, 1]
  return tf.mul(tf.sub(dUnit, tf.mul(unit, along)), inverse); // [N, D]
}
