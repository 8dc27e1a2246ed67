/**
 * The port of causal self-attention, between the qkv projection and the output projection. Two implementations: `host`
 * (typed arrays between the matmuls: fastest on wasm and cpu, each row at its own length) and `tensor` (everything on the
 * device: for GPUs). RoPE belongs to both; scores are scaled by 1/√headDim.
 */
import type * as tf from '@tensorflow/tfjs-core';
import type { Architecture } from '../architecture.js';
import type { Layout } from '../layout.js';

/** What the session must remember: nothing, keys and values to go on decoding, or all that a backward pass needs. */
export type Remember = 'nothing' | 'cache' | 'trace';

export interface Attention {
  /** Whether rows must be padded to one width. */
  readonly padded: boolean;
  begin(layout: Layout, remember: Remember): AttentionSession;
}

/** One forward pass over whole sequences, layer after layer. */
export interface AttentionSession {
  /** qkv [N, Q + 2·KV] → context [N, Q] */
  forward(layer: number, qkv: tf.Tensor2D): tf.Tensor2D;
  /** d context [N, Q] → d qkv [N, Q + 2·KV]; frees what it remembered of the layer. */
  backward(layer: number, dContext: tf.Tensor2D): tf.Tensor2D;
  /** Goes on from the cache: slot i continues the row `rowOfSlot[i]`. */
  decode(rowOfSlot: readonly number[]): Decoder;
  dispose(): void;
}

/** One new token a slot and step. */
export interface Decoder {
  /** Compact the slots when at most this share of them is alive. */
  readonly compactAt: number;
  /** qkv [slots, Q + 2·KV] → context [slots, Q]; call once a layer, in order, then `advance`. */
  attend(layer: number, qkv: tf.Tensor2D): tf.Tensor2D;
  advance(): void;
  keep(slots: readonly number[]): void;
  dispose(): void;
}

/** Widths of the three parts of a qkv line. */
export interface Heads {
  readonly heads: number;
  readonly kvHeads: number;
  /** Query heads that share a key head. */
  readonly group: number;
  readonly headDim: number;
  readonly q: number;
  readonly kv: number;
  /** Q + 2·KV */
  readonly line: number;
  readonly scale: number;
}

export function headsOf(a: Architecture): Heads {
  const q = a.heads * a.headDim;
  const kv = a.kvHeads * a.headDim;
  const scale = 1 / Math.sqrt(a.headDim);
  return {
    heads: a.heads,
    kvHeads: a.kvHeads,
    group: a.heads / a.kvHeads,
    headDim: a.headDim,
    q,
    kv,
    line: q + 2 * kv,
    scale,
  };
}
