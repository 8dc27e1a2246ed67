/** Whole trainings against torch + transformers: test/fixtures/trajectory/make.py. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parametersOf } from '../../src/lm/architecture.js';
import type { SharedModel } from '../../src/pool/language-model.js';
import type { OptimizerConfig, PreferenceRow, TargetRow } from '../../src/protocol/lm.js';
import { create, fixture, here, json, nextVersion } from './models.js';

interface GoldenTrajectory {
  readonly optimizer: Omit<OptimizerConfig, 'microBatchSize' | 'dropout'>;
  readonly beta: number;
  readonly data: { readonly sft: readonly TargetRow[]; readonly dpo: readonly PreferenceRow[] };
  readonly cases: readonly {
    readonly model: string;
    readonly objective: 'sft' | 'dpo';
    readonly steps: readonly {
      readonly learningRate: number;
      readonly loss: number;
      readonly gradNorm: number;
      readonly margin?: number;
      readonly accuracy?: number;
    }[];
    readonly parameters: Readonly<
      Record<
        string,
        {
          readonly norm: number;
          readonly first: readonly number[];
          readonly moved: number;
          readonly along: number;
        }
      >
    >;
  }[];
}

const golden = json<GoldenTrajectory>(here('../fixtures/trajectory/golden-trajectory.json'));
const TOLERANCE = 1e-3;

const norm = (x: Float64Array): number => Math.sqrt(x.reduce((sum, v) => sum + v * v, 0));
/** As make.py has it. */
const along = (x: Float64Array): number => x.reduce((sum, v, i) => sum + v * Math.cos(0.7 * i + 0.3), 0);

describe.each(['onnx', 'wasm'] as const)('twenty steps on %s', (backend) => {
  let model: SharedModel;
  beforeAll(async () => {
    model = await create({ workers: 2, backend });
  });
  afterAll(() => model.close());

  it.each(golden.cases.map((c) => [c.objective, c.model, c] as const))(
    '%s from %s — losses and the way of every parameter are those of torch within 1e-3',
    async (objective, name, { steps, parameters }) => {
      const [from, to] = [nextVersion(), nextVersion()];
      model.register(from, await fixture(name));
      const { sft, dpo } = golden.data;
      const data =
        objective === 'sft'
          ? { objective, rows: sft }
          : { objective: 'dpo' as const, rows: dpo, beta: golden.beta };
      const optimizer = { ...golden.optimizer, microBatchSize: 2, dropout: 0 };
      const { curve } = await model.train({ from, to, data, optimizer, key: [1, 2], order: 'given' });

      expect(curve.length).toBe(20);
      curve.forEach((said, i) => {
        const { gradNorm, accuracy, ...expected } = steps[i]!;
        for (const [field, value] of Object.entries(expected))
          expect(
            Math.abs(said[field as keyof typeof expected]! - value),
            `${field} of step ${i + 1}`,
          ).toBeLessThan(TOLERANCE);
        // The first step's margins are 0: rounding alone decides which are positive.
        if (i > 0) expect(said.accuracy).toBe(accuracy);
        expect(Math.abs(said.gradNorm / gradNorm - 1), `norm of step ${i + 1}`).toBeLessThan(TOLERANCE);
      });

      const [before, after] = [(await model.checkpoint(from)).weights, (await model.checkpoint(to)).weights];
      for (const { name: parameter, offset, size } of parametersOf(after.architecture)) {
        const expected = parameters[parameter]!;
        const now = Float64Array.from(after.data.subarray(offset, offset + size));
        const way = now.map((x, i) => x - before.data[offset + i]!);
        expect(Math.abs(norm(now) / expected.norm - 1), parameter).toBeLessThan(TOLERANCE);
        expect(Math.abs(norm(way) / expected.moved - 1), parameter).toBeLessThan(TOLERANCE);
        expect(Math.abs(along(way) - expected.along), parameter).toBeLessThan(TOLERANCE * expected.moved);
        expected.first.forEach((x, i) => {
          expect(Math.abs(now[i]! - x), `${parameter} ${i}`).toBeLessThan(TOLERANCE * Math.abs(x) + 1e-5);
        });
      }
    },
  );
});
