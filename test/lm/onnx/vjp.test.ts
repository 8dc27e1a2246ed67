/** Every rule of the table against finite differences, by running small graphs. */
import { describe, expect, it } from 'vitest';
import type { Architecture } from '../../../src/lm/architecture.js';
import { Graph, type Value } from '../../../src/lm/onnx/graph.js';
import * as ops from '../../../src/lm/onnx/ops.js';
import { type Fetched, float32, floatsOf, openSession } from '../../../src/lm/onnx/session.js';
import { trainGraph } from '../../../src/lm/onnx/train-graph.js';
import { gradients } from '../../../src/lm/onnx/vjp.js';
import { keyOf, type Rng, rngOf } from '../../../src/rng.js';
import { relativeError, SMALL } from '../../contracts/engine-models.js';

interface Case {
  readonly name: string;
  /** Shapes of the inputs that are differentiated. */
  readonly inputs: readonly (readonly number[])[];
  readonly build: (g: Graph, inputs: readonly Value[]) => Value;
  /** Rules that the case puts on the tape. */
  readonly rules: readonly string[];
}

const count = (shape: readonly unknown[]): number => (shape as number[]).reduce((a, b) => a * b, 1);
const int64s = (g: Graph, shape: readonly number[], values: readonly number[]): Value =>
  g.constant(shape, BigInt64Array.from(values, BigInt));

/** Two heads of four numbers, lines at positions 0, 3 and 1 of five. */
const rotationOf = (g: Graph): ops.Rotation => {
  const table = (f: (x: number) => number) =>
    g.constant(
      [5, 2],
      Float32Array.from({ length: 10 }, (_, i) => f(Math.floor(i / 2) * (i % 2 ? 0.1 : 1))),
    );
  return { positions: int64s(g, [3, 1], [0, 3, 1]), cos: table(Math.cos), sin: table(Math.sin) };
};

const PAIRWISE = { add: ops.add, sub: ops.sub, mul: ops.mul };
const pairwise = (['add', 'sub', 'mul'] as const).flatMap((op) =>
  (
    [
      [
        [2, 3],
        [2, 3],
      ],
      [[2, 3], [3]],
      [[3], [2, 3]],
      [
        [4, 2, 3],
        [1, 3],
      ],
      [
        [2, 1, 3],
        [4, 1],
      ],
      [[2, 3], [1]],
      [[], [2, 3]],
    ] as const
  ).map(
    (inputs): Case => ({
      name: `${op} [${inputs[0]}] [${inputs[1]}]`,
      inputs,
      build: (g, [a, b]) => PAIRWISE[op](g, a!, b!),
      rules: [op[0]!.toUpperCase() + op.slice(1)],
    }),
  ),
);

const products = [false, true].flatMap((transA) =>
  [false, true].flatMap((transB) =>
    [1, 0.5].flatMap((alpha) =>
      (
        [
          [[], []],
          [[2], [2]],
          [
            [2, 3],
            [2, 1],
          ],
          [
            [1, 3],
            [2, 1],
          ],
        ] as const
      ).map(
        ([leadA, leadB]): Case => ({
          name: `matmul [${leadA}] [${leadB}]${transA ? ' aᵀ' : ''}${transB ? ' bᵀ' : ''} · ${alpha}`,
          inputs: [
            [...leadA, ...(transA ? [4, 3] : [3, 4])],
            [...leadB, ...(transB ? [2, 4] : [4, 2])],
          ],
          build: (g, [a, b]) => ops.matmul(g, a!, b!, { transA, transB, alpha }),
          rules: ['matmul'],
        }),
      ),
    ),
  ),
);

