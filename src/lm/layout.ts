/**
 * Where the tokens of several sequences stand in one [N, D] matrix. Packed: one after the other, no padding, for
 * attention on the host. Padded: every row as wide as the longest, zeros on the right, for attention in tensors.
 */
export interface Layout {
  readonly lengths: readonly number[];
  /** First line of each row in the matrix. */
  readonly starts: readonly number[];
  /** Longest row. */
  readonly width: number;
  /** N: lines of the matrix. */
  readonly total: number;
  /** Token of each line, 0 on padding. */
  readonly ids: Int32Array;
  /** Place of each line in its row, 0 on padding. */
  readonly positions: Int32Array;
}

export function layOut(sequences: readonly (readonly number[])[], padded: boolean): Layout {
  const lengths = sequences.map((ids) => ids.length);
  const width = Math.max(0, ...lengths);
  const starts: number[] = [];
  let total = 0;
  for (const length of lengths) {
    starts.push(total);
    total += padded ? width : length;
  }
  const ids = new Int32Array(total);
  const positions = new Int32Array(total);
  sequences.forEach((sequence, row) => {
    ids.set(sequence, starts[row]!);
    for (let t = 0; t < sequence.length; t++) positions[starts[row]! + t] = t;
  });
  return { lengths, starts, width, total, ids, positions };
}
