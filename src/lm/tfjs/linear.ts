/** A linear map and its backward pass, in untransposed 2-D matmuls. */
import * as tf from '@tensorflow/tfjs-core';
import type { Linear } from './parameters.js';

export function linear(x: tf.Tensor2D, map: Linear): tf.Tensor2D {
  const y = tf.matMul<tf.Tensor2D>(x, map.kernel); // [N, out]
  return map.bias === null ? y : tf.add(y, map.bias);
}

/** Adds the gradients of weights and biases into their places in `into`; gives d loss / d x. */
export function linearBackward(x: tf.Tensor2D, dy: tf.Tensor2D, map: Linear, into: Float32Array): tf.Tensor2D {
  const dRows = tf.matMul(tf.transpose(dy), x).dataSync<'float32'>(); // [out, in]
  const dBias = map.bias === null ? null : tf.sum(dy, 0).dataSync<'float32'>(); // [out]
  let row = 0;
  for (const { weight, bias } of map.parts) {
    into.set(dRows.subarray(row * map.inSize, row * map.inSize + weight.size), weight.offset);
    if (bias !== null) into.set(dBias!.subarray(row, row + bias.size), bias.offset);
    row += weight.shape[0]!;
  }
  return tf.matMul(dy, tf.tensor2d(map.rows.slice(), [map.outSize, map.inSize])); // [N, in]
}
