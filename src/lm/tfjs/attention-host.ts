/**
 * Attention between the matmuls, in host memory: reads qkv from the backend, writes the context back. On wasm a read is
 * one memcpy, and no kernel is dispatched a head. Rows are packed, so no mask and no padding exist, and a row's numbers
 * cannot depend on its neighbours.
 */
import * as tf from '@tensorflow/tfjs-core';
import { type RopeTable, rotate } from '../rope.js';
import type { Attention, AttentionSession, Heads, Remember } from './attention.js';
import { type Context, hostDecoder } from './attention-host-decoder.js';
import { dots, dotsPair, mix, mixPair, softmax, softmaxBackward } from './attention-math.js';

/** One layer's rotated qkv [N, line] and, for a backward pass, the probabilities. */
interface LayerMemory {
  readonly qkv: Float32Array;
  /** Of each row and head a square [length, length], empty above the diagonal. */
  readonly probabilities: Float32Array | null;
}

export function hostAttention(heads: Heads, rope: RopeTable): Attention {
  return {
    padded: false,
    begin: (layout, remember) => hostSession({ h: heads, rope, layout }, remember),
  };
}

function hostSession(at: Context, remember: Remember): AttentionSession {
  const memory: (LayerMemory | undefined)[] = [];
  return {
    forward(layer, tensor) {
      const qkv = tensor.dataSync<'float32'>(); // on cpu the tensor's own array: nobody else reads that tensor
      rotateAll(at, qkv, 1);
      const { context, probabilities } = attendAll(at, qkv, remember === 'trace');
      if (remember !== 'nothing') memory[layer] = { qkv, probabilities };
      return tf.tensor2d(context, [at.layout.total, at.h.q]);
    },
    backward(layer, dContext) {
      const { qkv, probabilities } = memory[layer]!;
      const dqkv = attendAllBackward(at, qkv, probabilities!, dContext.dataSync<'float32'>());
      rotateAll(at, dqkv, -1);
      memory[layer] = undefined;
      return tf.tensor2d(dqkv, [at.layout.total, at.h.line]);
    },
    decode: (rowOfSlot) =>
      hostDecoder(
        at,
        memory.map((m) => m!.qkv),
        rowOfSlot,
      ),
    dispose: () => {
      memory.length = 0;
    },
  };
}

/** Queries and keys stand first on a line and are turned alike. */
function rotateAll({ h, rope, layout }: Context, qkv: Float32Array, direction: 1 | -1): void {
  layout.lengths.forEach((length, row) => {
    for (let t = 0; t < length; t++) {
      rotate(qkv, (layout.starts[row]! + t) * h.line, h.heads + h.kvHeads, t, rope, direction);
    }
  });
}

function attendAll({ h, layout }: Context, qkv: Float32Array, remember: boolean) {
  const context = new Float32Array(layout.total * h.q);
  const squares = layout.lengths.reduce((sum, n) => sum + n * n, 0) * h.heads;
  const probabilities = remember ? new Float32Array(squares) : null;
  const p = probabilities ?? new Float32Array(layout.width ** 2);
  let square = 0;
  layout.lengths.forEach((length, row) => {
    for (let head = 0; head < h.heads; head++) {
      attendHead(h, layout.starts[row]!, length, head, qkv, p, square, context);
      if (remember) square += length * length;
    }
  });
  return { context, probabilities };
}

/**
 * One head of one row, two queries at a time; p is the square of probabilities. A pair's earlier query has one cell too
 * many, which is set to 0.
 */
