/**
 * What a task family is, and how a prompt's text and its parts go into each other. Owns no concrete family.
 *
 * A pattern is whitespace-separated words in which `@` stands for one word and `*` (last) for one or more.
 */
import type { Rng } from '../../../rng.js';

/** What counts as a right core: these words in this order, or any `count` different ones of `of` (in short: `label`). */
export type Answer =
  | { readonly kind: 'exact'; readonly words: readonly string[] }
  | { readonly kind: 'any'; readonly of: readonly string[]; readonly count: number; readonly label: string };

/** The words that fill a pattern's slots, one list a slot. */
export type Slots = readonly (readonly string[])[];

export interface Family {
  readonly name: string;
  readonly pattern: string;
  /** Words an answer is made of, whether right or wrong; anything else in an answer is extraneous. */
  domain(slots: Slots): readonly string[];
  draw(rng: Rng): Slots;
  /** null: these words make no task of the family. */
  answer(slots: Slots): Answer | null;
}

/** One task, as read from its prompt. */
export interface Task {
  readonly family: string;
  readonly prompt: string;
  /** Asked with a question mark: decides which opening fits. */
  readonly question: boolean;
  readonly answer: Answer;
  readonly domain: readonly string[];
}

export const exact = (...words: readonly string[]): Answer => ({ kind: 'exact', words });

/** The prompt's text with its slots filled. */
export function fill(pattern: string, slots: Slots): string {
  let next = 0;
  return pattern
    .split(' ')
    .map((part) => (part === '@' || part === '*' ? slots[next++]!.join(' ') : part))
    .join(' ');
}

/** The slots of a prompt that has this pattern; null where it has another. */
export function match(pattern: string, words: readonly string[]): Slots | null {
  const parts = pattern.split(' ');
  const open = parts[parts.length - 1] === '*';
  if (open ? words.length < parts.length : words.length !== parts.length) return null;
  const slots: string[][] = [];
  for (const [i, part] of parts.entries()) {
    if (part === '*') slots.push(words.slice(i));
    else if (part === '@') slots.push([words[i]!]);
    else if (part !== words[i]) return null;
  }
  return slots;
}

/** The task a family reads in a prompt; null where it reads none. */
export function taskOf(family: Family, prompt: string): Task | null {
  const slots = match(family.pattern, prompt.split(' '));
  const answer = slots && family.answer(slots);
  if (!slots || !answer) return null;
  const question = family.pattern.endsWith('?');
  return { family: family.name, prompt, question, answer, domain: family.domain(slots) };
}
