/**
 * Owns: which of the N candidates for one prompt can be used (paper §2.3, step 2). Their draws are named in keys.ts,
 * their prompt is templates.ts' chat prompt. An answer cut at the length limit is still an answer.
 */
export interface CandidateCheck {
  /** Indices of non-empty texts, the first of each; ascending. */
  readonly usable: readonly number[];
  readonly empty: readonly number[];
  /** Indices whose text (outer white space aside) stood at `of` already. */
  readonly duplicates: readonly { readonly index: number; readonly of: number }[];
}

/** What makes two answers the same answer. */
export const sameText = (a: string, b: string): boolean => a.trim() === b.trim();

export function checkCandidates(texts: readonly string[]): CandidateCheck {
  const usable: number[] = [];
  const empty: number[] = [];
  const duplicates: { index: number; of: number }[] = [];
  texts.forEach((text, index) => {
    const of = usable.find((earlier) => sameText(texts[earlier]!, text));
    if (text.trim() === '') empty.push(index);
    else if (of === undefined) usable.push(index);
    else duplicates.push({ index, of });
  });
  return { usable, empty, duplicates };
}