function attendHead(
  h: Heads,
  first: number,
  length: number,
  head: number,
  qkv: Float32Array,
  p: Float32Array,
  square: number,
  context: Float32Array,
): void {
  const queries = first * h.line + head * h.headDim;
  const keys = first * h.line + h.q + Math.floor(head / h.group) * h.headDim;
  const outs = first * h.q + head * h.headDim;
  let t = 0;
  for (; t + 2 <= length; t += 2) {
    const row = square + t * length;
    dotsPair(qkv, queries + t * h.line, h.line, h.headDim, qkv, keys, h.line, t + 2, h.scale, p, row, length);
    softmax(p, row, t + 1);
    p[row + t + 1] = 0;
    softmax(p, row + length, t + 2);
    mixPair(p, row, length, 1, t + 2, qkv, keys + h.kv, h.line, h.headDim, context, outs + t * h.q, h.q);
  }
  if (t === length) return;
  const row = square + t * length;
  dots(qkv, queries + t * h.line, h.headDim, qkv, keys, h.line, length, h.scale, p, row);
  softmax(p, row, length);
  mix(p, row, 1, length, qkv, keys + h.kv, h.line, h.headDim, context, outs + t * h.q);
}

function attendAllBackward(
  { h, layout }: Context,
  qkv: Float32Array,
  p: Float32Array,
  dContext: Float32Array,
) {
  const d = new Float32Array(qkv.length);
  const ds = new Float32Array(layout.width ** 2);
  let square = 0;
  layout.lengths.forEach((length, row) => {
    for (let head = 0; head < h.heads; head++, square += length * length) {
      const first = layout.starts[row]!;
      scoresBackward(h, first, length, head, qkv, p, square, dContext, ds, d);
      keysBackward(h, first, length, head, qkv, p, square, dContext, ds, d);
    }
  });
  return d;
}

/** Row by row: the gradients of the scores into the square `ds`, those of the queries into `d`. */
function scoresBackward(
  h: Heads,
  first: number,
  length: number,
  head: number,
  qkv: Float32Array,
  p: Float32Array,
  square: number,
  dContext: Float32Array,
  ds: Float32Array,
  d: Float32Array,
): void {
  const queries = first * h.line + head * h.headDim;
  const keys = first * h.line + h.q + Math.floor(head / h.group) * h.headDim;
  const outs = first * h.q + head * h.headDim;
  let t = 0;
  for (; t + 2 <= length; t += 2) {
    const row = t * length;
    dotsPair(dContext, outs + t * h.q, h.q, h.headDim, qkv, keys + h.kv, h.line, t + 2, 1, ds, row, length);
    softmaxBackward(p, square + row, ds, row, t + 2, h.scale);
    softmaxBackward(p, square + row + length, ds, row + length, t + 2, h.scale);
    mixPair(ds, row, length, 1, t + 2, qkv, keys, h.line, h.headDim, d, queries + t * h.line, h.line);
  }
  if (t === length) return;
  const row = t * length;
  dots(dContext, outs + t * h.q, h.headDim, qkv, keys + h.kv, h.line, length, 1, ds, row);
  softmaxBackward(p, square + row, ds, row, length, h.scale);
  mix(ds, row, 1, length, qkv, keys, h.line, h.headDim, d, queries + t * h.line);
}

/** Column by column, from the diagonal down: the gradients of keys and values. */
function keysBackward(
  h: Heads,
  first: number,
  length: number,
  head: number,
  qkv: Float32Array,
  p: Float32Array,
  square: number,
  dContext: Float32Array,
  ds: Float32Array,
  d: Float32Array,
): void {
  const queries = first * h.line + head * h.headDim;
  const keys = first * h.line + h.q + Math.floor(head / h.group) * h.headDim;
  const outs = first * h.q + head * h.headDim;
  for (let t = 0; t < length; t += 2) {
    const diagonal = t * length + t;
    const below = length - t;
    const q = queries + t * h.line;
    const out = outs + t * h.q;
    const k = keys + t * h.line;
    if (below === 1) {
      mix(p, square + diagonal, length, 1, dContext, out, h.q, h.headDim, d, k + h.kv);
      mix(ds, diagonal, length, 1, qkv, q, h.line, h.headDim, d, k);
    } else {
      mixPair(p, square + diagonal, 1, length, below, dContext, out, h.q, h.headDim, d, k + h.kv, h.line);
      mixPair(ds, diagonal, 1, length, below, qkv, q, h.line, h.headDim, d, k, h.line);
    }
  }
}
