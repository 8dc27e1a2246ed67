/** SwiGLU (Shazeer 2020), down(silu(gate(x)) · up(x)), or without a gate down(f(up(x))); and the backward passes. */
import * as tf from '@tensorflow/tfjs-core';
import type { Activation } from '../architecture.js';
import type { AdapterSite } from '../dropout.js';
import { type Into, linear, linearBackward } from './linear.js';
import type { LayerParameters } from './parameters.js';

export type MlpTrace = {
  readonly x: tf.Tensor2D; // [N, D]
  /** The activation's input and output. */
  readonly inner: tf.Tensor2D; // [N, F]
  readonly activated: tf.Tensor2D; // [N, F]
  /** Absent without a gate. */
  readonly up: tf.Tensor2D | undefined; // [N, F]
  readonly hidden: tf.Tensor2D; // [N, F]
};

/** Dropout of what a layer's adapters are given, [lines, width of the site]. */
export type AdapterMasks = Readonly<Record<AdapterSite, tf.Tensor2D>>;

const scaled = (x: tf.Tensor2D, by: number): tf.Tensor2D => tf.mul(x, by);

/** Every activation is x times a share that goes from 0 to 1. */
interface Share {
  of(x: tf.Tensor2D): tf.Tensor2D;
  /** The activation's own slope: share + x · d share / dx; `y` is x · share. */
  slope(x: tf.Tensor2D, share: tf.Tensor2D, y: tf.Tensor2D): tf.Tensor2D;
}

const GELU_SCALE = Math.sqrt(2 / Math.PI);
/** 0.044715·√(2/π)·x² */
const cubic = (x: tf.Tensor2D): tf.Tensor2D => scaled(tf.square(x), 0.044715 * GELU_SCALE);

const SHARES: Readonly<Record<Activation, Share>> = {
  // σ + silu·(1 − σ) = σ·(1 + x − silu). The shipped M0's bits hang on the order of these.
  silu: {
    of: (x) => tf.sigmoid(x),
    slope: (x, share, y) => tf.mul(share, tf.add(tf.sub(x, y), 1)),
  },
  // Φ and φ. tfjs's erf is off by 10⁻⁷ (Abramowitz & Stegun 7.1.26).
  gelu: {
    of: (x) => tf.mul(tf.add(tf.erf(scaled(x, Math.SQRT1_2)), 1), 0.5),
    slope(x, share) {
      const density = scaled(tf.exp(scaled(tf.square(x), -0.5)), 1 / Math.sqrt(2 * Math.PI));
      return tf.add(share, tf.mul(x, density));
    },
  },
  // (1 + tanh(√(2/π)·(x + 0.044715·x³))) / 2 = σ of twice the argument.
  'gelu-tanh': {
    of: (x) => tf.sigmoid(scaled(tf.mul(x, tf.add(cubic(x), GELU_SCALE)), 2)),
    slope(x, share, y) {
      const inner = scaled(tf.add(scaled(cubic(x), 3), GELU_SCALE), 2);
      return tf.add(share, tf.mul(tf.mul(y, tf.sub(1, share)), inner));
    },
  },
};

export function mlp(
  x: tf.Tensor2D,
  layer: LayerParameters,
  drop: AdapterMasks | null,
): { y: tf.Tensor2D; trace: MlpTrace } {
  const mask = drop?.['to up'];
  const up = linear(x, layer.up, mask);
  const inner = layer.gate === null ? up : linear(x, layer.gate, mask);
  const activated = tf.mul<tf.Tensor2D>(inner, SHARES[layer.activation].of(inner));
  const hidden = layer.gate === null ? activated : tf.mul<tf.Tensor2D>(activated, up);
  const trace = { x, inner, activated, up: layer.gate === null ? undefined : up, hidden };
  return { y: linear(hidden, layer.down, drop?.['to down']), trace };
}

export function mlpBackward(
  trace: MlpTrace,
  dy: tf.Tensor2D,
  layer: LayerParameters,
  into: Into,
  drop: AdapterMasks | null,
): tf.Tensor2D {
  const { x, inner, activated, up, hidden } = trace;
  const { of, slope: slopeOf } = SHARES[layer.activation];
  const slope = slopeOf(inner, of(inner), activated);
  const mask = drop?.['to up'];
  const dHidden = linearBackward(hidden, dy, layer.down, into, drop?.['to down']); // [N, F]
  if (layer.gate === null) return linearBackward(x, tf.mul(dHidden, slope), layer.up, into, mask);
  const dUp = tf.mul<tf.Tensor2D>(dHidden, activated);
  const dGate = tf.mul<tf.Tensor2D>(tf.mul(dHidden, up!), slope);
  return tf.add(
    linearBackward(x, dGate, layer.gate, into, mask),
    linearBackward(x, dUp, layer.up, into, mask),
  );
}
