/**
 * One transformer layer: x + attention(norm(x)), then + mlp(norm(·)), with dropout on both branches in training.
 * `blockBackward` undoes it from the trace.
 */
import * as tf from '@tensorflow/tfjs-core';
import { linear, linearBackward } from './linear.js';
import { type MlpTrace, mlp, mlpBackward } from './mlp.js';
import { type NormTrace, norm, normBackward } from './norm.js';
import type { LayerParameters } from './parameters.js';

/** Inverted-scaling masks of a layer's two branches, or null. */
export interface BranchMasks {
  readonly attention: tf.Tensor2D | null; // [N, D]
  readonly mlp: tf.Tensor2D | null; // [N, D]
}
export const NO_DROPOUT: BranchMasks = { attention: null, mlp: null };

/** qkv [N, Q + 2·KV] → context [N, Q], whatever stands behind it. */
export type Attend = (qkv: tf.Tensor2D) => tf.Tensor2D;

export type BlockTrace = {
  readonly attentionNorm: NormTrace;
  readonly normed: tf.Tensor2D; // [N, D] input of qkv
  readonly context: tf.Tensor2D; // [N, Q]
  readonly mlpNorm: NormTrace;
  readonly mlp: MlpTrace;
};

const masked = (x: tf.Tensor2D, mask: tf.Tensor2D | null): tf.Tensor2D => (mask === null ? x : tf.mul(x, mask));

/** Call inside a tidy: what is not returned is freed there. */
export function block(
  x: tf.Tensor2D,
  layer: LayerParameters,
  epsilon: number,
  attend: Attend,
  masks: BranchMasks,
): { y: tf.Tensor2D; trace: BlockTrace } {
  const first = norm(x, layer.attentionNorm, epsilon);
  const context = attend(linear(first.y, layer.qkv));
  const middle = tf.add<tf.Tensor2D>(x, masked(linear(context, layer.output), masks.attention)); // [N, D]
  const second = norm(middle, layer.mlpNorm, epsilon);
  const branch = mlp(second.y, layer);
  const y = tf.add<tf.Tensor2D>(middle, masked(branch.y, masks.mlp)); // [N, D]
  const trace = {
    attentionNorm: first.trace,
    normed: first.y,
    context,
    mlpNorm: second.trace,
    mlp: branch.trace,
  };
  return { y, trace };
}

export function blockBackward(
  trace: BlockTrace,
  dy: tf.Tensor2D,
  layer: LayerParameters,
  attendBackward: Attend,
  masks: BranchMasks,
  into: Float32Array,
): tf.Tensor2D {
  const dBranch = mlpBackward(trace.mlp, masked(dy, masks.mlp), layer, into);
  const dMiddle = tf.add<tf.Tensor2D>(dy, normBackward(trace.mlpNorm, dBranch, layer.mlpNorm, into));
  const dContext = linearBackward(trace.context, masked(dMiddle, masks.attention), layer.output, into);
  const dNormed = linearBackward(trace.normed, attendBackward(dContext), layer.qkv, into);
  return tf.add(dMiddle, normBackward(trace.attentionNorm, dNormed, layer.attentionNorm, into));
}
