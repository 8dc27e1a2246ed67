import { describe, expect, it } from 'vitest';
import { learningRateAt } from '../../src/lm/schedule.js';
import { planOf } from '../../src/lm/training-plan.js';
import { versionId } from '../../src/protocol/ids.js';
import type { TrainSpec } from '../../src/protocol/lm.js';

const optimizer = {
  learningRate: 1e-2,
  finalLearningRate: 1e-3,
  warmupSteps: 2,
  epochs: 1,
  batchSize: 4,
  microBatchSize: 2,
  weightDecay: 0,
  beta1: 0.9,
  beta2: 0.95,
  epsilon: 1e-8,
  clipNorm: 1,
  dropout: 0,
};
const specOf = (rows: number, more: Partial<TrainSpec> = {}): TrainSpec => ({
  from: versionId('M0'),
  to: versionId('M1'),
  data: {
    objective: 'sft',
    rows: Array.from({ length: rows }, (_, i) => ({ ids: [i, 1, 2], targetStart: 1 })),
  },
  optimizer,
  key: [3, 4],
  ...more,
});
const seenBy = (spec: TrainSpec) =>
  planOf(spec).flatMap(({ microBatches }) => microBatches.flatMap(({ rows }) => rows));

describe('training plan — order and schedule', () => {
  it('given: each epoch sees the rows as they stand', () => {
    const rows = Array.from({ length: 24 }, (_, i) => i);
    expect(seenBy(specOf(24, { order: 'given' }))).toEqual(rows);
    expect(seenBy(specOf(24, { order: 'given', optimizer: { ...optimizer, epochs: 2 } }))).toEqual([
      ...rows,
      ...rows,
    ]);
    expect(seenBy(specOf(24, { order: 'shuffled' }))).toEqual(seenBy(specOf(24)));
    expect(seenBy(specOf(24))).not.toEqual(rows);
  });

  it('the first steps of a longer schedule are the same steps, whether or not others follow', () => {
    const long = planOf(specOf(40, { order: 'given' }));
    const short = planOf(specOf(12, { order: 'given', scheduleSteps: 10 }));
    expect(short).toEqual(long.slice(0, 3));
    expect(short[2]!.learningRate).toBe(learningRateAt(2, 10, optimizer));
  });

  it.each([2, 3.5, Number.NaN])('a schedule of %d steps for 3 steps is refused', (scheduleSteps) => {
    expect(() => planOf(specOf(12, { scheduleSteps }))).toThrowError(
      expect.objectContaining({ code: 'config.invalid' }),
    );
  });
});
