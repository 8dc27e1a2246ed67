/**
 * How the rows of one `sample` call are cut into tasks. Depends on the rows alone, never on the number of workers or on who is
 * idle: on some processors the last bits of a row's numbers depend on the rows beside it, so who stands beside whom is fixed.
 */
import type { SampleRow } from '../protocol/lm.js';

/** Fewer rows are not worth a pass through the weights. */
const LEAST_ROWS = 4;
/** More rows in one pass gain little, and leave other workers idle. */
const MOST_ROWS = 64;
/** Parts come in twos, so that a call of any size keeps two workers busy to its end. */
const TOGETHER = 2;

const partsFor = (rows: number): number => {
  const few = Math.floor(rows / LEAST_ROWS);
  return few < TOGETHER ? 1 : TOGETHER * Math.ceil(rows / (MOST_ROWS * TOGETHER));
};

/** Places in `rows`, in parts of like size; rows with the same prompt stay together, the longest are dealt first. */
export function samplePartsOf(rows: readonly SampleRow[]): readonly (readonly number[])[] {
  const byPrompt = new Map<string, number[]>();
  rows.forEach(({ promptIds }, place) => {
    const name = promptIds.join();
    const group = byPrompt.get(name);
    if (group === undefined) byPrompt.set(name, [place]);
    else group.push(place);
  });
  const length = (group: readonly number[]) => rows[group[0]!]!.promptIds.length;
  const groups = [...byPrompt.values()].sort((a, b) => length(b) - length(a) || a[0]! - b[0]!);
  const parts = Array.from({ length: partsFor(rows.length) }, (): number[] => []);
  for (const group of groups) {
    const emptiest = parts.reduce((least, part) => (part.length < least.length ? part : least));
    emptiest.push(...group);
  }
  return parts.filter((part) => part.length > 0);
}
