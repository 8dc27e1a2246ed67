/**
 * Attention in tensors, for devices where a read to the host costs more than a kernel. Rows are padded on the right:
 * the causal mask hides padding from real tokens. Query heads of one key head are stacked, so no key is repeated.
 * Decoding holds two caches: the prompts' (masked beyond each row's length) and the made tokens', which all slots share
 * step by step, so that it needs no mask.
 */
import * as tf from '@tensorflow/tfjs-core';
import type { Layout } from '../layout.js';
import type { RopeTable } from '../rope.js';
import type { Attention, AttentionSession, Decoder, Heads, Remember } from './attention.js';

const HIDDEN = -1e30;

/** Keys and values [B, K, T, d]; for a backward pass also queries [B, K, G·T, d] and probabilities [B, K, G·T, T]. */
interface LayerMemory {
  readonly k: tf.Tensor4D;
  readonly v: tf.Tensor4D;
  readonly q?: tf.Tensor4D;
  readonly p?: tf.Tensor4D;
}

/** Cosines and sines shaped to turn [B, K, ·, T, d/2]-like tensors: [rows or 1, 1, 1, T, d/2]. */
interface Angles {
  readonly cos: tf.Tensor;
  readonly sin: tf.Tensor;
}

export function tensorAttention(heads: Heads, rope: RopeTable): Attention {
  return { padded: true, begin: (layout, remember) => tensorSession(heads, rope, layout, remember) };
}

/** Turns the last axis by half-split RoPE; direction −1 turns back. */
function turn<T extends tf.Tensor>(x: T, { cos, sin }: Angles, direction: 1 | -1): T {
  const [low, high] = tf.split(x, 2, -1) as [tf.Tensor, tf.Tensor];
  const s = direction === 1 ? sin : tf.neg(sin);
  return tf.concat(
    [tf.sub(tf.mul(low, cos), tf.mul(high, s)), tf.add(tf.mul(high, cos), tf.mul(low, s))],
    -1,
  ) as T;
}

/** qkv [B·T, line] → q [B, K, G·T, d], k and v [B, K, T, d], before RoPE's turn of q and k. */
function splitHeads(qkv: tf.Tensor2D, h: Heads, rows: number, width: number, angles: Angles) {
  const [q, k, v] = tf.split(qkv, [h.q, h.kv, h.kv], 1) as [tf.Tensor2D, tf.Tensor2D, tf.Tensor2D];
  const byHead = (x: tf.Tensor, group: number) =>
    tf.transpose(tf.reshape(x, [rows, width, h.kvHeads, group, h.headDim]), [0, 2, 3, 1, 4]); // [B, K, G, T, d]
  const flat = (x: tf.Tensor, group: number) =>
    tf.reshape(x, [rows, h.kvHeads, group * width, h.headDim]) as tf.Tensor4D;
  return {
    q: flat(turn(byHead(q, h.group), angles, 1), h.group),
    k: flat(turn(byHead(k, 1), angles, 1), 1),
    v: flat(byHead(v, 1), 1),
  };
}

/** The inverse of `splitHeads` for gradients: turned back, and side by side again. */
function joinHeads(
  q: tf.Tensor,
  k: tf.Tensor,
  v: tf.Tensor,
  h: Heads,
  rows: number,
  width: number,
  angles: Angles,
) {
  const byHead = (x: tf.Tensor, group: number) => tf.reshape(x, [rows, h.kvHeads, group, width, h.headDim]);
  const lines = (x: tf.Tensor, size: number) =>
    tf.reshape(tf.transpose(x, [0, 3, 1, 2, 4]), [rows * width, size]) as tf.Tensor2D;
  return tf.concat2d(
    [
      lines(turn(byHead(q, h.group), angles, -1), h.q),
      lines(turn(byHead(k, 1), angles, -1), h.kv),
      lines(byHead(v, 1), h.kv),
    ],
    1,
  );
}

