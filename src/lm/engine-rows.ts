/**
 * What an engine reads out of a gradient task before it computes.
 */
import type { GradientTask, SequenceRow } from './engine.js';

/** The sequences of a micro-batch; for dpo chosen, rejected, chosen, rejected … */
export const taskSequences = (task: GradientTask): readonly SequenceRow[] =>
  task.objective === 'sft' ? task.rows : task.pairs.flatMap((pair) => [pair.chosen, pair.rejected]);
