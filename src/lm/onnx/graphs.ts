/**
 * The graphs of one architecture. *decode*: one token a row against a KV cache that goes in but not out; *prefill*: whole
 * prompts, perhaps after a head that all of them share; *score*: log-probs of given tokens; *train* (train-graph.ts).
 * Sizes by name: R rows, B sequences of S lines (N = B·S), T keys, M lines asked for, P positions, V vocabulary.
 */
import { type Architecture, parametersOf } from '../architecture.js';
import type { Weights } from '../engine.js';
import { Graph, type Value } from './graph.js';
import {
  add,
  chosenOf,
  matmul,
  mul,
  type Rotation,
  reshape,
  sizeInput,
  softmax,
  topAndShare,
} from './ops.js';
import type { Dim } from './proto.js';
import {
  type Attend,
  attention,
  type Forward,
  hiddenStates,
  keysByHead,
  logitsOf,
  type Parameters,
  valuesByHead,
} from './transformer.js';

/** Parameters as inputs: one session serves every version, and none copies weights. */
export function parameterInputs(g: Graph, architecture: Architecture): Parameters {
  const values = new Map(
    parametersOf(architecture).map(({ name, shape }) => [name, g.input(name, 'float32', shape)] as const),
  );
  return (name) => values.get(name)!;
}

/** Parameters inside the graph: onnxruntime packs them once, for small batches. */
export function parameterInitializers(g: Graph, { architecture, data }: Weights): Parameters {
  const values = new Map(
    parametersOf(architecture).map(
      ({ name, shape, offset, size }) =>
        [name, g.initializer(name, shape, data.subarray(offset, offset + size))] as const,
    ),
  );
  return (name) => values.get(name)!;
}

export function rotationInputs(g: Graph, lines: Dim, architecture: Architecture): Rotation {
  return {
    positions: g.input('positions', 'int64', [lines, 1]),
    ...tableInputs(g, 'cos', 'sin', architecture),
  };
}

const tableInputs = (g: Graph, cos: string, sin: string, { headDim }: Architecture) => ({
  cos: g.input(cos, 'float32', ['P', headDim / 2]),
  sin: g.input(sin, 'float32', ['P', headDim / 2]),
});

export const embed = (
  g: Graph,
  { vocabSize, hiddenSize }: Architecture,
  parameters: Parameters,
  ids: Value,
): Value => {
  const table = { ...parameters('model.embed_tokens.weight'), shape: [vocabSize, hiddenSize] };
  return g.node('Gather', [table, ids], [ids.shape[0]!, hiddenSize], { attributes: { axis: 0 } });
};

const concat = (g: Graph, values: readonly Value[], axis: number, shape: readonly Dim[]): Value =>
  g.node('Concat', values, shape, { attributes: { axis } });

/** Softmax over the last axis, for the host alone. */
const probabilitiesOf = (g: Graph, x: Value): Value =>
  g.node('Softmax', [x], x.shape, { attributes: { axis: -1 } });

/** `tops` [M, n]. Logs are taken on the host: onnxruntime's differ in the last bit with a number's place in the block. */
const topsOutput = (g: Graph, tops: readonly Value[]): void =>
  g.output('tops', concat(g, tops, 1, [tops[0]!.shape[0]!, tops.length]));

/**
 * What a draw needs of logits [M, V]: `probabilities` at each line's temperature, and `tops` [M, 4]: the top of the scaled
 * logits and its probability, the top of the logits and its probability.
 */
function drawOutputs(g: Graph, logits: Value): void {
  const temperature = g.input('temperature', 'float32', [logits.shape[0]!, 1]);
  const scaled = g.node('Div', [logits, temperature], logits.shape);
  const probabilities = probabilitiesOf(g, scaled);
  g.output('probabilities', probabilities);
  topsOutput(g, [
    ...topAndShare(g, scaled, probabilities),
    ...topAndShare(g, logits, probabilitiesOf(g, logits)),
  ]);
}

/** What each layer made, for the cache: `keys` and `values`, layer after layer along the first axis. */
function madeOutputs(g: Graph, keys: readonly Value[], values: readonly Value[]): void {
  const output = (name: string, made: readonly Value[]): void => {
    const [first, ...rest] = made[0]!.shape;
    g.output(name, concat(g, made, 0, [`layers·${first}`, ...rest]));
  };
  output('keys', keys);
  output('values', values);
}

