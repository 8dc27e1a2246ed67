/**
 * How prompts are put through the prefill graph: those that begin alike share the lines of their common head, those of
 * like length stand side by side. What comes out for a prompt does not depend on the plan, bit by bit.
 */
import { WIDTH_STEP } from './kv-cache.js';

export interface PrefillBatch {
  /** Tokens that all prompts of the batch begin with; may be none. */
  readonly head: readonly number[];
  /** Indices into the prompts. */
  readonly prompts: readonly number[];
  /** S: lines of each sequence after the head; head + S is a multiple of WIDTH_STEP. */
  readonly lines: number;
}

/** A shorter common head is not worth a pass of its own. */
const HEAD_LEAST = 16;
/** Lines of one pass, so that memory stays bounded. */
const MAX_LINES = 4096;
/** A batch ends where a prompt would be padded by more than this share. */
const MAX_PADDING = 0.25;

export const padded = (head: number, lines: number): number =>
  Math.ceil((head + Math.max(1, lines)) / WIDTH_STEP) * WIDTH_STEP - head;

export function planPrefill(prompts: readonly (readonly number[])[]): PrefillBatch[] {
  const families = new Map<string, number[]>();
  const alone: number[] = [];
  prompts.forEach((ids, i) => {
    if (ids.length <= HEAD_LEAST) alone.push(i);
    else {
      const start = ids.slice(0, HEAD_LEAST).join();
      families.set(start, [...(families.get(start) ?? []), i]);
    }
  });
  const batches: PrefillBatch[] = [];
  for (const family of families.values()) {
    if (family.length === 1) alone.push(family[0]!);
    else batches.push(...inBatches(prompts, family, commonHead(family.map((i) => prompts[i]!))));
  }
  return [...batches, ...inBatches(prompts, alone, [])];
}

/** At least one token of each prompt stays: something must be asked after it. */
function commonHead(prompts: readonly (readonly number[])[]): readonly number[] {
  const [first, ...others] = prompts;
  let length = Math.min(...prompts.map((ids) => ids.length)) - 1;
  for (const ids of others) {
    let same = 0;
    while (same < length && ids[same] === first![same]) same++;
    length = same;
  }
  return first!.slice(0, length);
}

function inBatches(
  prompts: readonly (readonly number[])[],
  members: readonly number[],
  head: readonly number[],
): PrefillBatch[] {
  const length = (i: number) => prompts[i]!.length - head.length;
  const sorted = [...members].sort((a, b) => length(b) - length(a) || a - b);
  const batches: { head: readonly number[]; prompts: number[]; lines: number }[] = [];
  for (const i of sorted) {
    const open = batches.at(-1);
    const lines = padded(head.length, length(i));
    const fits =
      open !== undefined &&
      lines >= open.lines * (1 - MAX_PADDING) &&
      (open.prompts.length + 1) * open.lines <= MAX_LINES;
    if (fits) open.prompts.push(i);
    else batches.push({ head, prompts: [i], lines });
  }
  return batches;
}
