/**
 * A model from nothing: random weights, each tensor from a stream of its own, keyed by (seed, tensor name), so that a
 * tensor's numbers don't depend on the others. Tables and linear weights are normal, norms ones, biases zeros.
 */
import { keyOf, rngOf } from '../rng.js';
import { type Architecture, EMBEDDING, type Parameter, POSITIONS, parametersOf } from './architecture.js';
import type { Weights } from './engine.js';
import { emptyWeights } from './weights.js';

/** Standard deviations. */
export interface Initialisation {
  /** Embedding, learned positions and untied head. */
  readonly embedding: number;
  /** Linear weights, times 1/√(inputs). */
  readonly linear: number;
  /** A further factor on what writes into the residual stream (o_proj, down_proj). */
  readonly residual: number;
}

const DEFAULT: Initialisation = { embedding: 0.02, linear: 0.6, residual: 1 };

const isTable = (name: string): boolean => [EMBEDDING, POSITIONS, 'lm_head.weight'].includes(name);

const writesResidual = (name: string): boolean =>
  name.endsWith('o_proj.weight') || name.endsWith('down_proj.weight');

function deviationOf({ name, shape }: Parameter, { embedding, linear, residual }: Initialisation): number {
  if (isTable(name)) return embedding;
  return (linear / Math.sqrt(shape[1]!)) * (writesResidual(name) ? residual : 1);
}

function fill(parameter: Parameter, seed: number, how: Initialisation, into: Float32Array): void {
  const { name, shape } = parameter;
  if (name.endsWith('.bias')) return;
  if (shape.length === 1) {
    into.fill(1);
    return;
  }
  const deviation = deviationOf(parameter, how);
  const rng = rngOf(keyOf(seed, 'initialise', name));
  for (let i = 0; i < into.length; i++) into[i] = deviation * rng.normal();
}

export function initialise(architecture: Architecture, seed: number, how: Initialisation = DEFAULT): Weights {
  const weights = emptyWeights(architecture);
  for (const parameter of parametersOf(architecture))
    fill(parameter, seed, how, weights.data.subarray(parameter.offset, parameter.offset + parameter.size));
  return weights;
}
