/** Some lines of a matrix, and back; by way of the host, since wasm's gather is slower than these copies. */
import * as tf from '@tensorflow/tfjs-core';

/** [N, D] → [lines, D] */
export function takeLines(x: tf.Tensor2D, lines: Int32Array): tf.Tensor2D {
  const size = x.shape[1];
  const from = x.dataSync<'float32'>();
  const out = new Float32Array(lines.length * size);
  lines.forEach((line, i) => {
    out.set(from.subarray(line * size, (line + 1) * size), i * size);
  });
  return tf.tensor2d(out, [lines.length, size]);
}

/** [lines, D] → [N, D], zeros elsewhere. */
export function putLines(x: tf.Tensor2D, lines: Int32Array, total: number): tf.Tensor2D {
  const size = x.shape[1];
  const from = x.dataSync<'float32'>();
  const out = new Float32Array(total * size);
  lines.forEach((line, i) => {
    out.set(from.subarray(i * size, (i + 1) * size), line * size);
  });
  return tf.tensor2d(out, [total, size]);
}
