/**
 * The operations that a transformer is written in: each adds its nodes and, where vjp.ts has a rule of the same name, its
 * line on the tape. Shapes in comments: N lines (tokens), I/O widths, … leading batch sizes.
 */
import type { Graph, TapeEntry, Value } from './graph.js';
import { CONTRIB } from './graph.js';
import type { Dim } from './proto.js';

type TapeOptions = TapeEntry['options'];

function onTape(
  g: Graph,
  rule: string,
  inputs: readonly Value[],
  output: Value,
  options: TapeOptions = {},
  saved: readonly Value[] = [],
): Value {
  g.tape.push({ rule, inputs, output, saved, options });
  return output;
}

/** The shape of two operands side by side, ONNX's (numpy's) way. A named size only fits itself and 1. */
export function broadcast(a: readonly Dim[], b: readonly Dim[]): Dim[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const x = a[i - rank + a.length] ?? 1;
    const y = b[i - rank + b.length] ?? 1;
    if (x !== y && x !== 1 && y !== 1) throw new RangeError(`shapes [${a}] and [${b}] do not fit`);
    return x === 1 ? y : x;
  });
}

function pairwise(op: 'Add' | 'Sub' | 'Mul') {
  return (g: Graph, a: Value, b: Value): Value =>
    onTape(g, op, [a, b], g.node(op, [a, b], broadcast(a.shape, b.shape)));
}
export const add = pairwise('Add');
export const sub = pairwise('Sub');
export const mul = pairwise('Mul');

/** x [N, I], weight [O, I], bias [O] → x·weightᵀ + bias [N, O]. */
export function linear(g: Graph, x: Value, weight: Value, bias: Value | null): Value {
  const inputs = bias === null ? [x, weight] : [x, weight, bias];
  const y = g.node('Gemm', inputs, [x.shape[0]!, weight.shape[0]!], { attributes: { transB: 1 } });
  return onTape(g, 'linear', inputs, y);
}

export interface MatMulOptions {
  readonly transA?: boolean;
  readonly transB?: boolean;
  readonly alpha?: number;
}

/** alpha · op(a) · op(b) over the last two sizes; leading sizes broadcast. */
export function matmul(g: Graph, a: Value, b: Value, options: MatMulOptions = {}): Value {
  const { transA = false, transB = false, alpha = 1 } = options;
  const rows = a.shape.at(transA ? -1 : -2)!;
  const columns = b.shape.at(transB ? -2 : -1)!;
  const shape = [...broadcast(a.shape.slice(0, -2), b.shape.slice(0, -2)), rows, columns];
  const y =
    transA || transB || alpha !== 1
      ? g.node('FusedMatMul', [a, b], shape, {
          domain: CONTRIB,
          attributes: { transA: Number(transA), transB: Number(transB), alpha: { float: alpha } },
        })
      : g.node('MatMul', [a, b], shape);
  return onTape(g, 'matmul', [a, b], y, { transA, transB, alpha });
}

/**
 * The same numbers under another shape. One size may be left to ONNX to work out; a size that keeps its place is copied;
 * any other named size must be an int64 input [1] of that name: see `sizeInput`.
 */
export function reshape(g: Graph, x: Value, shape: readonly Dim[]): Value {
  const kept = shape.map((dim, i) => (typeof dim === 'number' ? dim : dim === x.shape[i] ? 0 : -1));
  const target =
    kept.filter((dim) => dim === -1).length <= 1
      ? g.int64s(kept)
      : g.node(
          'Concat',
          shape.map((dim) => (typeof dim === 'number' ? g.int64s([dim]) : sizeInput(dim))),
          [shape.length],
          { type: 'int64', attributes: { axis: 0 } },
        );
  return onTape(g, 'reshape', [x], g.node('Reshape', [x, target], shape));
}

/** The input that carries a size. */
export const sizeInput = (name: string): Value => ({ name, type: 'int64', shape: [1] });

export function transpose(g: Graph, x: Value, perm: readonly number[]): Value {
  const shape = perm.map((axis) => x.shape[axis]!);
  return onTape(g, 'transpose', [x], g.node('Transpose', [x], shape, { attributes: { perm } }), { perm });
}

/** Over the last axis. */
export const softmax = (g: Graph, x: Value): Value =>
  onTape(g, 'softmax', [x], g.node('Softmax', [x], x.shape, { attributes: { axis: -1 } }));

/** The same where much of a row is masked, in an operator that each dialect says in its own words. */
export const maskedSoftmax = (g: Graph, x: Value): Value =>
  onTape(g, 'softmax', [x], g.node('MaskedSoftmax', [x], x.shape));

/** x / √(mean x² + ε) · weight over the last axis (Zhang & Sennrich 2019). */
export function rmsNorm(g: Graph, x: Value, weight: Value, epsilon: number): Value {
  const inverse = [...x.shape.slice(0, -1), 1];
  const [y, inv] = g.nodes(
    'SimplifiedLayerNormalization',
    [x, weight],
    [{ shape: x.shape }, { shape: inverse }],
    {
      attributes: { axis: -1, epsilon: { float: epsilon }, stash_type: 1 },
    },
  );
  return onTape(g, 'rmsNorm', [x, weight], y!, {}, [inv!]);
}

/** (x − mean) / √(variance + ε) · weight + bias over the last axis (Ba et al. 2016). */
export function layerNorm(g: Graph, x: Value, weight: Value, bias: Value, epsilon: number): Value {
  const one = [...x.shape.slice(0, -1), 1];
  const outputs = [{ shape: x.shape }, { shape: one }, { shape: one }];
  const [y, mean, inverse] = g.nodes('LayerNormalization', [x, weight, bias], outputs, {
    attributes: { axis: -1, epsilon: { float: epsilon }, stash_type: 1 },
  });
  return onTape(g, 'layerNorm', [x, weight, bias], y!, {}, [mean!, inverse!]);
}

