/** From token ids to hidden states, without a trace: what score and sample share. */
import * as tf from '@tensorflow/tfjs-core';
import type { Attention } from './attention.js';
import { type Attend, block, NO_DROPOUT } from './block.js';
import { linear } from './linear.js';
import { norm } from './norm.js';
import type { ModelParameters } from './parameters.js';

export interface Model {
  readonly parameters: ModelParameters;
  readonly attention: Attention;
}

/** Looked up on the host, where the embedding lies anyway: wasm's gather is slower than this copy. */
export function embed(ids: Int32Array, { architecture, embedding }: ModelParameters): tf.Tensor2D {
  const size = architecture.hiddenSize;
  const x = new Float32Array(ids.length * size);
  ids.forEach((id, line) => {
    x.set(embedding.rows.subarray(id * size, (id + 1) * size), line * size);
  });
  return tf.tensor2d(x, [ids.length, size]);
}

/**
 * All layers; frees everything but the hidden states before the final norm, [N, D], or of the lines `only`: the last
 * layer then leaves the others out after its attention.
 */
export function hiddenStates(
  ids: Int32Array,
  { parameters }: Model,
  attend: (layer: number) => Attend,
  only: Int32Array | null = null,
): tf.Tensor2D {
  const epsilon = parameters.architecture.rmsNormEps;
  const last = parameters.layers.length - 1;
  let x = embed(ids, parameters);
  parameters.layers.forEach((layer, i) => {
    const before = x;
    x = tf.tidy(() => block(before, layer, epsilon, attend(i), NO_DROPOUT, i === last ? only : null).y);
    before.dispose();
  });
  return x;
}

/** Hidden states [N, D] → logits, row by row [N · V], on the host. */
export function logitsOf(x: tf.Tensor2D, { parameters }: Model): Float32Array {
  const { y } = norm(x, parameters.finalNorm, parameters.architecture.rmsNormEps);
  return linear(y, parameters.head).dataSync<'float32'>(); // [N, V]
}
