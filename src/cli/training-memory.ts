/**
 * Whether one training by itself fits into memory, known before its first step; what would make it smaller is said in flags of
 * `soliloquy train`. Owns no formula: src/lm/memory-estimate.ts.
 */
import { checkShape, memoryOfMachine, RANK, trainingOf } from '../../actors/memory.js';
import type { Architecture } from '../lm/architecture.js';
import type { RunShape } from '../lm/memory-estimate.js';
import { sequencesOf } from '../lm/training-plan.js';
import type { LoraConfig, OptimizerConfig, TrainData } from '../protocol/lm.js';

export interface PlannedTraining {
  readonly architecture: Architecture;
  readonly data: TrainData;
  readonly optimizer: OptimizerConfig;
  readonly workers: number;
  readonly lora?: LoraConfig;
  /** Adapters of another rank. */
  readonly loraOf: (rank: number) => LoraConfig;
  /** Bytes that may be used; absent: what there is. */
  readonly memory?: number;
}

/** Weights to start from, and those that are made. */
const VERSIONS = 2;

/** Throws `memory.short` where it doesn't fit. */
export function checkTraining(planned: PlannedTraining): void {
  const { architecture, data, optimizer, loraOf, memory = memoryOfMachine() } = planned;
  const tokens = Math.max(0, ...sequencesOf(data).flatMap((rows) => rows.map(({ ids }) => ids.length)));
  const shapeOf = (change: Partial<PlannedTraining> = {}): RunShape => {
    const { workers, lora, optimizer: own } = { ...planned, ...change };
    return {
      architecture,
      workers,
      versions: VERSIONS,
      ...(lora && { lora }),
      trainings: [trainingOf(own, data.objective === 'dpo' ? 2 : 1)],
      tokens,
      rows: 0,
    };
  };
  const microBatchSize = Math.max(1, Math.floor(optimizer.microBatchSize / 2));
  checkShape('the training', shapeOf(), memory, () => [
    [`--micro-batch-size ${microBatchSize}`, shapeOf({ optimizer: { ...optimizer, microBatchSize } })],
    [`--lora-rank ${RANK}`, shapeOf({ lora: loraOf(RANK) })],
    ['--workers 1', shapeOf({ workers: 1 })],
  ]);
}