/** Cosines and sines [P, D/2], and each line's position [N, 1]. */
export interface Rotation {
  readonly positions: Value;
  readonly cos: Value;
  readonly sin: Value;
}

/** x [N, heads·D], every head turned by its line's position, half-split (Su et al. 2021, as in Llama). */
export function rope(g: Graph, x: Value, rotation: Rotation, heads: number): Value {
  const y = rotate(g, x, rotation.positions, rotation.cos, rotation.sin, heads);
  const { positions, cos, sin } = rotation;
  return onTape(g, 'rope', [x], y, { heads }, [positions, cos, sin]);
}

/** The nodes of `rope`, off the tape: to the operator each line is a sequence of its own. */
export function rotate(g: Graph, x: Value, positions: Value, cos: Value, sin: Value, heads: number): Value {
  const [lines, width] = x.shape as [Dim, Dim];
  const line = g.node('Unsqueeze', [x, g.int64s([1])], [lines, 1, width]);
  const turned = g.node('RotaryEmbedding', [line, positions, cos, sin], line.shape, {
    domain: CONTRIB,
    attributes: { num_heads: heads, interleaved: 0 },
  });
  return g.node('Squeeze', [turned, g.int64s([1])], x.shape);
}

/** x · σ(x). */
export const silu = (g: Graph, x: Value): Value =>
  onTape(
    g,
    'silu',
    [x],
    g.node('QuickGelu', [x], x.shape, { domain: CONTRIB, attributes: { alpha: { float: 1 } } }),
  );

/** x · Φ(x) (Hendrycks & Gimpel 2016). */
export function gelu(g: Graph, x: Value): Value {
  const share = normalShare(g, x);
  return onTape(g, 'gelu', [x], g.node('Mul', [x, share], x.shape), {}, [share]);
}

/** Φ(x), off the tape. */
function normalShare(g: Graph, x: Value): Value {
  const node = (op: string, ...inputs: Value[]) => g.node(op, inputs, x.shape);
  const erf = node('Erf', node('Mul', x, g.scalar(Math.SQRT1_2)));
  return node('Add', node('Mul', erf, g.scalar(0.5)), g.scalar(0.5));
}

/** √(2/π)·(x + c·x³) in the argument of GELU's tanh. */
export const GELU_SCALE = Math.sqrt(2 / Math.PI);
export const GELU_CUBE = 0.044715;

/** x / 2 · (1 + tanh(√(2/π)·(x + 0.044715·x³))): what GPT-2 takes for `gelu`. */
export function geluTanh(g: Graph, x: Value): Value {
  const node = (op: string, ...inputs: Value[]) => g.node(op, inputs, x.shape);
  const square = node('Mul', x, x);
  const stretch = node('Add', node('Mul', square, g.scalar(GELU_SCALE * GELU_CUBE)), g.scalar(GELU_SCALE));
  const tanh = node('Tanh', node('Mul', x, stretch));
  const share = node('Add', node('Mul', tanh, g.scalar(0.5)), g.scalar(0.5));
  return onTape(g, 'geluTanh', [x], node('Mul', x, share), {}, [square, tanh, share]);
}

/** Rows `index` [M] of x [N, …]; no row twice. */
export const takeRows = (g: Graph, x: Value, index: Value): Value =>
  onTape(
    g,
    'takeRows',
    [x],
    g.node('Gather', [x, index], [index.shape[0]!, ...x.shape.slice(1)], { attributes: { axis: 0 } }),
    {},
    [index],
  );

export const negate = (g: Graph, x: Value): Value => onTape(g, 'negate', [x], g.node('Neg', [x], x.shape));

/** log(1 + eˣ). */
export const softplus = (g: Graph, x: Value): Value =>
  onTape(g, 'softplus', [x], g.node('Softplus', [x], x.shape));

/** The sum of all numbers, []. */
export const total = (g: Graph, x: Value): Value =>
  onTape(g, 'total', [x], g.node('ReduceSum', [x], [], { attributes: { keepdims: 0 } }));

const largest = (g: Graph, x: Value): Value =>
  g.node('ReduceMax', [x], [...x.shape.slice(0, -1), 1], { attributes: { axes: [-1], keepdims: 1 } });

/**
 * What log Σ exp over the last axis is made of, from the softmax that is needed anyway: the top, and its probability,
 * whose log is taken off it and never underflows. Off the tape.
 */
export const topAndShare = (g: Graph, x: Value, probabilities: Value): readonly [Value, Value] => [
  largest(g, x),
  largest(g, probabilities),
];

/** Of each line [M, V] the number that `targets` [M, 1] names. Off the tape. */
export const chosenOf = (g: Graph, x: Value, targets: Value): Value =>
  g.node('GatherElements', [x, targets], targets.shape, { attributes: { axis: 1 } });

/** logits [M, V], targets [M, 1] int64 → log p of each target [M, 1]. */
export function targetLogprobs(g: Graph, logits: Value, targets: Value): Value {
  const probabilities = g.node('Softmax', [logits], logits.shape, { attributes: { axis: -1 } });
  const [top, share] = topAndShare(g, logits, probabilities);
  const z = g.node('Sub', [top, g.node('Log', [share], share.shape)], top.shape);
  const y = g.node('Sub', [chosenOf(g, logits, targets), z], targets.shape);
  return onTape(g, 'targetLogprobs', [logits], y, {}, [probabilities, targets]);
}
