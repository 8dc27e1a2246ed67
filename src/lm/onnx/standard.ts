/**
 * The dialect of files that leave this house: ONNX's own operators, opset 17, and nothing of onnxruntime's. ops.ts says what
 * is computed in operators that its CPU provider has; here stands what each of them means. Such a file passes
 * `onnx.checker` and runs on any runtime and provider; onnxruntime recognises the patterns and fuses them again at load.
 */
import type { Dialect, Graph, Lowering, Value } from './graph.js';
import type { Attribute, Dim } from './proto.js';

const floatOf = (attribute: Attribute | undefined): number => {
  if (typeof attribute === 'object' && 'float' in attribute) return attribute.float;
  throw new TypeError(`expected a float attribute, got ${JSON.stringify(attribute)}`);
};

/** x / √(mean x² + ε) · weight. The inverse root, its second output, is for a backward pass: left out. */
const rmsNorm: Lowering = (g, [x, weight], { epsilon }) => {
  const { shape } = x!;
  const one = [...shape.slice(0, -1), 1];
  const square = g.node('Pow', [x!, g.scalar(2)], shape);
  const mean = g.node('ReduceMean', [square], one, { attributes: { axes: [-1], keepdims: 1 } });
  const root = g.node('Sqrt', [g.node('Add', [mean, g.scalar(floatOf(epsilon))], one)], one);
  const normed = g.node('Div', [x!, root], shape);
  return [g.node('Mul', [normed, weight!], shape), { name: '', type: 'float32', shape: one }];
};

/** x · σ(α·x). */
const quickGelu: Lowering = (g, [x], { alpha }) => {
  const scaled = scale(g, x!, floatOf(alpha));
  return [g.node('Mul', [x!, g.node('Sigmoid', [scaled], x!.shape)], x!.shape)];
};

const scale = (g: Graph, x: Value, factor: number): Value =>
  factor === 1 ? x : g.node('Mul', [x, g.scalar(factor)], x.shape);

/** α · op(a) · op(b) over the last two sizes. */
const fusedMatMul: Lowering = (g, [a, b], { transA, transB, alpha }) => {
  const left = scale(g, transA === 1 ? turnLast(g, a!) : a!, floatOf(alpha));
  const right = transB === 1 ? turnLast(g, b!) : b!;
  const [first, second] = [left.shape.slice(0, -2), right.shape.slice(0, -2)];
  const batch = first.length >= second.length ? first : second;
  return [g.node('MatMul', [left, right], [...batch, left.shape.at(-2)!, right.shape.at(-1)!])];
};

function turnLast(g: Graph, x: Value): Value {
  const axes = x.shape.map((_, axis) => axis);
  const perm = [...axes.slice(0, -2), axes.length - 1, axes.length - 2];
  const shape = perm.map((axis) => x.shape[axis]!);
  return g.node('Transpose', [x], shape, { attributes: { perm } });
}

/** x [N, 1, H·D], positions [N, 1], cos and sin [P, D/2]: both halves of each head turned by the line's angles. */
const rotaryEmbedding: Lowering = (g, [x, positions, cos, sin], { num_heads: heads, interleaved }) => {
  if (typeof heads !== 'number' || interleaved !== 0) throw new TypeError('only half-split rotation');
  const [lines, , width] = x!.shape as [Dim, 1, number];
  const half = width / heads / 2;
  const shape = [lines, heads, half];
  const byHead = g.node('Reshape', [x!, g.int64s([-1, heads, 2 * half])], [lines, heads, 2 * half]);
  const halves = g.nodes('Split', [byHead, g.int64s([half, half])], [{ shape }, { shape }], {
    attributes: { axis: -1 },
  });
  const [low, high] = [halves[0]!, halves[1]!];
  const ofLine = (table: Value): Value =>
    g.node('Gather', [table, positions!], [lines, 1, half], { attributes: { axis: 0 } });
  const [c, s] = [ofLine(cos!), ofLine(sin!)];
  const times = (a: Value, b: Value): Value => g.node('Mul', [a, b], shape);
  const turned = [
    g.node('Sub', [times(low, c), times(high, s)], shape),
    g.node('Add', [times(high, c), times(low, s)], shape),
  ];
  const joined = g.node('Concat', turned, byHead.shape, { attributes: { axis: -1 } });
  return [g.node('Reshape', [joined, g.int64s([-1, 1, width])], x!.shape)];
};

const softmax: Lowering = (g, [x]) => [g.node('Softmax', [x!], x!.shape, { attributes: { axis: -1 } })];

export const STANDARD: Dialect = {
  opsets: { '': 17 },
  lowerings: new Map([
    ['SimplifiedLayerNormalization', rmsNorm],
    ['QuickGelu', quickGelu],
    ['MaskedSoftmax', softmax],
    ['FusedMatMul', fusedMatMul],
    ['RotaryEmbedding', rotaryEmbedding],
  ]),
};
