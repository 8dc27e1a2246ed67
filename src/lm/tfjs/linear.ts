/** A linear map and its backward pass, in untransposed 2-D matmuls. */
import * as tf from '@tensorflow/tfjs-core';
import { lowRankBackward, lowRankOf } from './lora.js';
import type { Linear } from './parameters.js';

/** `mask`: dropout of what an adapter is given. */
export function linear(x: tf.Tensor2D, map: Linear, mask?: tf.Tensor2D): tf.Tensor2D {
  const product = tf.matMul<tf.Tensor2D>(x, map.kernel); // [N, out]
  const y = map.bias === null ? product : tf.add<tf.Tensor2D>(product, map.bias);
  return map.lowRank === undefined ? y : tf.add(y, lowRankOf(x, map.outSize, map.lowRank, mask));
}

/** Where the gradients of the model's own parameters go; null: they stand still. */
export type Into = Float32Array | null;

/** Σ over lines, as a product with ones: on wasm ten times faster than a sum over the first axis. */
export function columnSums(x: tf.Tensor2D): Float32Array {
  return tf.matMul(tf.ones([1, x.shape[0]]), x).dataSync<'float32'>();
}

/** dyᵀ·x [out, in], on the host. The wider side is transposed, since wasm packs the other one, and packing costs more. */
function outerSums(x: tf.Tensor2D, dy: tf.Tensor2D): Float32Array {
  const [inSize, outSize] = [x.shape[1], dy.shape[1]];
  if (outSize >= inSize) return tf.matMul(tf.transpose(dy), x).dataSync<'float32'>();
  const columns = tf.matMul(tf.transpose(x), dy).dataSync<'float32'>(); // [in, out]
  const rows = new Float32Array(columns.length);
  for (let o = 0, at = 0; o < outSize; o++)
    for (let i = 0; i < inSize; i++) rows[at++] = columns[i * outSize + o]!;
  return rows;
}

/** Writes the gradients of weights, biases and adapters into their places; gives d loss / d x. */
export function linearBackward(
  x: tf.Tensor2D,
  dy: tf.Tensor2D,
  map: Linear,
  into: Into,
  mask?: tf.Tensor2D,
): tf.Tensor2D {
  if (into !== null) weightsBackward(x, dy, map, into);
  const dx = tf.matMul<tf.Tensor2D>(dy, tf.tensor2d(map.rows.slice(), [map.outSize, map.inSize])); // [N, in]
  return map.lowRank === undefined ? dx : tf.add(dx, lowRankBackward(x, dy, map.lowRank, mask));
}

function weightsBackward(x: tf.Tensor2D, dy: tf.Tensor2D, map: Linear, into: Float32Array): void {
  const dRows = outerSums(x, dy);
  const dBias = map.bias === null ? null : columnSums(dy);
  let row = 0;
  for (const { weight, bias } of map.parts) {
    into.set(dRows.subarray(row * map.inSize, row * map.inSize + weight.size), weight.offset);
    if (bias !== null) into.set(dBias!.subarray(row, row + bias.size), bias.offset);
    row += weight.shape[0]!;
  }
}
