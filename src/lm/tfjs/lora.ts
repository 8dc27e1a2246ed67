/**
 * Adapters on a model's linear maps: y += scaling·drop(x)·Aᵀ·Bᵀ, and their backward pass, which writes the gradients of A and B into
 * the adapter's own block. The base's parameters are left alone. Tensors live as long as one gradient.
 */
import * as tf from '@tensorflow/tfjs-core';
import { type Adapter, adapterModules, scalingOf } from '../lora.js';
import type { LayerParameters, Linear, ModelParameters } from './parameters.js';

/** One A with its B, added to columns [from, from + width) of a linear map's output. */
interface Update {
  readonly from: number;
  readonly width: number;
  readonly a: Float32Array; // [rank, in]
  readonly aOffset: number;
  readonly b: Float32Array; // [width, rank]
  readonly bOffset: number;
}

/** What is added to one linear map. */
export interface LowRank {
  readonly rank: number;
  readonly scaling: number;
  readonly updates: readonly Update[];
  /** Gradients go here, at the updates' offsets. */
  readonly into: Float32Array;
}

/** The same parameters, each adapted linear map with its share of the adapter. */
export function withAdapter(
  parameters: ModelParameters,
  { lora, data }: Adapter,
  into: Float32Array,
): ModelParameters {
  const byFirst = new Map(
    adapterModules(parameters.architecture, lora).map((module) => [module.parts[0]!.name, module]),
  );
  const adapted = (map: Linear): Linear => {
    let row = 0;
    const updates = map.parts.flatMap(({ weight }): Update[] => {
      const from = row;
      row += weight.shape[0]!;
      const module = byFirst.get(weight.name);
      if (module === undefined) return [];
      const { aOffset, bOffset, outSize: width } = module;
      const [a, b] = [data.slice(aOffset, bOffset), data.slice(bOffset, bOffset + width * lora.rank)];
      return [{ from, width, a, aOffset, b, bOffset }];
    });
    if (updates.length === 0) return map;
    return { ...map, lowRank: { rank: lora.rank, scaling: scalingOf(lora), updates, into } };
  };
  const layerOf = (layer: LayerParameters): LayerParameters => ({
    ...layer,
    qkv: adapted(layer.qkv),
    output: adapted(layer.output),
    gate: layer.gate && adapted(layer.gate),
    up: adapted(layer.up),
    down: adapted(layer.down),
  });
  return { ...parameters, layers: parameters.layers.map(layerOf) };
}

const masked = (x: tf.Tensor2D, mask: tf.Tensor2D | undefined): tf.Tensor2D =>
  mask === undefined ? x : tf.mul(x, mask);

/** Of a matrix [rows, columns] on the host its transpose as a tensor. */
const turned = (data: Float32Array, rows: number, columns: number): tf.Tensor2D =>
  tf.transpose(tf.tensor2d(data, [rows, columns]));

/** Columns of a matrix. */
const columnsOf = (x: tf.Tensor2D, from: number, width: number): tf.Tensor2D =>
  from === 0 && width === x.shape[1] ? x : tf.slice(x, [0, from], [x.shape[0], width]);

/** [N, in] → what is added [N, out]. */
export function lowRankOf(
  x: tf.Tensor2D,
  outSize: number,
  { rank, scaling, updates }: LowRank,
  mask: tf.Tensor2D | undefined,
): tf.Tensor2D {
  const input = masked(x, mask);
  const [lines, inSize] = x.shape;
  const pieces: tf.Tensor2D[] = [];
  let at = 0;
  for (const { from, width, a, b } of updates) {
    if (from > at) pieces.push(tf.zeros([lines, from - at]));
    const low = tf.mul<tf.Tensor2D>(tf.matMul(input, turned(a, rank, inSize)), scaling); // [N, rank]
    pieces.push(tf.matMul(low, turned(b, width, rank))); // [N, width]
    at = from + width;
  }
  if (at < outSize) pieces.push(tf.zeros([lines, outSize - at]));
  return pieces.length === 1 ? pieces[0]! : tf.concat2d(pieces, 1);
}

/** Writes d loss / d A and d loss / d B; gives what the adapter adds to d loss / d x. */
export function lowRankBackward(
  x: tf.Tensor2D,
  dy: tf.Tensor2D,
  { rank, scaling, updates, into }: LowRank,
  mask: tf.Tensor2D | undefined,
): tf.Tensor2D {
  const input = masked(x, mask);
  const inSize = x.shape[1];
  const slopes = updates.map(({ from, width, a, aOffset, b, bOffset }) => {
    const own = columnsOf(dy, from, width); // [N, width]
    const low = tf.matMul<tf.Tensor2D>(input, turned(a, rank, inSize)); // [N, rank]
    const dB = tf.mul(tf.matMul(tf.transpose(own), low), scaling); // [width, rank]
    into.set(dB.dataSync<'float32'>(), bOffset);
    const dLow = tf.mul<tf.Tensor2D>(tf.matMul(own, tf.tensor2d(b, [width, rank])), scaling); // [N, rank]
    into.set(tf.matMul(tf.transpose(dLow), input).dataSync<'float32'>(), aOffset); // [rank, in]
    return tf.matMul<tf.Tensor2D>(dLow, tf.tensor2d(a, [rank, inSize])); // [N, in]
  });
  return masked(
    slopes.reduce((sum, slope) => tf.add(sum, slope)),
    mask,
  );
}
