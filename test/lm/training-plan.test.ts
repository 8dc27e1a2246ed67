import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { planOf, stepsOf } from '../../src/lm/training-plan.js';
import { versionId } from '../../src/protocol/ids.js';
import type { OptimizerConfig, RngKey, TrainData, TrainSpec } from '../../src/protocol/lm.js';

const optimizer: OptimizerConfig = {
  learningRate: 1e-3,
  finalLearningRate: 1e-4,
  warmupSteps: 2,
  epochs: 2,
  batchSize: 4,
  microBatchSize: 2,
  weightDecay: 0,
  beta1: 0.9,
  beta2: 0.95,
  epsilon: 1e-8,
  clipNorm: 1,
  dropout: 0.1,
};
const row = (length: number, targetStart = 1) => ({ ids: Array.from({ length }, (_, i) => i), targetStart });
const spec = (data: TrainData, more: Partial<OptimizerConfig> = {}, key: RngKey = [3, 4]): TrainSpec => ({
  from: versionId('M0'),
  to: versionId('M1'),
  data,
  optimizer: { ...optimizer, ...more },
  key,
});
const sft = (lengths: readonly number[]): TrainData => ({
  objective: 'sft',
  rows: lengths.map((n) => row(n)),
});

const anySpec = fc
  .record({
    lengths: fc.array(fc.integer({ min: 2, max: 30 }), { minLength: 1, maxLength: 25 }),
    epochs: fc.integer({ min: 1, max: 3 }),
    batchSize: fc.integer({ min: 1, max: 9 }),
    microBatchSize: fc.integer({ min: 1, max: 5 }),
  })
  .map(({ lengths, ...more }) => ({ lengths, more, spec: spec(sft(lengths), more) }));

describe('training plan', () => {
  it('every row is seen exactly once an epoch, in batches of the right size', () => {
    fc.assert(
      fc.property(anySpec, ({ lengths, more, spec }) => {
        const plan = planOf(spec);
        expect(plan.length).toBe(stepsOf(lengths.length, more));
        expect(plan.map((p) => p.step)).toEqual(plan.map((_, i) => i));
        for (let epoch = 0; epoch < more.epochs; epoch++) {
          const steps = plan.filter((p) => p.epoch === epoch);
          const seen = steps.flatMap((p) => p.microBatches.flatMap((m) => m.rows));
          expect([...seen].sort((a, b) => a - b)).toEqual(lengths.map((_, i) => i));
          for (const p of steps)
            for (const m of p.microBatches) expect(m.rows.length).toBeLessThanOrEqual(more.microBatchSize);
          const sizes = steps.map((p) => p.microBatches.reduce((sum, m) => sum + m.rows.length, 0));
          sizes.slice(0, -1).forEach((size) => {
            expect(size).toBe(more.batchSize);
          });
        }
      }),
    );
  });

  it('the scale of every micro-batch is the number of target tokens of its whole batch', () => {
    fc.assert(
      fc.property(anySpec, ({ lengths, spec }) => {
        for (const { scale, microBatches } of planOf(spec)) {
          expect(scale).toBe(
            microBatches.flatMap((m) => m.rows).reduce((sum, i) => sum + lengths[i]! - 1, 0),
          );
        }
      }),
    );
  });

  it('for DPO the scale is the number of pairs, and each side has its own dropout key', () => {
    const rows = Array.from({ length: 5 }, (_, i) => ({ chosen: row(4 + i), rejected: row(9 - i) }));
    const plan = planOf(spec({ objective: 'dpo', rows, beta: 0.1 }));
    expect(plan.map((p) => p.scale)).toEqual([4, 1, 4, 1]);
    for (const { microBatches } of plan)
      for (const m of microBatches) expect(m.keys.length).toBe(2 * m.rows.length);
  });

  it('no dropout key is used twice', () => {
    const keys = planOf(spec(sft(Array.from({ length: 23 }, (_, i) => 2 + i)), { epochs: 3 })).flatMap((p) =>
      p.microBatches.flatMap((m) => m.keys),
    );
    expect(new Set(keys.map(String)).size).toBe(keys.length);
    expect(keys.length).toBe(69);
  });

  it('epochs differ in order; another key gives another order; the same spec the same plan', () => {
    const data = sft(Array.from({ length: 16 }, () => 5));
    const order = (key: RngKey) =>
      planOf(spec(data, { batchSize: 16, microBatchSize: 16 }, key)).map((p) =>
        p.microBatches[0]!.rows.join(),
      );
    const [first, second] = order([1, 2]);
    expect(first).not.toBe(second);
    expect(order([1, 2])).toEqual([first, second]);
    expect(order([1, 3])[0]).not.toBe(first);
    expect(order([2, 2])[0]).not.toBe(first);
  });

  it('within a batch the longest rows stand in the first micro-batch', () => {
    const [step] = planOf(spec(sft([3, 9, 5, 7]), { epochs: 1 }));
    expect(step!.microBatches.map((m) => m.rows)).toEqual([
      [1, 3],
      [2, 0],
    ]);
  });

  it.each<[string, TrainData]>([
    ['no rows', sft([])],
    ['a row without a target', { objective: 'sft', rows: [row(3), row(3, 3)] }],
    ['a target that nothing stands before', { objective: 'sft', rows: [row(3, 0)] }],
    [
      'a pair with an empty side',
      { objective: 'dpo', beta: 0.1, rows: [{ chosen: row(4), rejected: row(2, 2) }] },
    ],
  ])('%s is data.invalid', (_, data) => {
    expect(() => planOf(spec(data))).toThrow(expect.objectContaining({ code: 'data.invalid' }));
  });

  it('a batch size of 0 is config.invalid', () => {
    expect(() => planOf(spec(sft([3]), { batchSize: 0 }))).toThrow(
      expect.objectContaining({ code: 'config.invalid' }),
    );
  });
});
