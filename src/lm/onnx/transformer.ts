/**
 * The architecture, said once in ops.ts: embedding → layers of attention and MLP → final norm → head. The three graphs
 * (graphs.ts) differ only in where parameters come from and in how attention reaches other tokens.
 */
import { type Architecture, EMBEDDING, hasBias, POSITIONS, TRAITS } from '../architecture.js';
import type { BranchSite } from '../dropout.js';
import type { Graph, Value } from './graph.js';
import {
  add,
  gelu,
  geluTanh,
  layerNorm,
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
  readonly mask?: (layer: number, site: BranchSite) => Value;
  /** What adapters make of a linear layer's output `y`, by the weight's name; absent: nothing. */
  readonly adapt?: (layer: number, part: LinearPart, x: Value, y: Value) => Value;
}

/** A linear layer in a block. */
export type LinearPart = `self_attn.${'q' | 'k' | 'v' | 'o'}_proj` | `mlp.${'gate' | 'up' | 'down'}_proj`;

/** Embedded lines [N, hidden] → normed hidden states [M, hidden]. */
export function hiddenStates(forward: Forward, embedded: Value): Value {
  const { architecture } = forward;
  let x = embedded;
  for (let layer = 0; layer < architecture.layers; layer++) x = block(forward, layer, x);
  return norm(forward, 'model.norm', x);
}

/** [M, hidden] → logits [M, V]. */
export const logitsOf = ({ g, architecture, parameters }: Forward, hidden: Value): Value =>
  linear(g, hidden, parameters(architecture.tiedHead ? EMBEDDING : 'lm_head.weight'), null);

/** The family's norm over the last axis. */
function norm({ g, architecture, parameters }: Forward, name: string, x: Value): Value {
  const weight = parameters(`${name}.weight`);
  const { rmsNormEps, family } = architecture;
  if (TRAITS[family].norm === 'rms') return rmsNorm(g, x, weight, rmsNormEps);
  return layerNorm(g, x, weight, parameters(`${name}.bias`), rmsNormEps);
}

/** Each head of lines [N, heads·D] normed by itself, in families that do so. */
function headNorm(forward: Forward, name: string, x: Value, heads: number): Value {
  const { g, architecture } = forward;
  if (!TRAITS[architecture.family].headNorm) return x;
  const byHead = reshape(g, x, [x.shape[0]!, heads, architecture.headDim]);
  return reshape(g, norm(forward, name, byHead), x.shape);
}

function activate(g: Graph, { activation = 'silu' }: Architecture, x: Value): Value {
  switch (activation) {
    case 'silu':
      return silu(g, x);
    case 'gelu':
      return gelu(g, x);
    case 'gelu-tanh':
      return geluTanh(g, x);
    default:
      return activation satisfies never;
  }
}

/** Rows of the table for each line's position; lines of padding may stand beyond its end. */
export function positionRows(
  g: Graph,
  { maxPositions, hiddenSize }: Architecture,
  parameters: Parameters,
  positions: Value,
): Value {
  const lines = positions.shape[0]!;
  const last = g.constant([], BigInt64Array.of(BigInt(maxPositions - 1)));
  const inside = g.node('Min', [positions, last], positions.shape, { type: 'int64' });
  const flat = g.node('Squeeze', [inside, g.int64s([1])], [lines], { type: 'int64' });
  const table = parameters(POSITIONS);
  return g.node('Gather', [table, flat], [lines, hiddenSize], { attributes: { axis: 0 } });
}

function block(forward: Forward, layer: number, x: Value): Value {
  const { g, architecture, parameters, only } = forward;
  const { heads, kvHeads, mlpBias } = architecture;
  const at = `model.layers.${layer}`;
  const project = (part: LinearPart, bias: boolean, input: Value): Value => {
    const b = bias ? parameters(`${at}.${part}.bias`) : null;
    const y = linear(g, input, parameters(`${at}.${part}.weight`), b);
    return forward.adapt === undefined ? y : forward.adapt(layer, part, input, y);
  };
  const attentionPart = (part: 'q' | 'k' | 'v' | 'o', input: Value): Value =>
    project(`self_attn.${part}_proj`, hasBias(architecture, part), input);
  const masked = (site: BranchSite, branch: Value): Value =>
    forward.mask === undefined ? branch : mul(g, branch, forward.mask(layer, site));
  const goOn = (lines: Value): Value =>
    only === undefined || layer < architecture.layers - 1 ? lines : takeRows(g, lines, only);

  const before = norm(forward, `${at}.input_layernorm`, x);
  const { rotation, queryRotation = rotation } = forward;
  const turned = (part: 'q' | 'k', by: Rotation, count: number): Value =>
    rope(g, headNorm(forward, `${at}.self_attn.${part}_norm`, attentionPart(part, before), count), by, count);
  const q = turned('q', queryRotation, heads);
  const k = turned('k', rotation, kvHeads);
  const v = attentionPart('v', before);
  const context = goOn(forward.attend(layer, q, k, v));
  const attended = add(g, goOn(x), masked('attention', attentionPart('o', context)));

  const between = norm(forward, `${at}.post_attention_layernorm`, attended);
  const up = project('mlp.up_proj', mlpBias, between);
  const inner = TRAITS[architecture.family].gated
    ? mul(g, activate(g, architecture, project('mlp.gate_proj', mlpBias, between)), up)
    : activate(g, architecture, up);
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
