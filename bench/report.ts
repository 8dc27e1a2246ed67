/** How figures are told: a median with its range. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)]!;
}

export const range = (values: readonly number[], digits: number): string =>
  `[${Math.min(...values).toFixed(digits)}–${Math.max(...values).toFixed(digits)}]`;

export const show = (values: readonly number[]): string => `${median(values).toFixed(0)} ${range(values, 0)}`;
