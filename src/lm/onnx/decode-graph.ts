/**
 * The decode graph: one token a row against a KV cache that goes in but not out. Sizes by name: R rows, P lines of a prompt,
 * T lines of a tail.
 */
import type { Weights } from '../engine.js';
import { Graph, type Value } from './graph.js';
import {
  concat,
  drawOutputs,
  embed,
  madeOutputs,
  parameterInitializers,
  parameterInputs,
  rotationInputs,
  tableInputs,
} from './graphs.js';
import { add, matmul, mul, reshape, softmax } from './ops.js';
import { type Attend, type Forward, hiddenStates, logitsOf } from './transformer.js';

export interface DecodeKind {
  /** Rows that continue one prompt read its keys and values where they stand once. */
  readonly shared: boolean;
  /** With its parameters. */
  readonly inside: boolean;
}

/**
 * The cache (kv-cache.ts) comes in: of each row's prompt as `prompt K<layer>` [R, KV, D, P] and `prompt V<layer>` [R, KV, P,
 * D], of what it added as K<layer> [R, KV, D, T] and V<layer> [R, KV, T, D]; new `keys`, `values` [layers·R, KV·D] go out.
 * Queries are scaled by 1/√D in passing, with a table of their own: onnxruntime has a fast path for the product of one
 * line and a matrix, but not with a factor, and a Mul it would fuse into one.
 * `shared`: prompts are [prompts, 1, …]. `slots` [prompts, seats] says which row sits where, `places` [R, 2] where a row sits: a
 * prompt is read from memory once for all of its rows.
 */
export function decodeGraph(weights: Weights, { shared, inside }: DecodeKind): Graph {
  const { architecture } = weights;
  const { heads, kvHeads, headDim } = architecture;
  const group = heads / kvHeads;
  const g = new Graph('decode');
  const ids = g.input('ids', 'int32', ['R']);
  const rotation = rotationInputs(g, 'R', architecture);
  const queryRotation = { ...rotation, ...tableInputs(g, 'query cos', 'query sin', architecture) };
  const mask = g.input('mask', 'float32', ['R', 1, 1, '1+P+T']);
  const split = g.input('split', 'int64', [3]); // [1, P, T]
  const before = shared ? ['prompts', 1] : ['R'];
  const timesPrompt = shared ? seated(g) : (x: Value, prompt: Value): Value => matmul(g, x, prompt);
  const parameters = inside ? parameterInitializers(g, weights) : parameterInputs(g, architecture);
  const madeKeys: Value[] = [];
  const madeValues: Value[] = [];
  const attend: Attend = (layer, q, k, v) => {
    const promptKeys = g.input(`prompt K${layer}`, 'float32', [...before, kvHeads, headDim, 'P']);
    const promptValues = g.input(`prompt V${layer}`, 'float32', [...before, kvHeads, 'P', headDim]);
    const keys = g.input(`K${layer}`, 'float32', ['R', kvHeads, headDim, 'T']);
    const values = g.input(`V${layer}`, 'float32', ['R', kvHeads, 'T', headDim]);
    madeKeys.push(k);
    madeValues.push(v);
    const queries = reshape(g, q, ['R', kvHeads, group, headDim]);
    const own = (x: Value) => reshape(g, x, ['R', kvHeads, 1, headDim]);
    const self = g.node('ReduceSum', [mul(g, queries, own(k)), g.int64s([3])], ['R', kvHeads, group, 1]);
    // The line itself stands first, so that its place in the sum does not depend on the cache's widths.
    const scores = concat(g, [self, timesPrompt(queries, promptKeys), matmul(g, queries, keys)], -1, [
      'R',
      kvHeads,
      group,
      '1+P+T',
    ]);
    const [onSelf, onPrompt, onTail] = g.nodes(
      'Split',
      [softmax(g, add(g, scores, mask)), split],
      [1, 'P', 'T'].map((width) => ({ shape: ['R', kvHeads, group, width] })),
      { attributes: { axis: -1 } },
    );
    const others = add(g, timesPrompt(onPrompt!, promptValues), matmul(g, onTail!, values));
    const context = add(g, others, mul(g, onSelf!, own(v))); // [R, KV, group, D]
    return reshape(g, context, ['R', heads * headDim]);
  };
  const forward: Forward = { g, architecture, parameters, rotation, queryRotation, attend };
  const hidden = hiddenStates(forward, embed(g, architecture, parameters, ids, rotation.positions));
  drawOutputs(g, logitsOf(forward, hidden));
  madeOutputs(g, madeKeys, madeValues);
  return g;
}

/** x [R, …], each line times its prompt's block [prompts, 1, …]: lines go to their seats and come back. */
function seated(g: Graph): (x: Value, prompt: Value) => Value {
  const slots = g.input('slots', 'int64', ['prompts', 'seats']);
  const places = g.input('places', 'int64', ['R', 2]);
  return (x, prompt) => {
    const seats = g.node('Gather', [x, slots], ['prompts', 'seats', ...x.shape.slice(1)], {
      attributes: { axis: 0 },
    });
    const product = matmul(g, seats, prompt);
    return g.node('GatherND', [product, places], ['R', ...product.shape.slice(2)]);
  };
}
