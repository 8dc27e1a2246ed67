/**
 * Which rows are seen when, in which micro-batches, with which learning rate and dropout keys: a pure function of the
 * `TrainSpec`, so the same for any number of workers.
 *
 * An epoch is a shuffle of all rows by (spec.key, epoch), or the rows as given, cut into batches; the last batch may be
 * smaller, none is dropped.
 * A batch is cut into micro-batches after sorting by length, longest first (less padding, and the long ones start
 * first); ties keep the shuffled order.
 */
import { SoliloquyError } from '../protocol/errors.js';
import type { OptimizerConfig, RngKey, TargetRow, TrainData, TrainSpec } from '../protocol/lm.js';
import { keyOf, rngOf } from '../rng.js';
import { learningRateAt } from './schedule.js';

export interface MicroBatch {
  /** Indices into `spec.data.rows`. */
  readonly rows: readonly number[];
  /** Dropout keys, one a sequence (dpo: chosen, rejected, chosen …). */
  readonly keys: readonly RngKey[];
}

export interface PlannedStep {
  /** From 0. */
  readonly step: number;
  readonly epoch: number;
  readonly learningRate: number;
  /** What the batch's loss and gradients are divided by: its target tokens (sft) or pairs (dpo). */
  readonly scale: number;
  readonly microBatches: readonly MicroBatch[];
}

const derive = (key: RngKey, purpose: string, ...ids: readonly (string | number)[]): RngKey =>
  keyOf(key[0], purpose, key[1], ...ids);

export const stepsOf = (
  rows: number,
  { epochs, batchSize }: Pick<OptimizerConfig, 'epochs' | 'batchSize'>,
): number => epochs * Math.ceil(rows / batchSize);

/** The sequences of each row: one, or chosen and rejected. */
export const sequencesOf = (data: TrainData): readonly (readonly TargetRow[])[] =>
  data.objective === 'sft'
    ? data.rows.map((row) => [row])
    : data.rows.map((row) => [row.chosen, row.rejected]);

export const targetsOf = (row: TargetRow): number => row.ids.length - row.targetStart;

function checkSpec({ data, optimizer }: TrainSpec, sequences: readonly (readonly TargetRow[])[]): void {
  if (sequences.length === 0) throw new SoliloquyError('data.invalid', 'there is no row to train on');
  sequences.forEach((row, index) => {
    for (const { ids, targetStart } of row) {
      if (!Number.isInteger(targetStart) || targetStart < 1 || targetStart >= ids.length)
        throw new SoliloquyError(
          'data.invalid',
          `row ${index}: its ${ids.length} tokens leave nothing to learn from token ${targetStart} on`,
          { row: index, objective: data.objective },
        );
    }
  });
  for (const field of ['epochs', 'batchSize', 'microBatchSize'] as const) {
    if (!Number.isInteger(optimizer[field]) || optimizer[field] < 1)
      throw new SoliloquyError(
        'config.invalid',
        `optimizer.${field} is ${optimizer[field]}, not a whole number from 1`,
        { field },
      );
  }
}

/** What the schedule spans: the steps taken, or more where the training is to end early. */
function scheduleStepsOf({ scheduleSteps }: TrainSpec, steps: number): number {
  if (scheduleSteps === undefined) return steps;
  if (Number.isInteger(scheduleSteps) && scheduleSteps >= steps) return scheduleSteps;
  throw new SoliloquyError(
    'config.invalid',
    `scheduleSteps is ${scheduleSteps}, not a whole number from ${steps}`,
    { field: 'scheduleSteps' },
  );
}

/** All steps in order. */
export function planOf(spec: TrainSpec): readonly PlannedStep[] {
  const sequences = sequencesOf(spec.data);
  checkSpec(spec, sequences);
  const { epochs, batchSize } = spec.optimizer;
  const steps = scheduleStepsOf(spec, stepsOf(sequences.length, spec.optimizer));
  const indices = sequences.map((_, index) => index);
  const plan: PlannedStep[] = [];
  for (let epoch = 0; epoch < epochs; epoch++) {
    const order =
      spec.order === 'given' ? indices : rngOf(derive(spec.key, 'train.order', epoch)).shuffle(indices);
    for (let at = 0; at < order.length; at += batchSize) {
      plan.push(
        plannedStep(spec, sequences, {
          step: plan.length,
          steps,
          epoch,
          batch: order.slice(at, at + batchSize),
        }),
      );
    }
  }
  return plan;
}

function plannedStep(
  { data, key, optimizer }: TrainSpec,
  sequences: readonly (readonly TargetRow[])[],
  at: {
    readonly step: number;
    readonly steps: number;
    readonly epoch: number;
    readonly batch: readonly number[];
  },
): PlannedStep {
  const { step, epoch, batch } = at;
  const targets = batch.flatMap((row) => sequences[row]!).reduce((sum, row) => sum + targetsOf(row), 0);
  const longest = (row: number) => Math.max(...sequences[row]!.map(({ ids }) => ids.length));
  const places = batch.map((row, place) => ({ row, place, length: longest(row) }));
  places.sort((a, b) => b.length - a.length || a.place - b.place);
  const microBatches: MicroBatch[] = [];
  for (let i = 0; i < places.length; i += optimizer.microBatchSize) {
    const part = places.slice(i, i + optimizer.microBatchSize);
    microBatches.push({
      rows: part.map(({ row }) => row),
      keys: part.flatMap(({ row, place }) =>
        sequences[row]!.map((_, side) => derive(key, 'train.dropout', step, place, side)),
      ),
    });
  }
  return {
    step,
    epoch,
    learningRate: learningRateAt(step, at.steps, optimizer),
    scale: data.objective === 'sft' ? targets : batch.length,
    microBatches,
  };
}