/** context [B, K, G·T, d] ↔ lines [B·T, Q]. */
function contextLines(x: tf.Tensor, h: Heads, rows: number, width: number): tf.Tensor2D {
  const split = tf.reshape(x, [rows, h.kvHeads, h.group, width, h.headDim]);
  return tf.reshape(tf.transpose(split, [0, 3, 1, 2, 4]), [rows * width, h.q]) as tf.Tensor2D;
}

function linesToHeads(x: tf.Tensor2D, h: Heads, rows: number, width: number): tf.Tensor4D {
  const split = tf.reshape(x, [rows, width, h.kvHeads, h.group, h.headDim]);
  const byHead = tf.transpose(split, [0, 2, 3, 1, 4]);
  return tf.reshape(byHead, [rows, h.kvHeads, h.group * width, h.headDim]) as tf.Tensor4D;
}

function positionAngles(rope: RopeTable, positions: readonly number[], shape: readonly number[]): Angles {
  const { cos, sin } = rope.upTo(Math.max(...positions) + 1);
  const pickFrom = (table: Float32Array) => {
    const out = new Float32Array(positions.length * rope.half);
    positions.forEach((p, i) => {
      out.set(table.subarray(p * rope.half, (p + 1) * rope.half), i * rope.half);
    });
    return tf.tensor(out, [...shape, rope.half]);
  };
  return { cos: pickFrom(cos), sin: pickFrom(sin) };
}

/** [1, 1, G·T, T]: 0 where a query may look, −1e30 beyond it. */
function causalMask(group: number, width: number): tf.Tensor4D {
  const mask = new Float32Array(group * width * width);
  for (let i = 0; i < mask.length; i++) mask[i] = i % width <= Math.floor(i / width) % width ? 0 : HIDDEN;
  return tf.tensor4d(mask, [1, 1, group * width, width]);
}

function tensorSession(h: Heads, rope: RopeTable, layout: Layout, remember: Remember): AttentionSession {
  const rows = layout.lengths.length;
  const { width } = layout;
  const memory: (LayerMemory | undefined)[] = [];
  const angles = positionAngles(
    rope,
    Array.from({ length: width }, (_, t) => t),
    [1, 1, 1, width],
  );
  const mask = causalMask(h.group, width);
  const held = [mask, angles.cos, angles.sin].map((x) => tf.keep(x));
  const hold = (made: LayerMemory): LayerMemory => {
    for (const tensor of Object.values(made)) tf.keep(tensor);
    return made;
  };
  return {
    forward: (layer, qkv) =>
      tf.tidy(() => {
        const { q, k, v } = splitHeads(qkv, h, rows, width, angles);
        const scores = tf.mul(tf.matMul(q, k, false, true), h.scale); // [B, K, G·T, T]
        const p = tf.softmax<tf.Tensor4D>(tf.add(scores, mask));
        if (remember !== 'nothing') memory[layer] = hold(remember === 'trace' ? { q, k, v, p } : { k, v });
        return contextLines(tf.matMul(p, v), h, rows, width);
      }),
    backward(layer, dContext) {
      const { q, k, v, p } = memory[layer] as Required<LayerMemory>;
      const out = tf.tidy(() => {
        const dc = linesToHeads(dContext, h, rows, width); // [B, K, G·T, d]
        const dv = tf.matMul(p, dc, true, false); // [B, K, T, d]
        const dp = tf.matMul(dc, v, false, true); // [B, K, G·T, T]
        const along = tf.sum(tf.mul(p, dp), -1, true);
        const ds = tf.mul(tf.mul(p, tf.sub(dp, along)), h.scale);
        return joinHeads(tf.matMul(ds, k), tf.matMul(ds, q, true, false), dv, h, rows, width, angles);
      });
      tf.dispose([q, k, v, p]);
      memory[layer] = undefined;
      return out;
    },
    decode: (rowOfSlot) =>
      tensorDecoder(
        h,
        rope,
        layout,
        memory.map((m) => m!),
        rowOfSlot,
      ),
    dispose() {
      for (const m of memory) if (m !== undefined) tf.dispose(Object.values(m));
      tf.dispose(held);
      memory.length = 0;
    },
  };
}

