/**
 * Decoding with attention on the host: one new token a slot and step. The prompts' keys and values stay where the prefill
 * left them, read by every slot that continues them; each slot owns those of the tokens it has made.
 */
import * as tf from '@tensorflow/tfjs-core';
import type { Layout } from '../layout.js';
import { type RopeTable, rotate } from '../rope.js';
import type { Decoder, Heads } from './attention.js';
import { dots, mix, softmax } from './attention-math.js';

/** What attention on the host works with. */
export interface Context {
  readonly h: Heads;
  readonly rope: RopeTable;
  readonly layout: Layout;
}

/** The tokens a slot has made itself, one layer: [capacity, 2·KV], keys then values on a line. */
type Suffix = Float32Array;

interface Slot {
  readonly prefixStart: number;
  readonly prefixLength: number;
  readonly suffixes: Suffix[];
}

export function hostDecoder(
  at: Context,
  prefixes: readonly Float32Array[],
  rowOfSlot: readonly number[],
): Decoder {
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
        slot.suffixes[layer] = append(
          slot.suffixes[layer]!,
          made,
          qkv.subarray(i * h.line + h.q, (i + 1) * h.line),
        );
        attendSlot(h, slot, made + 1, prefixes[layer]!, slot.suffixes[layer]!, qkv, i, scores.array, context);
      });
      return tf.tensor2d(context, [slots.length, h.q]);
    },
    advance() {
      made++;
      if (layout.width + made + 1 > scores.array.length)
        scores.array = new Float32Array(2 * scores.array.length);
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
