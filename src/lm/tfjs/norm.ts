/** RMSNorm (Zhang & Sennrich 2019), LayerNorm (Ba et al. 2016), and their backward passes. */
import * as tf from '@tensorflow/tfjs-core';
import { columnSums, type Into } from './linear.js';
import type { Gain } from './parameters.js';

/** What the backward pass needs. */
export type NormTrace = {
  readonly unit: tf.Tensor2D; // [N, D] x / rms(x), or (x − mean) / deviation
  readonly inverse: tf.Tensor2D; // [N, 1] 1 / rms(x), or 1 / deviation
};

const meanOf = (x: tf.Tensor2D): tf.Tensor2D => tf.mean<tf.Tensor2D>(x, -1, true); // [N, 1]

export function norm(x: tf.Tensor2D, gain: Gain, epsilon: number): { y: tf.Tensor2D; trace: NormTrace } {
  const centred = gain.bias === null ? x : tf.sub<tf.Tensor2D>(x, meanOf(x));
  const inverse = tf.rsqrt(tf.add<tf.Tensor2D>(meanOf(tf.square(centred)), epsilon)); // [N, 1]
  const unit = tf.mul<tf.Tensor2D>(centred, inverse); // [N, D]
  const scaled = tf.mul<tf.Tensor2D>(unit, gain.values);
  return { y: gain.bias === null ? scaled : tf.add(scaled, gain.bias.values), trace: { unit, inverse } };
}

export function normBackward(trace: NormTrace, dy: tf.Tensor2D, gain: Gain, into: Into): tf.Tensor2D {
  const { unit, inverse } = trace;
  into?.set(columnSums(tf.mul(dy, unit)), gain.parameter.offset);
  if (gain.bias !== null) into?.set(columnSums(dy), gain.bias.parameter.offset);
  const dUnit = tf.mul<tf.Tensor2D>(dy, gain.values); // [N, D]
  const centred = gain.bias === null ? dUnit : tf.sub<tf.Tensor2D>(dUnit, meanOf(dUnit));
  return tf.mul(tf.sub(centred, tf.mul(unit, meanOf(tf.mul(dUnit, unit)))), inverse); // [N, D]
}
