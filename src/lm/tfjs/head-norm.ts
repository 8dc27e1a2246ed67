/** The norm of each head's query and key between the qkv projection and attention (Qwen3), and its backward pass. */
import * as tf from '@tensorflow/tfjs-core';
import type { Into } from './linear.js';
import { type NormTrace, norm, normBackward } from './norm.js';
import type { Gain, LayerParameters } from './parameters.js';

export type HeadNormTrace = { readonly q: NormTrace; readonly k: NormTrace };

type HeadNorms = NonNullable<LayerParameters['headNorms']>;

/** qkv [N, Q + 2·KV] → q [N·H, D], k [N·KV, D], v [N, KV]. */
function parted(qkv: tf.Tensor2D, queries: number, { q }: HeadNorms) {
  const size = q.parameter.size;
  const kv = (qkv.shape[1] - queries) / 2;
  const [a, b, c] = tf.split(qkv, [queries, kv, kv], 1) as [tf.Tensor2D, tf.Tensor2D, tf.Tensor2D];
  return { q: tf.reshape<tf.Rank.R2>(a, [-1, size]), k: tf.reshape<tf.Rank.R2>(b, [-1, size]), v: c };
}

function joined(q: tf.Tensor2D, k: tf.Tensor2D, v: tf.Tensor2D): tf.Tensor2D {
  const lines = v.shape[0];
  return tf.concat2d([tf.reshape<tf.Rank.R2>(q, [lines, -1]), tf.reshape<tf.Rank.R2>(k, [lines, -1]), v], 1);
}

/** `queries`: Q, the width of all queries of a line. */
export function headNorm(qkv: tf.Tensor2D, queries: number, norms: HeadNorms, epsilon: number) {
  const { q, k, v } = parted(qkv, queries, norms);
  const of = (x: tf.Tensor2D, gain: Gain) => norm(x, gain, epsilon);
  const [queriesOut, keysOut] = [of(q, norms.q), of(k, norms.k)];
  const trace: HeadNormTrace = { q: queriesOut.trace, k: keysOut.trace };
  return { y: joined(queriesOut.y, keysOut.y, v), trace };
}

export function headNormBackward(
  trace: HeadNormTrace,
  dqkv: tf.Tensor2D,
  queries: number,
  norms: HeadNorms,
  into: Into,
): tf.Tensor2D {
  const { q, k, v } = parted(dqkv, queries, norms);
  return joined(normBackward(trace.q, q, norms.q, into), normBackward(trace.k, k, norms.k, into), v);
}
