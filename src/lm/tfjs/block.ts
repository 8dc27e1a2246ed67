/**
 * One transformer layer: x + attention(norm(x)), then + mlp(norm(·)), with dropout on both branches in training.
 * Where the caller wants some lines only (`only`), the others end after attention: they were keys and values. N is the
 * number of all lines, M of those that go on.
 */
import * as tf from '@tensorflow/tfjs-core';
import { type HeadNormTrace, headNorm, headNormBackward } from './head-norm.js';
import { type Into, linear, linearBackward } from './linear.js';
import { putLines, takeLines } from './lines.js';
import { type AdapterMasks, type MlpTrace, mlp, mlpBackward } from './mlp.js';
import { type NormTrace, norm, normBackward } from './norm.js';
import type { LayerParameters } from './parameters.js';

/** Inverted-scaling masks of a layer's two branches and of its adapters' inputs, or null. */
export type BranchMasks = {
  readonly attention: tf.Tensor2D | null; // [M, D]
  readonly mlp: tf.Tensor2D | null; // [M, D]
  readonly adapters: AdapterMasks | null;
};
export const NO_DROPOUT: BranchMasks = { attention: null, mlp: null, adapters: null };

/** qkv [N, Q + 2·KV] → context [N, Q], whatever stands behind it. */
export type Attend = (qkv: tf.Tensor2D) => tf.Tensor2D;

export type BlockTrace = {
  readonly attentionNorm: NormTrace;
  readonly normed: tf.Tensor2D; // [N, D] input of qkv
  readonly headNorms: HeadNormTrace | undefined;
  readonly context: tf.Tensor2D; // [M, Q]
  readonly mlpNorm: NormTrace;
  readonly mlp: MlpTrace;
};

const masked = (x: tf.Tensor2D, mask: tf.Tensor2D | null): tf.Tensor2D =>
  mask === null ? x : tf.mul(x, mask);

/** Call inside a tidy: what is not returned is freed there. */
export function block(
  x: tf.Tensor2D,
  layer: LayerParameters,
  epsilon: number,
  attend: Attend,
  masks: BranchMasks,
  only: Int32Array | null,
): { y: tf.Tensor2D; trace: BlockTrace } {
  const chosen = (lines: tf.Tensor2D) => (only === null ? lines : takeLines(lines, only));
  const first = norm(x, layer.attentionNorm, epsilon);
  const drop = masks.adapters;
  const projected = linear(first.y, layer.qkv, drop?.['to qkv']); // [N, Q + 2·KV]
  const queries = layer.output.inSize;
  const heads = layer.headNorms && headNorm(projected, queries, layer.headNorms, epsilon);
  const context = chosen(attend(heads?.y ?? projected)); // [M, Q]
  const attended = linear(context, layer.output, drop?.['to o']); // [M, D]
  const middle = tf.add<tf.Tensor2D>(chosen(x), masked(attended, masks.attention)); // [M, D]
  const second = norm(middle, layer.mlpNorm, epsilon);
  const branch = mlp(second.y, layer, drop);
  const y = tf.add<tf.Tensor2D>(middle, masked(branch.y, masks.mlp)); // [M, D]
  const trace = {
    attentionNorm: first.trace,
    normed: first.y,
    headNorms: heads?.trace,
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
  only: Int32Array | null,
  into: Into,
): tf.Tensor2D {
  const total = trace.normed.shape[0];
  const all = (lines: tf.Tensor2D) => (only === null ? lines : putLines(lines, only, total));
  const drop = masks.adapters;
  const dBranch = mlpBackward(trace.mlp, masked(dy, masks.mlp), layer, into, drop);
  const dMiddle = tf.add<tf.Tensor2D>(dy, normBackward(trace.mlpNorm, dBranch, layer.mlpNorm, into));
  const dAttended = masked(dMiddle, masks.attention);
  const dContext = linearBackward(trace.context, dAttended, layer.output, into, drop?.['to o']);
  const dHeads = attendBackward(all(dContext));
  const { headNorms, output } = layer;
  const dProjected = headNorms
    ? headNormBackward(trace.headNorms!, dHeads, output.inSize, headNorms, into)
    : dHeads;
  const dNormed = linearBackward(trace.normed, dProjected, layer.qkv, into, drop?.['to qkv']);
  return tf.add(all(dMiddle), normBackward(trace.attentionNorm, dNormed, layer.attentionNorm, into));
}