interface Caches {
  prefixK: tf.Tensor4D; // [S, K, T1, d]
  prefixV: tf.Tensor4D;
  madeK: tf.Tensor4D | null; // [S, K, t, d]
  madeV: tf.Tensor4D | null;
}

function tensorDecoder(
  h: Heads,
  rope: RopeTable,
  layout: Layout,
  memory: readonly LayerMemory[],
  rowOfSlot: readonly number[],
): Decoder {
  const gather = (x: tf.Tensor4D, at: readonly number[]) => tf.tidy(() => tf.gather(x, [...at], 0));
  let lengths = rowOfSlot.map((row) => layout.lengths[row]!);
  let made = 0;
  let mask = prefixMask(lengths, layout.width);
  const caches: Caches[] = memory.map(({ k, v }) => ({
    prefixK: gather(k, rowOfSlot),
    prefixV: gather(v, rowOfSlot),
    madeK: null,
    madeV: null,
  }));
  const append = (old: tf.Tensor4D | null, line: tf.Tensor4D): tf.Tensor4D => {
    const grown = tf.keep(old === null ? tf.clone(line) : tf.concat4d([old, line], 2));
    old?.dispose();
    return grown;
  };
  return {
    compactAt: 0.75,
    attend: (layer, qkv) =>
      tf.tidy(() => {
        const cache = caches[layer]!;
        const slots = lengths.length;
        const angles = positionAngles(
          rope,
          lengths.map((n) => n + made),
          [slots, 1, 1, 1],
        );
        const { q, k, v } = splitHeads(qkv, h, slots, 1, angles); // q [S, K, G, d]
        cache.madeK = append(cache.madeK, k);
        cache.madeV = append(cache.madeV, v);
        const old = tf.add(tf.mul(tf.matMul(q, cache.prefixK, false, true), h.scale), mask); // [S, K, G, T1]
        const young = tf.mul(tf.matMul(q, cache.madeK, false, true), h.scale); // [S, K, G, t]
        const top = tf.maximum(tf.max(old, -1, true), tf.max(young, -1, true));
        const oldE = tf.exp(tf.sub(old, top));
        const youngE = tf.exp(tf.sub(young, top));
        const sum = tf.add(tf.sum(oldE, -1, true), tf.sum(youngE, -1, true));
        const mixed = tf.add(tf.matMul(oldE, cache.prefixV), tf.matMul(youngE, cache.madeV));
        return contextLines(tf.div(mixed, sum), h, slots, 1);
      }),
    advance: () => {
      made++;
    },
    keep(alive) {
      const replace = (x: tf.Tensor4D): tf.Tensor4D => {
        const kept = gather(x, alive);
        x.dispose();
        return kept;
      };
      for (const cache of caches) {
        cache.prefixK = replace(cache.prefixK);
        cache.prefixV = replace(cache.prefixV);
        cache.madeK = cache.madeK && replace(cache.madeK);
        cache.madeV = cache.madeV && replace(cache.madeV);
      }
      lengths = alive.map((i) => lengths[i]!);
      mask.dispose();
      mask = prefixMask(lengths, layout.width);
    },
    dispose: () => tf.dispose([mask, caches.map((c) => Object.values(c).filter((x) => x !== null))]),
  };
}

/** [S, 1, 1, T1]: −1e30 beyond a slot's own prompt. */
function prefixMask(lengths: readonly number[], width: number): tf.Tensor4D {
  const mask = lengths.flatMap((n) => Array.from({ length: width }, (_, t) => (t < n ? 0 : HIDDEN)));
  return tf.tensor4d(mask, [lengths.length, 1, 1, width]);
}
