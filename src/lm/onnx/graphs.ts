/**
 * The graphs of one architecture. *decode* (decode-graph.ts): one token a row against a KV cache; *prefill*: whole prompts,
 * perhaps after a head that all of them share; *score*: log-probs of given tokens; *train* (train-graph.ts).
 * Sizes by name: R rows, B sequences of S lines (N = B·S), T keys, M lines asked for, P positions, V vocabulary.
 */
import { type Architecture, EMBEDDING, parametersOf, TRAITS } from '../architecture.js';
import type { Weights } from '../engine.js';
import { Graph, type Value } from './graph.js';
import { add, chosenOf, type Rotation, sizeInput, topAndShare } from './ops.js';
import type { Dim } from './proto.js';
import {
  type Attend,
  attention,
  type Forward,
  hiddenStates,
  keysByHead,
  logitsOf,
  type Parameters,
  positionRows,
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

export const tableInputs = (g: Graph, cos: string, sin: string, { headDim }: Architecture) => ({
  cos: g.input(cos, 'float32', ['P', headDim / 2]),
  sin: g.input(sin, 'float32', ['P', headDim / 2]),
});

/** Tokens `ids` [N] at `positions` [N, 1] → the lines that the first layer takes [N, hidden]. */
export const embed = (
  g: Graph,
  architecture: Architecture,
  parameters: Parameters,
  ids: Value,
  positions: Value,
): Value => {
  const { vocabSize, hiddenSize, family } = architecture;
  const table = { ...parameters(EMBEDDING), shape: [vocabSize, hiddenSize] };
  const tokens = g.node('Gather', [table, ids], [ids.shape[0]!, hiddenSize], { attributes: { axis: 0 } });
  if (TRAITS[family].positions === 'rope') return tokens;
  return add(g, tokens, positionRows(g, architecture, parameters, positions));
};

export const concat = (g: Graph, values: readonly Value[], axis: number, shape: readonly Dim[]): Value =>
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
export function drawOutputs(g: Graph, logits: Value): void {
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
export function madeOutputs(g: Graph, keys: readonly Value[], values: readonly Value[]): void {
  const output = (name: string, made: readonly Value[]): void => {
    const [first, ...rest] = made[0]!.shape;
    g.output(name, concat(g, made, 0, [`layers·${first}`, ...rest]));
  };
  output('keys', keys);
  output('values', values);
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
  const hidden = hiddenStates(forward, embed(g, architecture, parameters, ids, rotation.positions));
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
  const lines = embed(g, architecture, parameters, ids, rotation.positions);
  const logits = logitsOf(forward, hiddenStates(forward, lines));
  topsOutput(g, [chosenOf(g, logits, targets), ...topAndShare(g, logits, probabilitiesOf(g, logits))]);
  return g;
}