const CASES: readonly Case[] = [
  ...pairwise,
  ...products,
  {
    name: 'linear',
    inputs: [
      [3, 4],
      [5, 4],
    ],
    build: (g, [x, w]) => ops.linear(g, x!, w!, null),
    rules: ['linear'],
  },
  {
    name: 'linear with bias',
    inputs: [[3, 4], [5, 4], [5]],
    build: (g, [x, w, b]) => ops.linear(g, x!, w!, b!),
    rules: ['linear'],
  },
  {
    name: 'reshape',
    inputs: [[2, 6]],
    build: (g, [x]) => ops.reshape(g, x!, [2, 3, 2]),
    rules: ['reshape'],
  },
  {
    name: 'transpose, a permutation that is not its own inverse',
    inputs: [[2, 3, 4]],
    build: (g, [x]) => ops.transpose(g, x!, [2, 0, 1]),
    rules: ['transpose'],
  },
  {
    name: 'transpose of five axes',
    inputs: [[2, 1, 3, 2, 2]],
    build: (g, [x]) => ops.transpose(g, x!, [0, 3, 1, 4, 2]),
    rules: ['transpose'],
  },
  { name: 'softmax', inputs: [[2, 3, 4]], build: (g, [x]) => ops.softmax(g, x!), rules: ['softmax'] },
  {
    name: 'rmsNorm',
    inputs: [[3, 6], [6]],
    build: (g, [x, w]) => ops.rmsNorm(g, x!, w!, 1e-2),
    rules: ['rmsNorm'],
  },
  {
    name: 'layerNorm',
    inputs: [[3, 6], [6], [6]],
    build: (g, [x, w, b]) => ops.layerNorm(g, x!, w!, b!, 1e-2),
    rules: ['layerNorm'],
  },
  { name: 'gelu', inputs: [[2, 5]], build: (g, [x]) => ops.gelu(g, x!), rules: ['gelu'] },
  { name: 'geluTanh', inputs: [[2, 5]], build: (g, [x]) => ops.geluTanh(g, x!), rules: ['geluTanh'] },
  {
    name: 'rope',
    inputs: [[3, 8]],
    build: (g, [x]) => ops.rope(g, x!, rotationOf(g), 2),
    rules: ['rope'],
  },
  { name: 'silu', inputs: [[2, 5]], build: (g, [x]) => ops.silu(g, x!), rules: ['silu'] },
  {
    name: 'takeRows',
    inputs: [[4, 3]],
    build: (g, [x]) => ops.takeRows(g, x!, int64s(g, [2], [3, 1])),
    rules: ['takeRows'],
  },
  { name: 'negate', inputs: [[2, 3]], build: (g, [x]) => ops.negate(g, x!), rules: ['negate'] },
  { name: 'softplus', inputs: [[2, 3]], build: (g, [x]) => ops.softplus(g, x!), rules: ['softplus'] },
  { name: 'total', inputs: [[2, 3]], build: (g, [x]) => ops.total(g, x!), rules: ['total'] },
  {
    name: 'targetLogprobs, two lines with the same target',
    inputs: [[4, 5]],
    build: (g, [x]) => ops.targetLogprobs(g, x!, int64s(g, [4, 1], [2, 0, 2, 4])),
    rules: ['targetLogprobs'],
  },
  {
    name: 'a value that is used three times',
    inputs: [[2, 3]],
    build: (g, [x]) => ops.mul(g, ops.add(g, x!, ops.silu(g, x!)), x!),
    rules: ['Mul', 'Add', 'silu'],
  },
  {
    name: 'a value times itself',
    inputs: [[2, 3]],
    build: (g, [x]) => ops.mul(g, x!, x!),
    rules: ['Mul'],
  },
];

interface Run {
  readonly y: Float32Array;
  readonly slopes: readonly Float32Array[];
}

/** The graph of Σ r·y with its gradients; `run` gives y and them. */
async function compiled({ inputs, build }: Case, r: (size: number) => Float32Array, seed: number) {
  const g = new Graph('case');
  const xs = inputs.map((shape, i) => g.input(`x${i}`, 'float32', shape));
  const y = build(g, xs);
  const rules = g.tape.map((entry) => entry.rule);
  const loss = ops.total(g, ops.mul(g, y, g.constant(y.shape as number[], r(count(y.shape)))));
  const slopes = gradients(g, loss, g.scalar(seed), xs);
  slopes.forEach((slope, i) => {
    expect(slope.shape).toEqual(inputs[i]);
    g.output(`d${i}`, slope);
  });
  g.output('y', y);
  const session = await openSession(g);
  return {
    rules,
    dispose: session.dispose,
    async run(values: readonly Float32Array[]): Promise<Run> {
      const feeds = Object.fromEntries(values.map((x, i) => [`x${i}`, float32(x, inputs[i]!)]));
      const out: Fetched = await session.run(feeds);
      return { y: floatsOf(out.y), slopes: inputs.map((_, i) => floatsOf(out[`d${i}`])) };
    },
  };
}

