/** SwiGLU (Shazeer 2020): down(silu(gate(x)) · up(x)), and its backward pass. */
import * as tf from '@tensorflow/tfjs-core';
import { linear, linearBackward } from './linear.js';
import type { LayerParameters } from './parameters.js';

export type MlpTrace = {
  readonly x: tf.Tensor2D; // [N, D]
  readonly gate: tf.Tensor2D; // [N, F]
  readonly sigmoid: tf.Tensor2D; // [N, F]
  readonly silu: tf.Tensor2D; // [N, F]
  readonly up: tf.Tensor2D; // [N, F]
  readonly hidden: tf.Tensor2D; // [N, F]
};

export function mlp(x: tf.Tensor2D, layer: LayerParameters): { y: tf.Tensor2D; trace: MlpTrace } {
  const gate = linear(x, layer.gate);
  const sigmoid = tf.sigmoid(gate);
  const silu = tf.mul<tf.Tensor2D>(gate, sigmoid);
  const up = linear(x, layer.up);
  const hidden = tf.mul<tf.Tensor2D>(silu, up);
  return { y: linear(hidden, layer.down), trace: { x, gate, sigmoid, silu, up, hidden } };
}

export function mlpBackward(
  trace: MlpTrace,
  dy: tf.Tensor2D,
  layer: LayerParameters,
  into: Float32Array,
): tf.Tensor2D {
  const { x, gate, sigmoid, silu, up, hidden } = trace;
  const dHidden = linearBackward(hidden, dy, layer.down, into); // [N, F]
  const dUp = tf.mul<tf.Tensor2D>(dHidden, silu);
  // silu' = σ + silu·(1 − σ) = σ·(1 + gate − silu)
  const slope = tf.mul(sigmoid, tf.add(tf.sub(gate, silu), 1));
  const dGate = tf.mul<tf.Tensor2D>(tf.mul(dHidden, up), slope);
  return tf.add(linearBackward(x, dGate, layer.gate, into), linearBackward(x, dUp, layer.up, into));
}
