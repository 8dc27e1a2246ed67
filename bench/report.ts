/** How figures are told: a median with its range, ratios round by round, tables. */
import Table from 'cli-table3';

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.slice(Math.ceil(sorted.length / 2) - 1, Math.floor(sorted.length / 2) + 1);
  return middle.reduce((a, b) => a + b, 0) / middle.length;
}

export const range = (values: readonly number[], digits: number): string =>
  `[${Math.min(...values).toFixed(digits)}–${Math.max(...values).toFixed(digits)}]`;

export const show = (values: readonly number[]): string => `${median(values).toFixed(0)} ${range(values, 0)}`;

/** Round by round, so that what a round suffers hits both sides: how many times `ours` is as good as `other`. */
export const ratios = (
  ours: readonly number[],
  other: readonly number[],
  better: 'more' | 'less',
): readonly number[] => ours.map((own, i) => (better === 'more' ? own / other[i]! : other[i]! / own));

export const showRatio = (values: readonly number[]): string =>
  `×${median(values).toFixed(2)} ${range(values, 2)}`;

export const percent = (share: number): string => `${(100 * share).toFixed(0)} %`;

export function tableOf(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const table = new Table({
    head: [...head],
    style: { head: [], border: [], compact: true },
    colAligns: head.map((_, i) => (i === 0 ? 'left' : 'right')),
  });
  for (const row of rows) table.push([...row]);
  return table.toString();
}
