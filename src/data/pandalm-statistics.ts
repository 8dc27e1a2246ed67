/**
 * Owns: the numbers that PandaLM's paper gives of a judge on its test set: accuracy and macro precision, recall and F1 over the
 * classes tie, 1 and 2. A verdict that could not be read counts as a tie there; we say so and keep it apart elsewhere.
 */
import type { JudgedPair } from '../stages/agreement.js';

export interface PandaLmStatistics {
  readonly accuracy: number;
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
}

const CLASSES = [0, 1, 2] as const;
const ratio = (a: number, b: number): number => (b === 0 ? 0 : a / b);
const meanOf = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;

export function pandaLmStatistics(pairs: readonly JudgedPair[]): PandaLmStatistics {
  const said = pairs.map(({ human, asShown }) => ({ human, judge: asShown ?? 0 }));
  const byClass = CLASSES.map((one) => {
    const right = said.filter(({ human, judge }) => human === one && judge === one).length;
    const precision = ratio(right, said.filter(({ judge }) => judge === one).length);
    const recall = ratio(right, said.filter(({ human }) => human === one).length);
    return { right, precision, recall, f1: ratio(2 * precision * recall, precision + recall) };
  });
  return {
    accuracy: ratio(
      byClass.reduce((sum, { right }) => sum + right, 0),
      said.length,
    ),
    precision: meanOf(byClass.map(({ precision }) => precision)),
    recall: meanOf(byClass.map(({ recall }) => recall)),
    f1: meanOf(byClass.map(({ f1 }) => f1)),
  };
}
