/**
 * How the rows of one `sample` call are dealt to idle workers. Only where a row's numbers don't depend on the rows beside it:
 * then nobody can tell how they were dealt.
 */
import type { SampleRow } from '../protocol/lm.js';

/** Fewer rows are not worth a pass through the weights. */
const LEAST_ROWS = 4;

/** Places in `rows`, in at most `workers` parts; rows with the same prompt stay together, the longest are dealt first. */
export function samplePartsOf(rows: readonly SampleRow[], workers: number): readonly (readonly number[])[] {
  const count = Math.max(1, Math.min(workers, Math.floor(rows.length / LEAST_ROWS)));
  if (count === 1) return [rows.map((_, place) => place)];
  const byPrompt = new Map<string, number[]>();
  rows.forEach(({ promptIds }, place) => {
    const name = promptIds.join();
    const group = byPrompt.get(name);
    if (group === undefined) byPrompt.set(name, [place]);
    else group.push(place);
  });
  const length = (group: readonly number[]) => rows[group[0]!]!.promptIds.length;
  const groups = [...byPrompt.values()].sort((a, b) => length(b) - length(a) || a[0]! - b[0]!);
  const parts = Array.from({ length: count }, (): number[] => []);
  for (const group of groups) {
    const emptiest = parts.reduce((least, part) => (part.length < least.length ? part : least));
    emptiest.push(...group);
  }
  return parts.filter((part) => part.length > 0);
}
