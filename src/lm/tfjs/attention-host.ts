/**
 * Attention between the matmuls, in host memory: reads qkv from the backend, writes the context back. On wasm a read is
 * one memcpy, and no kernel is dispatched a head. Rows are packed, so no mask and no padding exist, and a row's numbers
 * cannot depend on its neighbours.
 */
import * as tf from '@tensorflow/tfjs-core';
import type { Attention, AttentionSession, Decoder, Heads, Remember } from './attention.js';
import { dots, mix, softmax, softmaxBackward } from './attention-math.js';
import type { Layout } from './layout.js';
import { type RopeTable, rotate } from './rope.js';

/** One layer's rotated qkv [N, line] and, for a backward pass, the probabilities. */
interface LayerMemory {
  readonly qkv: Float32Array;
  /** Of each row and head a square [length, length], empty above the diagonal. */
  readonly probabilities: Float32Array | null;
}

interface Context {
  readonly h: Heads;
  readonly rope: RopeTable;
  readonly layout: Layout;
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
      const qkv = tensor.dataSync<'float32'>();
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
    decode: (rowOfSlot) => hostDecoder(at, memory.map((m) => m!.qkv), rowOfSlot),
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
  const cells = layout.lengths.reduce((sum, n) => sum + n * n, 0) * h.heads;
  const probabilities = remember ? new Float32Array(cells) : null;
  const p = probabilities ?? new Float32Array(layout.width);
  let cell = 0;
  layout.lengths.forEach((length, row) => {
    const first = layout.starts[row]!;
    for (let head = 0; head < h.heads; head++) {
      const keys = first * h.line + h.q + Math.floor(head / h.group) * h.headDim;
      for (let t = 0; t < length; t++) {
        const query = (first + t) * h.line + head * h.headDim;
        dots(qkv, query, h.headDim, qkv, keys, h.line, t + 1, h.scale, p, cell);
        softmax(p, cell, t + 1);
        mix(p, cell, 1, t + 1, qkv, keys + h.kv, h.line, h.headDim, context, (first + t) * h.q + head * h.headDim);
        if (remember) cell += length;
      }
    }
  });
  return { context, probabilities };
}

function attendAllBackward({ h, layout }: Context, qkv: Float32Array, p: Float32Array, dContext: Float32Array) {
  const d = new Float32Array(qkv.length);
  const ds = new Float32Array(layout.width ** 2);
  let cell = 0;
  layout.lengths.forEach((length, row) => {
    for (let head = 0; head < h.heads; head++, cell += length * length) {
      headBackward(h, layout.starts[row]!, length, head, qkv, p, cell, dContext, ds, d);
    }
  });
  return d;
}

/** One head of one row: queries row by row of the square of probabilities, then keys and values column by column. */
function headBackward(
  h: Heads,
  first: number,
  length: number,
  head: number,
  qkv: Float32Array,
  p: Float32Array,
  cell: number,
  dContext: Float32Array,
  ds: Float32Array,
  d: Float32Array,
): void {
  const queries = first * h.line + head * h.headDim;
  const keys = first * h.line + h.q + Math.floor(head / h.group) * h.headDim;
  const values = keys + h.kv;
  const outs = first * h.q + head * h.headDim;
  for (let t = 0; t < length; t++) {
    const row = t * length;
    dots(dContext, outs + t * h.q, h.headDim, qkv, values, h.line, t + 1, 1, ds, row);
    softmaxBackward(p, cell + row, ds, row, t + 1, h.scale);
    mix(ds, row, 1, t + 1, qkv, keys, h.line, h.headDim, d, queries + t * h.line);
  }
  for (let t = 0; t < length; t++) {
    const diagonal = t * length + t;
    const below = length - t;
    mix(p, cell + diagonal, length, below, dContext, outs + t * h.q, h.q, h.headDim, d, values + t * h.line);
    mix(ds, diagonal, length, below, qkv, queries + t * h.line, h.line, h.headDim, d, keys + t * h.line);
  }
}

/** The tokens a slot has made itself, one layer: [capacity, 2·KV], keys then values on a line. */
type Suffix = Float32Array;

interface Slot {
  readonly prefixStart: number;
  readonly prefixLength: number;
  readonly suffixes: Suffix[];
}

/** Slots that continue one prompt read its keys and values from the same place. */
function hostDecoder(at: Context, prefixes: readonly Float32Array[], rowOfSlot: readonly number[]): Decoder {
  const { h, layout } = at;
  const scores = { array: new Float32Array(layout.width + 64) };
  let made = 0; // tokens made so far by every slot
  let slots: readonly Slot[] = rowOfSlot.map((row) => ({
    prefixStart: layout.starts[row]!,
    prefixLength: layout.lengths[row]!,
    suffixes: prefixes.map(() => new Float32Array(16 * 2 * h.kv)),
  }));
  return {
    compactAt: 1,
    attend(layer, tensor) {
      const qkv = tensor.dataSync<'float32'>();
      const context = new Float32Array(slots.length * h.q);
      slots.forEach((slot, i) => {
        rotate(qkv, i * h.line, h.heads + h.kvHeads, slot.prefixLength + made, at.rope, 1);
        slot.suffixes[layer] = append(slot.suffixes[layer]!, made, qkv.subarray(i * h.line + h.q, (i + 1) * h.line));
        attendSlot(h, slot, made + 1, prefixes[layer]!, slot.suffixes[layer]!, qkv, i, scores.array, context);
      });
      return tf.tensor2d(context, [slots.length, h.q]);
    },
    advance() {
      made++;
      if (layout.width + made + 1 > scores.array.length) scores.array = new Float32Array(2 * scores.array.length);
    },
    keep: (alive) => {
      slots = alive.map((i) => slots[i]!);
    },
    dispose: () => {
      slots = [];
    },
  };
}

function append(suffix: Suffix, count: number, line: Float32Array): Suffix {
  const at = count * line.length;
  let grown = suffix;
  if (at + line.length > suffix.length) {
    grown = new Float32Array(2 * suffix.length);
    grown.set(suffix);
  }
  grown.set(line, at);
  return grown;
}

function attendSlot(
  h: Heads,
  slot: Slot,
  made: number,
  prefix: Float32Array,
  suffix: Suffix,
  qkv: Float32Array,
  index: number,
  scores: Float32Array,
  context: Float32Array,
): void {
  const old = slot.prefixLength;
  for (let head = 0; head < h.heads; head++) {
    const kv = Math.floor(head / h.group) * h.headDim;
    const query = index * h.line + head * h.headDim;
    const keys = slot.prefixStart * h.line + h.q + kv;
    const out = index * h.q + head * h.headDim;
    dots(qkv, query, h.headDim, prefix, keys, h.line, old, h.scale, scores, 0);
    dots(qkv, query, h.headDim, suffix, kv, 2 * h.kv, made, h.scale, scores, old);
    softmax(scores, 0, old + made);
    mix(scores, 0, 1, old, prefix, keys + h.kv, h.line, h.headDim, context, out);
    mix(scores, old, 1, made, suffix, kv + h.kv, 2 * h.kv, h.headDim, context, out);
  }
}
