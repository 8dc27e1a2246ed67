/**
 * Where the tokens of sequences stand in the lines of the score and train graphs, and which lines predict what is asked
 * for. A block holds one sequence, or a pair with the same beginning: the beginning once, then both endings, neither of
 * which sees the other.
 */
import type { SequenceRow } from '../engine.js';
import type { Compiled } from './compiled.js';
import { MASKED } from './kv-cache.js';
import { causalMask } from './prefill.js';
import { type Feeds, float32, int32, int64, size } from './session.js';

export interface Targets {
  /** Line whose hidden state predicts the target. */
  readonly lines: Int32Array;
  readonly ids: Int32Array;
  readonly sequenceOf: Int32Array;
}

export interface Arrangement {
  /** B blocks of `width` lines, 0 on padding. */
  readonly blocks: number;
  readonly width: number;
  readonly ids: Int32Array; // [B·width]
  readonly positions: BigInt64Array; // [B·width]
  /** Who sees whom: [width, width] for all blocks, or [B, 1, width, width], or with another 1 where heads are grouped. */
  readonly mask: Float32Array;
  readonly maskShape: readonly number[];
  readonly targets: Targets;
}

/** The last token of a sequence predicts nothing that is asked for: it has no line. */
const linesOf = (row: SequenceRow): number => Math.max(0, row.ids.length - 1);

function targetsOf(
  rows: readonly SequenceRow[],
  lineOf: (sequence: number, position: number) => number,
): Targets {
  const lines: number[] = [];
  const ids: number[] = [];
  const sequenceOf: number[] = [];
  rows.forEach((row, sequence) => {
    for (let t = Math.max(1, row.targetStart); t < row.ids.length; t++) {
      lines.push(lineOf(sequence, t - 1));
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

/** One sequence a block; blocks are at least `least` wide. */
export function arrange(rows: readonly SequenceRow[], least = 0): Arrangement {
  const width = Math.max(least, ...rows.map(linesOf));
  const ids = new Int32Array(rows.length * width);
  rows.forEach((row, block) => {
    ids.set(row.ids.slice(0, linesOf(row)), block * width);
  });
  return {
    blocks: rows.length,
    width,
    ids,
    positions: BigInt64Array.from(ids, (_, line) => BigInt(line % width)),
    mask: causalMask(width, 0),
    maskShape: [width, width],
    targets: targetsOf(rows, (sequence, position) => sequence * width + position),
  };
}

/** `rows` are pairs: 0 and 1, 2 and 3 …; `grouped`: heads share keys. */
export function arrangePairs(rows: readonly SequenceRow[], grouped: boolean): Arrangement {
  const heads = Array.from({ length: rows.length / 2 }, (_, pair) =>
    commonLines(rows[2 * pair]!, rows[2 * pair + 1]!),
  );
  const ends = heads.map((head, pair) => {
    const first = linesOf(rows[2 * pair]!);
    return { head, first, all: first + linesOf(rows[2 * pair + 1]!) - head };
  });
  const blocks = ends.length;
  const width = Math.max(0, ...ends.map(({ all }) => all));
  const ids = new Int32Array(blocks * width);
  const positions = new BigInt64Array(blocks * width);
  const mask = new Float32Array(blocks * width * width);
  ends.forEach(({ head, first, all }, block) => {
    const [chosen, rejected] = [rows[2 * block]!, rows[2 * block + 1]!];
    const start = block * width;
    ids.set(chosen.ids.slice(0, first), start);
    ids.set(rejected.ids.slice(head, linesOf(rejected)), start + first);
    for (let line = 0; line < width; line++) {
      const position = line < first ? line : line - first + head;
      positions[start + line] = BigInt(line < all ? position : 0);
      const row = (start + line) * width;
      mask.fill(MASKED, row + line + 1, row + width);
      if (line >= first) mask.fill(MASKED, row + head, row + first);
    }
  });
  const lineOf = (sequence: number, position: number): number => {
    const block = sequence >> 1;
    const { head, first } = ends[block]!;
    const shifted = sequence % 2 === 1 && position >= head ? position - head + first : position;
    return block * width + shifted;
  };
  const targets = targetsOf(rows, lineOf);
  const maskShape = grouped ? [blocks, 1, 1, width, width] : [blocks, 1, width, width];
  return { blocks, width, ids, positions, mask, maskShape, targets };
}

/** Lines that two sequences share and that predict no target of either: each target then has a line of its own. */
function commonLines(a: SequenceRow, b: SequenceRow): number {
  const most = Math.min(a.targetStart, b.targetStart) - 1;
  let same = 0;
  while (same < most && a.ids[same] === b.ids[same]) same++;
  return same;
}

const wide = (values: Int32Array): BigInt64Array => BigInt64Array.from(values, BigInt);

export function arrangementFeeds(compiled: Compiled, arrangement: Arrangement): Feeds {
  const { blocks, width, ids, positions, mask, maskShape, targets } = arrangement;
  const count = targets.lines.length;
  return {
    ...compiled.rotation(width),
    ids: int32(ids, [ids.length]),
    positions: int64(positions, [positions.length, 1]),
    B: size(blocks),
    S: size(width),
    mask: float32(mask, maskShape),
    lines: int64(wide(targets.lines), [count]),
    targets: int64(wide(targets.ids), [count, 1]),
  };
}
