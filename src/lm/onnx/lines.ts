/** Padded sequences as the score and train graphs want them, and the lines that predict what is asked for. */
import type { SequenceRow } from '../engine.js';
import type { Layout } from '../layout.js';
import type { Compiled } from './compiled.js';
import { causalMask } from './prefill.js';
import { type Feeds, float32, int32, int64, size } from './session.js';

export interface Targets {
  /** Line whose hidden state predicts the target. */
  readonly lines: Int32Array;
  readonly ids: Int32Array;
  readonly sequenceOf: Int32Array;
}

/** Every token from `targetStart` on, of sequences laid out without their last token. */
export function targetsOf(rows: readonly SequenceRow[], layout: Layout): Targets {
  const lines: number[] = [];
  const ids: number[] = [];
  const sequenceOf: number[] = [];
  rows.forEach((row, sequence) => {
    for (let t = Math.max(1, row.targetStart); t < row.ids.length; t++) {
      lines.push(layout.starts[sequence]! + t - 1);
      ids.push(row.ids[t]!);
      sequenceOf.push(sequence);
    }
  });
  return {
    lines: Int32Array.from(lines),
    ids: Int32Array.from(ids),
    sequenceOf: Int32Array.from(sequenceOf),
  };
}

const wide = (values: Int32Array): BigInt64Array => BigInt64Array.from(values, BigInt);

export function sequenceFeeds(compiled: Compiled, { ids, width, total }: Layout, targets: Targets): Feeds {
  const positions = BigInt64Array.from({ length: total }, (_, line) => BigInt(line % width));
  const count = targets.lines.length;
  return {
    ...compiled.rotation(width),
    ids: int32(ids, [total]),
    positions: int64(positions, [total, 1]),
    B: size(total / width),
    S: size(width),
    mask: float32(causalMask(width, 0), [width, width]),
    lines: int64(wide(targets.lines), [count]),
    targets: int64(wide(targets.ids), [count, 1]),
  };
}