export interface DecodeKind {
  /** Rows that continue one prompt read its keys and values where they stand once. */
  readonly shared: boolean;
  /** With its parameters; a file of more than 2 GB can't be. */
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
  const hidden = hiddenStates(forward, embed(g, architecture, parameters, ids));
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

/** Sizes that reshapes need to be told. */
export function sizeInputs(g: Graph): void {
  g.input('B', 'int64', [1]);
  g.input('S', 'int64', [1]);
}

/**
 * Sequences [B, S] after a head of H lines that all share (H may be 0): its keys and values come in as HK<layer> [1, KV,
 * D, H], HV<layer> [1, KV, H, D]. Gives what draws the next token after each of `lines` [M], and `keys` [layers·B, KV, D,
 * S] and `values` [layers·B, KV, S, D] of the lines after the head.
 */
export function prefillGraph(architecture: Architecture): Graph {
  const { kvHeads, headDim } = architecture;
  const g = new Graph('prefill');
  const ids = g.input('ids', 'int32', ['N']);
  const rotation = rotationInputs(g, 'N', architecture);
  sizeInputs(g);
  const mask = g.input('mask', 'float32', ['S', 'T']);
  const only = g.input('lines', 'int64', ['M']);
  const parameters = parameterInputs(g, architecture);
  const everySequence = g.node('Concat', [sizeInput('B'), g.int64s([1, 1, 1])], [4], {
    type: 'int64',
    attributes: { axis: 0 },
  });
  /** A head's block with `own` behind it. */
  const withHead = (name: string, shape: readonly Dim[], axis: number, own: Value): Value => {
    const head = g.input(name, 'float32', shape);
    const each = g.node('Expand', [head, everySequence], ['B', ...shape.slice(1)]);
    return concat(
      g,
      [each, own],
      axis,
      own.shape.map((dim, i) => (i === axis ? 'T' : dim)),
    );
  };
  const madeKeys: Value[] = [];
  const madeValues: Value[] = [];
  const attend: Attend = (layer, q, k, v) => {
    const ownKeys = keysByHead(g, k, architecture);
    const ownValues = valuesByHead(g, v, architecture);
    madeKeys.push(ownKeys);
    madeValues.push(ownValues);
    const keys = withHead(`HK${layer}`, [1, kvHeads, headDim, 'H'], 3, ownKeys);
    const values = withHead(`HV${layer}`, [1, kvHeads, 'H', headDim], 2, ownValues);
    return attention(g, q, keys, values, mask, architecture);
  };
  const forward: Forward = { g, architecture, parameters, rotation, attend, only };
  const hidden = hiddenStates(forward, embed(g, architecture, parameters, ids));
  drawOutputs(g, logitsOf(forward, hidden));
  madeOutputs(g, madeKeys, madeValues);
  return g;
}

/** Attention inside each sequence, on the tape; who sees whom is one mask for all, or one a sequence. */
export function masked(g: Graph, architecture: Architecture, each: boolean): Attend {
  const heads = architecture.heads > architecture.kvHeads ? [1, 1] : [1];
  const mask = g.input('mask', 'float32', each ? ['B', ...heads, 'S', 'S'] : ['S', 'S']);
  return (_, q, k, v) =>
    attention(g, q, keysByHead(g, k, architecture), valuesByHead(g, v, architecture), mask, architecture);
}

/** Of `lines` [M]: `tops` [M, 3], the logit of `targets` [M, 1], the top logit and its probability. */
export function scoreGraph(architecture: Architecture): Graph {
  const g = new Graph('score');
  const ids = g.input('ids', 'int32', ['N']);
  const rotation = rotationInputs(g, 'N', architecture);
  sizeInputs(g);
  const only = g.input('lines', 'int64', ['M']);
  const targets = g.input('targets', 'int64', ['M', 1]);
  const parameters = parameterInputs(g, architecture);
  const forward: Forward = {
    g,
    architecture,
    parameters,
    rotation,
    attend: masked(g, architecture, false),
    only,
  };
  const logits = logitsOf(forward, hiddenStates(forward, embed(g, architecture, parameters, ids)));
  topsOutput(g, [chosenOf(g, logits, targets), ...topAndShare(g, logits, probabilitiesOf(g, logits))]);
  return g;
}
