/**
 * Backward: one vector-Jacobian rule an operation of ops.ts, and the walk along the tape that joins them. What a model
 * is made of is known here only through its tape, so biases, grouped heads, tied heads and norms get theirs for free.
 */
import type { Graph, TapeEntry, Value } from './graph.js';
import { add, GELU_CUBE, GELU_SCALE, matmul, mul, negate, reshape, rotate, sub, transpose } from './ops.js';
import type { Dim } from './proto.js';

/** d loss / d output → d loss / d input, one a differentiable input; evaluated only where it is wanted. */
type Rule = (g: Graph, entry: TapeEntry, slope: Value) => readonly (() => Value)[];

/** Sums out what broadcasting had repeated. */
function sumTo(g: Graph, x: Value, shape: readonly Dim[]): Value {
  const extra = x.shape.length - shape.length;
  const axes = x.shape.flatMap((dim, i) => (i < extra || (shape[i - extra] === 1 && dim !== 1) ? [i] : []));
  if (axes.length === 0) return x;
  const kept = x.shape.map((dim, i) => (axes.includes(i) ? 1 : dim));
  const sum = g.node('ReduceSum', [x, g.int64s(axes)], kept, { attributes: { keepdims: 1 } });
  return extra === 0 ? sum : reshape(g, sum, shape);
}

const gemm = (g: Graph, a: Value, b: Value, transA: boolean): Value =>
  g.node('Gemm', [a, b], [a.shape[transA ? 1 : 0]!, b.shape[1]!], {
    attributes: { transA: Number(transA) },
  });

const sumLast = (g: Graph, x: Value): Value => sumTo(g, x, [...x.shape.slice(0, -1), 1]);

const meanLast = (g: Graph, x: Value): Value =>
  g.node('ReduceMean', [x], [...x.shape.slice(0, -1), 1], { attributes: { axes: [-1], keepdims: 1 } });

