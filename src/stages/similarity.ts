/**
 * Owns: how alike two prompts are (ROUGE-L F1 over their words, js-rouge) and the nearest known prompt, exactly but
 * fast: the longest common subsequence is never longer than the common bag of words, so
 *   F1 ≤ 2·|common bag| / (|a| + |b|),
 * and an inverted index gives every non-zero common bag. The library is called only where this bound reaches the
 * threshold and the best so far. Paper §2.3, step 1 (filter of Self-Instruct).
 */
import { l as rougeL } from 'js-rouge';

/** Lower case; a word is a run of letters and digits or one symbol; sentence punctuation and quotes don't count. */
export function wordsOf(text: string): readonly string[] {
  return (
    text
      .normalize('NFKC')
      .toLowerCase()
      .match(/[\p{L}\p{M}\p{N}_]+|[^\s\p{L}\p{M}\p{N}_.,;:!?"'()“”‘’«»…¿¡`]/gu) ?? []
  );
}

/** Two prompts of one normal form are the same prompt. */
export const normalForm = (text: string): string => wordsOf(text).join(' ');

/** ROUGE-L F1 of two normal forms, each taken as one sentence. 0 where one is empty. */
export function similarity(a: string, b: string): number {
  if (a === '' || b === '') return 0;
  return rougeL(a, b, { segmenter: (text) => [text], tokenizer: (text) => text.split(' ') });
}

export interface Neighbour {
  readonly prompt: string;
  readonly score: number;
}

/** Known prompts. `add` is the only change; nothing depends on anything but the prompts and their order. */
export interface PromptIndex {
  readonly size: number;
  add(prompt: string): void;
  /** The first known prompt with the same normal form. */
  same(prompt: string): string | undefined;
  /** The known prompt of highest similarity ≥ threshold (a number > 0), the earliest of equals. */
  nearest(prompt: string, threshold: number): Neighbour | undefined;
}

/** Two floating-point ways to one number may differ by this. */
const SLACK = 1e-9;

interface Known {
  readonly prompt: string;
  readonly normal: string;
  readonly length: number;
}

export function createPromptIndex(prompts: readonly string[] = []): PromptIndex {
  const known: Known[] = [];
  const byNormal = new Map<string, string>();
  /** word → places of the prompts that hold it, with how often. */
  const postings = new Map<string, { readonly at: number; readonly times: number }[]>();

  const add = (prompt: string) => {
    const words = wordsOf(prompt);
    const normal = words.join(' ');
    for (const [word, times] of bagOf(words)) {
      const posting = postings.get(word);
      if (posting) posting.push({ at: known.length, times });
      else postings.set(word, [{ at: known.length, times }]);
    }
    known.push({ prompt, normal, length: words.length });
    if (!byNormal.has(normal)) byNormal.set(normal, prompt);
  };

  /** What could reach the threshold, highest bound first. */
  const candidates = (words: readonly string[], threshold: number) => {
    const common = new Map<number, number>();
    for (const [word, times] of bagOf(words))
      for (const { at, times: there } of postings.get(word) ?? [])
        common.set(at, (common.get(at) ?? 0) + Math.min(times, there));
    return [...common]
      .map(([at, overlap]) => ({ at, bound: (2 * overlap) / (words.length + known[at]!.length) }))
      .filter(({ bound }) => bound + SLACK >= threshold)
      .sort((a, b) => b.bound - a.bound || a.at - b.at);
  };

  const nearest = (prompt: string, threshold: number): Neighbour | undefined => {
    const words = wordsOf(prompt);
    const normal = words.join(' ');
    let best: { at: number; score: number } | undefined;
    for (const { at, bound } of candidates(words, threshold)) {
      if (best && bound + SLACK < best.score) break;
      const score = similarity(normal, known[at]!.normal);
      if (score + SLACK < threshold) continue;
      if (!best || score > best.score || (score === best.score && at < best.at)) best = { at, score };
    }
    return best && { prompt: known[best.at]!.prompt, score: best.score };
  };

  for (const prompt of prompts) add(prompt);
  return {
    get size() {
      return known.length;
    },
    add,
    same: (prompt) => byNormal.get(normalForm(prompt)),
    nearest,
  };
}

function bagOf(words: readonly string[]): Map<string, number> {
  const bag = new Map<string, number>();
  for (const word of words) bag.set(word, (bag.get(word) ?? 0) + 1);
  return bag;
}