const normals = (rng: Rng, size: number): Float32Array =>
  Float32Array.from({ length: size }, () => rng.normal());
const dot = (a: Float32Array, b: Float32Array): number => a.reduce((sum, x, i) => sum + x * b[i]!, 0);

describe('vector-Jacobian rules', () => {
  it.each(CASES.map((c) => [c.name, c] as const))('%s — as finite differences', async (name, c) => {
    const rng = rngOf(keyOf(1, 'vjp', name));
    const weights: Float32Array[] = [];
    const seed = -0.7;
    const r = (size: number): Float32Array => {
      weights.push(normals(rng, size));
      return weights[0]!;
    };
    const { run, rules, dispose } = await compiled(c, r, seed);
    expect(new Set(rules)).toEqual(new Set(c.rules));
    const at = c.inputs.map((shape) => normals(rng, count(shape)));
    const { slopes } = await run(at);
    const step = 2e-2;
    for (const [i, x] of at.entries()) {
      const measured = new Float32Array(x.length);
      for (let j = 0; j < x.length; j++) {
        const lossAt = async (shift: number): Promise<number> => {
          const moved = Float32Array.from(x, (v, k) => (k === j ? v + shift : v));
          const { y } = await run(at.map((other, k) => (k === i ? moved : other)));
          return dot(y, weights[0]!);
        };
        // Fourth order: what remains is float32's rounding.
        const near = (await lossAt(step)) - (await lossAt(-step));
        const far = (await lossAt(2 * step)) - (await lossAt(-2 * step));
        measured[j] = (seed * (8 * near - far)) / (12 * step);
      }
      expect(relativeError(slopes[i]!, measured)).toBeLessThan(1e-3);
    }
    await dispose();
  });

  it('the cases above hold every rule that a training puts on its tape', () => {
    const full = { ...SMALL, attentionBias: true, mlpBias: true };
    const gpt2: Architecture = { ...full, family: 'gpt2', kvHeads: SMALL.heads, activation: 'gelu-tanh' };
    const families: readonly Architecture[] = [
      full,
      { ...SMALL, kvHeads: SMALL.heads, tiedHead: false },
      { ...SMALL, family: 'qwen3' },
      gpt2,
      { ...gpt2, activation: 'gelu' },
    ];
    const used = new Set<string>();
    for (const objective of ['sft', 'dpo'] as const)
      for (const dropout of [false, true])
        for (const architecture of families)
          for (const { rule } of trainGraph(architecture, { objective, dropout }).tape) used.add(rule);
    const tested = new Set(CASES.flatMap((c) => c.rules));
    expect([...used].filter((rule) => !tested.has(rule))).toEqual([]);
    expect(used.size).toBeGreaterThan(10);
  });

  it('an operation on the tape without a rule is a clear error', () => {
    const g = new Graph('odd');
    const x = g.input('x', 'float32', [2]);
    const y = g.node('Tanh', [x], [2]);
    g.tape.push({ rule: 'tanh', inputs: [x], output: y, saved: [], options: {} });
    expect(() => gradients(g, ops.total(g, y), g.scalar(1), [x])).toThrow(/rule for tanh/);
  });

  it('an operation without a rule does no harm where no gradient goes through it', () => {
    const g = new Graph('odd');
    const x = g.input('x', 'float32', [2]);
    const other = g.input('other', 'float32', [2]);
    const y = g.node('Tanh', [other], [2]);
    g.tape.push({ rule: 'tanh', inputs: [other], output: y, saved: [], options: {} });
    expect(gradients(g, ops.total(g, ops.mul(g, x, y)), g.scalar(1), [x])[0]!.shape).toEqual([2]);
  });

  it('what does not reach the loss is named', () => {
    const g = new Graph('apart');
    const [x, apart] = [g.input('x', 'float32', [2]), g.input('apart', 'float32', [2])];
    ops.negate(g, apart);
    expect(() => gradients(g, ops.total(g, x), g.scalar(1), [x, apart])).toThrow(/apart does not reach/);
  });

  it('shapes that do not fit are refused', () => {
    expect(() => ops.broadcast([2, 3], [2])).toThrow(RangeError);
    expect(ops.broadcast(['B', 1, 3], ['S', 1])).toEqual(['B', 'S', 3]);
    expect(() => ops.broadcast(['B'], ['S'])).toThrow(RangeError);
  });
});
