/**
 * The graph that other runtimes load (transformers.js, onnxruntime-genai): any number of new tokens after any number of
 * cached ones, padding on either side, weights inside, standard operators only (standard.ts). The architecture itself
 * stands in transformer.ts; here stand names, shapes, the mask and the cache.
 */
import type { Weights } from '../engine.js';
import { ropeTable } from '../rope.js';
import { Graph, type Value } from './graph.js';
import { embed, parameterInitializers } from './graphs.js';
import { type Rotation, reshape, transpose } from './ops.js';
import type { Dim } from './proto.js';
import { STANDARD } from './standard.js';
import { type Attend, attention, hiddenStates, logitsOf, valuesByHead } from './transformer.js';

/** transformers.js knows the first by its name; the others are documentation. */
const BATCH = 'batch_size';
const NEW = 'sequence_length';
const PAST = 'past_sequence_length';
const TOTAL = 'total_sequence_length';

/** What the runtimes call each input and output; %d is the layer. */
export const NAMES = {
  ids: 'input_ids',
  mask: 'attention_mask',
  positions: 'position_ids',
  pastKey: 'past_key_values.%d.key',
  pastValue: 'past_key_values.%d.value',
  logits: 'logits',
  presentKey: 'present.%d.key',
  presentValue: 'present.%d.value',
} as const;

const ofLayer = (name: string, layer: number): string => name.replace('%d', `${layer}`);

/** Added to a score that must not count. Finite, so that a line of padding, which sees nothing, gives numbers too. */
const NEVER = -3.4028234663852886e38;

/**
 * input_ids, position_ids [batch, new], attention_mask [batch, past + new] (0: padding), past keys and values
 * [batch, KV, past, D] → logits [batch, new, V], present keys and values [batch, KV, past + new, D].
 */
export function exportGraph(weights: Weights): Graph {
  const { architecture } = weights;
  const { kvHeads, headDim, layers, vocabSize } = architecture;
  const g = new Graph('soliloquy', STANDARD);
  const ids = g.input(NAMES.ids, 'int64', [BATCH, NEW]);
  const attentionMask = g.input(NAMES.mask, 'int64', [BATCH, TOTAL]);
  const positions = g.input(NAMES.positions, 'int64', [BATCH, NEW]);
  // `reshape` finds sizes under these names.
  g.named('B', sizeOf(g, ids, 0));
  const count = g.named('S', sizeOf(g, ids, 1));
  const parameters = parameterInitializers(g, weights);
  const rotation: Rotation = {
    positions: g.node('Reshape', [positions, g.int64s([-1, 1])], ['N', 1], { type: 'int64' }),
    ...rotationTables(g, weights),
  };
  const mask = maskOf(g, attentionMask, count, architecture.heads === kvHeads ? 1 : 2);
  const present: { readonly name: string; readonly value: Value }[] = [];
  /** The cache with the new lines behind it, [B, KV, T, D]. */
  const cached = (past: string, now: string, layer: number, own: Value): Value => {
    const before = g.input(ofLayer(past, layer), 'float32', [BATCH, kvHeads, PAST, headDim]);
    const all = g.node('Concat', [before, own], ['B', kvHeads, 'T', headDim], { attributes: { axis: 2 } });
    present.push({
      name: ofLayer(now, layer),
      value: { ...all, shape: [BATCH, kvHeads, TOTAL, headDim] },
    });
    return all;
  };
  const attend: Attend = (layer, q, k, v) => {
    const keys = cached(NAMES.pastKey, NAMES.presentKey, layer, valuesByHead(g, k, architecture));
    const values = cached(NAMES.pastValue, NAMES.presentValue, layer, valuesByHead(g, v, architecture));
    return attention(g, q, transpose(g, keys, [0, 1, 3, 2]), values, mask, architecture);
  };
  const forward = { g, architecture, parameters, rotation, attend };
  const lines = g.node('Reshape', [ids, g.int64s([-1])], ['N'], { type: 'int64' });
  const hidden = hiddenStates(forward, embed(g, architecture, parameters, lines, rotation.positions));
  const logits = reshape(g, logitsOf(forward, hidden), ['B', 'S', vocabSize]);
  g.output(NAMES.logits, { ...logits, shape: [BATCH, NEW, vocabSize] });
  if (present.length !== 2 * layers) throw new Error('a layer did not attend');
  for (const { name, value } of present) g.output(name, value);
  return g;
}

/** As tables, not as angles: a graphics card's sine of a large angle is far off. */
function rotationTables(g: Graph, { architecture }: Weights): Pick<Rotation, 'cos' | 'sin'> {
  const { half, upTo } = ropeTable(architecture);
  const { cos, sin } = upTo(architecture.maxPositions);
  const shape = [cos.length / half, half];
  return { cos: g.initializer('rope.cos', shape, cos), sin: g.initializer('rope.sin', shape, sin) };
}

/** One size of a tensor, [1]. */
const sizeOf = (g: Graph, x: Value, axis: number): Value =>
  g.node('Shape', [x], [1], { type: 'int64', attributes: { start: axis, end: axis + 1 } });

/**
 * What is added to scores [B, heads…, S, T]: nothing where a new token sees a place that is not padding and not behind
 * itself, else `NEVER`. `heads`: how many sizes the heads take.
 */
function maskOf(g: Graph, attentionMask: Value, count: Value, heads: 1 | 2): Value {
  const int64 = (shape: readonly Dim[]) => ({ type: 'int64', shape }) as const;
  const bool = (op: string, inputs: readonly Value[], shape: readonly Dim[]): Value =>
    g.node(op, inputs, shape, { type: 'bool' });
  const scalar = (value: bigint): Value => g.constant([], BigInt64Array.of(value));
  const between = (from: Value, to: Value, name: string): Value =>
    g.nodes('Range', [from, to, scalar(1n)], [int64([name])])[0]!;
  const single = (x: Value): Value => g.nodes('Squeeze', [x, g.int64s([0])], [int64([])])[0]!;
  const total = single(sizeOf(g, attentionMask, 1));
  const past = g.nodes('Sub', [total, single(count)], [int64([])])[0]!;
  const places = between(scalar(0n), total, 'T');
  const own = g.nodes('Unsqueeze', [between(past, total, 'S'), g.int64s([1])], [int64(['S', 1])])[0]!;
  const before = bool('LessOrEqual', [places, own], ['S', 'T']);
  const real = g.node('Cast', [attentionMask], ['B', 'T'], { type: 'bool', attributes: { to: 9 } });
  const axes = heads === 1 ? [1, 2] : [1, 2, 3];
  const ones = axes.map(() => 1);
  const ofRow = bool('Unsqueeze', [real, g.int64s(axes)], ['B', ...ones, 'T']);
  // Twice Where, for want of an And on WebGPU.
  const [nothing, never] = [g.scalar(0), g.scalar(NEVER)];
  const padding = g.node('Where', [ofRow, nothing, never], ofRow.shape);
  return g.node('Where', [before, padding, never], ['B', ...ones.slice(1), 'S', 'T']);
}
