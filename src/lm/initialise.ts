/**
 * A model from nothing: random weights, each tensor from a stream of its own, keyed by (seed, tensor name), so that a
 * tensor's numbers don't depend on the others. Embedding and untied head: normal with deviation .02; linear weights: normal
 * with .6 / √(inputs); norms: ones; biases: zeros. (The recipe of the microworld's M0; small residual branches at the start.)
 */
import { keyOf, rngOf } from '../rng.js';
import { type Architecture, type Parameter, parametersOf } from './architecture.js';
import type { Weights } from './engine.js';
import { emptyWeights } from './weights.js';

const TABLE_DEVIATION = 0.02;
const LINEAR_GAIN = 0.6;

const isTable = (name: string): boolean => name === 'model.embed_tokens.weight' || name === 'lm_head.weight';

function fill({ name, shape }: Parameter, seed: number, into: Float32Array): void {
  if (name.endsWith('.bias')) return;
  if (shape.length === 1) {
    into.fill(1);
    return;
  }
  const deviation = isTable(name) ? TABLE_DEVIATION : LINEAR_GAIN / Math.sqrt(shape[1]!);
  const rng = rngOf(keyOf(seed, 'initialise', name));
  for (let i = 0; i < into.length; i++) into[i] = deviation * rng.normal();
}

export function initialise(architecture: Architecture, seed: number): Weights {
  const weights = emptyWeights(architecture);
  for (const parameter of parametersOf(architecture))
    fill(parameter, seed, weights.data.subarray(parameter.offset, parameter.offset + parameter.size));
  return weights;
}