const RULES: Readonly<Record<string, Rule>> = {
  Add: (g, { inputs }, dy) => inputs.map((x) => () => sumTo(g, dy, x.shape)),
  Sub: (g, { inputs: [a, b] }, dy) => [() => sumTo(g, dy, a!.shape), () => negate(g, sumTo(g, dy, b!.shape))],
  Mul: (g, { inputs: [a, b] }, dy) => [
    () => sumTo(g, mul(g, dy, b!), a!.shape),
    () => sumTo(g, mul(g, dy, a!), b!.shape),
  ],
  linear: (g, { inputs: [x, weight, bias] }, dy) => [
    () => gemm(g, dy, weight!, false),
    () => gemm(g, dy, x!, true),
    ...(bias === undefined ? [] : [() => sumTo(g, dy, bias.shape)]),
  ],
  matmul: (g, { inputs: [a, b], options }, dy) => {
    const transA = options.transA as boolean;
    const transB = options.transB as boolean;
    const alpha = options.alpha as number;
    const da = () =>
      transA
        ? matmul(g, b!, dy, { transA: transB, transB: true, alpha })
        : matmul(g, dy, b!, { transB: !transB, alpha });
    const db = () =>
      transB
        ? matmul(g, dy, a!, { transA: true, transB: transA, alpha })
        : matmul(g, a!, dy, { transA: !transA, alpha });
    return [() => sumTo(g, da(), a!.shape), () => sumTo(g, db(), b!.shape)];
  },
  reshape: (g, { inputs: [x] }, dy) => [() => reshape(g, dy, x!.shape)],
  transpose: (g, { options }, dy) => {
    const perm = options.perm as readonly number[];
    return [
      () =>
        transpose(
          g,
          dy,
          perm.map((_, axis) => perm.indexOf(axis)),
        ),
    ];
  },
  softmax: (g, { output: y }, dy) => [() => mul(g, sub(g, dy, sumLast(g, mul(g, dy, y))), y)],
  rmsNorm: (g, { inputs: [x, weight], saved: [inverse] }, dy) => {
    const normed = mul(g, x!, inverse!);
    const dx = () => {
      const t = mul(g, dy, weight!);
      return mul(g, sub(g, t, mul(g, normed, meanLast(g, mul(g, t, normed)))), inverse!);
    };
    return [dx, () => sumTo(g, mul(g, dy, normed), weight!.shape)];
  },
  layerNorm: (g, { inputs: [x, weight, bias], saved: [mean, inverse] }, dy) => {
    const normed = mul(g, sub(g, x!, mean!), inverse!);
    const dx = () => {
      const t = mul(g, dy, weight!);
      const along = mul(g, normed, meanLast(g, mul(g, t, normed)));
      return mul(g, sub(g, sub(g, t, meanLast(g, t)), along), inverse!);
    };
    return [dx, () => sumTo(g, mul(g, dy, normed), weight!.shape), () => sumTo(g, dy, bias!.shape)];
  },
  rope: (g, { options, saved: [positions, cos, sin] }, dy) => [
    () => rotate(g, dy, positions!, cos!, negate(g, sin!), options.heads as number),
  ],
  silu: (g, { inputs: [x], output: y }, dy) => [
    () => {
      const s = g.node('Sigmoid', [x!], x!.shape);
      return mul(g, dy, add(g, s, mul(g, y, sub(g, g.scalar(1), s)))); // σ + y·(1 − σ)
    },
  ],
  gelu: (g, { inputs: [x], saved: [share] }, dy) => [
    () => {
      const exponent = mul(g, mul(g, x!, x!), g.scalar(-0.5));
      const density = mul(g, g.node('Exp', [exponent], x!.shape), g.scalar(1 / Math.sqrt(2 * Math.PI)));
      return mul(g, dy, add(g, share!, mul(g, x!, density))); // Φ + x·φ
    },
  ],
  geluTanh: (g, { inputs: [x], saved: [square, tanh, share] }, dy) => [
    () => {
      const inner = add(g, mul(g, square!, g.scalar(3 * GELU_SCALE * GELU_CUBE)), g.scalar(GELU_SCALE));
      const bend = sub(g, g.scalar(0.5), mul(g, mul(g, tanh!, tanh!), g.scalar(0.5))); // (1 − tanh²) / 2
      return mul(g, dy, add(g, share!, mul(g, mul(g, x!, bend), inner)));
    },
  ],
  takeRows: (g, { inputs: [x], saved: [index] }, dy) => [
    () => {
      const shape = g.node('Shape', [x!], [x!.shape.length], { type: 'int64' });
      const zeros = g.node('ConstantOfShape', [shape], x!.shape);
      const places = g.node('Unsqueeze', [index!, g.int64s([1])], [index!.shape[0]!, 1], { type: 'int64' });
      return g.node('ScatterND', [zeros, places, dy], x!.shape);
    },
  ],
  negate: (g, _, dy) => [() => negate(g, dy)],
  softplus: (g, { inputs: [x] }, dy) => [() => mul(g, dy, g.node('Sigmoid', [x!], x!.shape))],
  total: (g, { inputs: [x] }, dy) => [
    () => {
      const shape = g.node('Shape', [x!], [x!.shape.length], { type: 'int64' });
      return g.node('Expand', [dy, shape], x!.shape);
    },
  ],
  targetLogprobs: (g, { inputs: [logits], saved: [probabilities, targets] }, dy) => [
    () =>
      g.node('ScatterElements', [mul(g, probabilities!, negate(g, dy)), targets!, dy], logits!.shape, {
        attributes: { axis: 1, reduction: 'add' }, // one target a line: nothing is added twice
      }),
  ],
};

/**
 * d `loss` / d each of `wanted`, where d loss / d loss = `seed`. Only what lies between them is computed.
 * Throws where a wanted value does not reach the loss.
 */
export function gradients(g: Graph, loss: Value, seed: Value, wanted: readonly Value[]): Value[] {
  const tape = [...g.tape]; // the rules use ops of the tape themselves
  const reached = new Set(wanted.map((value) => value.name));
  for (const { inputs, output } of tape)
    if (inputs.some((input) => reached.has(input.name))) reached.add(output.name);
  const slopes = new Map([[loss.name, seed]]);
  for (const entry of tape.reverse()) {
    const slope = slopes.get(entry.output.name);
    if (slope === undefined || !reached.has(entry.output.name)) continue;
    const rule = RULES[entry.rule];
    if (rule === undefined) throw new Error(`no vector-Jacobian rule for ${entry.rule}`);
    rule(g, entry, slope).forEach((backward, i) => {
      const { name } = entry.inputs[i]!;
      if (!reached.has(name)) return;
      const before = slopes.get(name);
      const more = backward();
      slopes.set(name, before === undefined ? more : add(g, before, more));
    });
  }
  return wanted.map((value) => {
    const slope = slopes.get(value.name);
    if (slope === undefined) throw new Error(`${value.name} does not reach the loss`);
    return slope;
  });
}
