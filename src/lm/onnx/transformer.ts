/**
 * The architecture, said once in ops.ts: embedding → layers of attention and MLP → final norm → head. The three graphs
 * (graphs.ts) differ only in where parameters come from and in how attention reaches other tokens.
 */
import type { Architecture } from '../architecture.js';
import type { DropoutSite } from '../dropout.js';
import type { Graph, Value } from './graph.js';
import {
  add,
  linear,
  maskedSoftmax,
  matmul,
  mul,
  type Rotation,
  reshape,
  rmsNorm,
  rope,
  silu,
  takeRows,
  transpose,
} from './ops.js';
import type { Dim } from './proto.js';

/** A parameter by its Hugging Face name. */
export type Parameters = (name: string) => Value;

/** Turned queries [N, H·D], turned keys and values [N, KV·D] of a layer → what each line takes from the others [N, H·D]. */
export type Attend = (layer: number, q: Value, k: Value, v: Value) => Value;

export interface Forward {
  readonly g: Graph;
  readonly architecture: Architecture;
  readonly parameters: Parameters;
  readonly rotation: Rotation;
  /** Turns queries where theirs are scaled as well; absent: as keys. */
  readonly queryRotation?: Rotation;
  readonly attend: Attend;
  /** Lines that go on after the last layer's attention, [M]; absent: all. */
  readonly only?: Value;
  /** What a branch's output is multiplied with; absent: nothing. */
  readonly mask?: (layer: number, site: DropoutSite) => Value;
}

/** Embedded lines [N, hidden] → normed hidden states [M, hidden]. */
export function hiddenStates(forward: Forward, embedded: Value): Value {
  const { g, architecture, parameters } = forward;
  let x = embedded;
  for (let layer = 0; layer < architecture.layers; layer++) x = block(forward, layer, x);
  return rmsNorm(g, x, parameters('model.norm.weight'), architecture.rmsNormEps);
}

/** [M, hidden] → logits [M, V]. */
export const logitsOf = ({ g, architecture, parameters }: Forward, hidden: Value): Value =>
  linear(g, hidden, parameters(architecture.tiedHead ? 'model.embed_tokens.weight' : 'lm_head.weight'), null);

function block(forward: Forward, layer: number, x: Value): Value {
  const { g, architecture, parameters, only } = forward;
  const { rmsNormEps, heads, kvHeads, attentionBias, mlpBias } = architecture;
  const at = `model.layers.${layer}`;
  const project = (part: string, bias: boolean, input: Value): Value =>
    linear(g, input, parameters(`${at}.${part}.weight`), bias ? parameters(`${at}.${part}.bias`) : null);
  const norm = (name: string, input: Value): Value =>
    rmsNorm(g, input, parameters(`${at}.${name}.weight`), rmsNormEps);
  const masked = (site: DropoutSite, branch: Value): Value =>
    forward.mask === undefined ? branch : mul(g, branch, forward.mask(layer, site));
  const goOn = (lines: Value): Value =>
    only === undefined || layer < architecture.layers - 1 ? lines : takeRows(g, lines, only);

  const before = norm('input_layernorm', x);
  const { rotation, queryRotation = rotation } = forward;
  const q = rope(g, project('self_attn.q_proj', attentionBias, before), queryRotation, heads);
  const k = rope(g, project('self_attn.k_proj', attentionBias, before), rotation, kvHeads);
  const v = project('self_attn.v_proj', attentionBias, before);
  const context = goOn(forward.attend(layer, q, k, v));
  const attended = add(g, goOn(x), masked('attention', project('self_attn.o_proj', attentionBias, context)));

  const between = norm('post_attention_layernorm', attended);
  const gate = silu(g, project('mlp.gate_proj', mlpBias, between));
  const inner = mul(g, gate, project('mlp.up_proj', mlpBias, between));
  return add(g, attended, masked('mlp', project('mlp.down_proj', mlpBias, inner)));
}

export interface Heads {
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
}

/** Lines [N, KV·D] of B sequences, S long → keys [B, KV, D, S]. */
export const keysByHead = (g: Graph, k: Value, { kvHeads, headDim }: Heads): Value =>
  transpose(g, reshape(g, k, ['B', 'S', kvHeads, headDim]), [0, 2, 3, 1]);

/** Lines [N, KV·D] of B sequences, S long → values [B, KV, S, D]. */
export const valuesByHead = (g: Graph, v: Value, { kvHeads, headDim }: Heads): Value =>
  transpose(g, reshape(g, v, ['B', 'S', kvHeads, headDim]), [0, 2, 1, 3]);

/**
 * Attention inside B sequences of S lines each: queries [N, H·D], keys [B, KV, D, T], values [B, KV, T, D], T ≥ S with
 * the queries' own lines last; `mask` [S, T] is added to the scores. Heads of a group share their keys (Ainslie et al.
 * 2023).
 */
export function attention(g: Graph, q: Value, k: Value, v: Value, mask: Value, sizes: Heads): Value {
  const { heads, kvHeads, headDim } = sizes;
  const group = heads / kvHeads;
  const alpha = headDim ** -0.5;
  const attended = (queries: Value, keys: Value, values: Value): Value =>
    matmul(g, maskedSoftmax(g, add(g, matmul(g, queries, keys, { alpha }), mask)), values);
  if (group === 1) {
    const context = attended(valuesByHead(g, q, sizes), k, v); // [B, H, S, D]
    return reshape(g, transpose(g, context, [0, 2, 1, 3]), ['N', heads * headDim]);
  }
  const grouped = (x: Value): Value => {
    const [batch, kv, ...rest] = x.shape as [Dim, number, Dim, Dim];
    return reshape(g, x, [batch, kv, 1, ...rest]);
  };
  const queries = transpose(g, reshape(g, q, ['B', 'S', kvHeads, group, headDim]), [0, 2, 3, 1, 4]);
  const context = attended(queries, grouped(k), grouped(v)); // [B, KV, group, S, D]
  return reshape(g, transpose(g, context, [0, 3, 1, 2, 4]), ['N', heads * headDim]);
}
