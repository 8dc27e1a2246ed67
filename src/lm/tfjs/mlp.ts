/** SwiGLU (Shazeer 2020), down(silu(gate(x)) · up(x)), or without a gate down(f(up(x))); and the backward passes. */
import * as tf from '@tensorflow/tfjs-core';
import type { Activation } from '../architecture.js';
import { linear, linearBackward } from './linear.js';
import type { LayerParameters } from './parameters.js';

export type MlpTrace = {
  readonly x: tf.Tensor2D; // [N, D]
  /** The activation's output and slope. */
  readonly activated: tf.Tensor2D; // [N, F]
  readonly slope: tf.Tensor2D; // [N, F]
  /** Absent without a gate. */
  readonly up: tf.Tensor2D | undefined; // [N, F]
  readonly hidden: tf.Tensor2D; // [N, F]
};

const scaled = (x: tf.Tensor2D, by: number): tf.Tensor2D => tf.mul(x, by);

/** f(x) and f′(x). */
function activate(x: tf.Tensor2D, activation: Activation): { y: tf.Tensor2D; slope: tf.Tensor2D } {
  if (activation === 'silu') {
    const sigmoid = tf.sigmoid(x);
    const y = tf.mul<tf.Tensor2D>(x, sigmoid);
    return { y, slope: tf.mul(sigmoid, tf.add(tf.sub(x, y), 1)) }; // σ + y·(1 − σ)
  }
  const { share, density } = activation === 'gelu' ? normal(x) : nearlyNormal(x);
  return { y: tf.mul(x, share), slope: tf.add(share, tf.mul(x, density)) };
}

type Distribution = { readonly share: tf.Tensor2D; readonly density: tf.Tensor2D };

/** Φ and its slope. tfjs's erf is off by 10⁻⁷ (Abramowitz & Stegun 7.1.26). */
function normal(x: tf.Tensor2D): Distribution {
  const share = tf.mul<tf.Tensor2D>(tf.add(tf.erf(scaled(x, Math.SQRT1_2)), 1), 0.5);
  return { share, density: scaled(tf.exp(scaled(tf.square(x), -0.5)), 1 / Math.sqrt(2 * Math.PI)) };
}

/** (1 + tanh(√(2/π)·(x + 0.044715·x³))) / 2 and its slope. */
function nearlyNormal(x: tf.Tensor2D): Distribution {
  const scale = Math.sqrt(2 / Math.PI);
  const square = scaled(tf.square(x), 0.044715 * scale);
  const tanh = tf.tanh(tf.mul<tf.Tensor2D>(x, tf.add(square, scale)));
  const bend = tf.mul<tf.Tensor2D>(tf.sub(1, tf.square(tanh)), 0.5);
  return {
    share: tf.mul(tf.add(tanh, 1), 0.5),
    density: tf.mul(bend, tf.add(scaled(square, 3), scale)),
  };
}

/** `activation` absent: silu. */
export function mlp(
  x: tf.Tensor2D,
  layer: LayerParameters,
  activation: Activation = 'silu',
): { y: tf.Tensor2D; trace: MlpTrace } {
  const up = linear(x, layer.up);
  const { y: activated, slope } = activate(layer.gate === null ? up : linear(x, layer.gate), activation);
  const hidden = layer.gate === null ? activated : tf.mul<tf.Tensor2D>(activated, up);
  const trace = { x, activated, slope, up: layer.gate === null ? undefined : up, hidden };
  return { y: linear(hidden, layer.down), trace };
}

export function mlpBackward(
  trace: MlpTrace,
  dy: tf.Tensor2D,
  layer: LayerParameters,
  into: Float32Array,
): tf.Tensor2D {
  const { x, activated, slope, up, hidden } = trace;
  const dHidden = linearBackward(hidden, dy, layer.down, into); // [N, F]
  if (layer.gate === null) return linearBackward(x, tf.mul(dHidden, slope), layer.up, into);
  const dUp = tf.mul<tf.Tensor2D>(dHidden, activated);
  const dGate = tf.mul<tf.Tensor2D>(tf.mul(dHidden, up!), slope);
  return tf.add(linearBackward(x, dGate, layer.gate, into), linearBackward(x, dUp, layer.up, into));
}
