/**
 * All task families together: draw a random task, read the task in any prompt, write a right core.
 */
import type { Rng } from '../../rng.js';
import { type Answer, type Family, fill, type Task, taskOf } from './families/family.js';
import { NUMBER_FAMILIES } from './families/numbers.js';
import { WORD_FAMILIES } from './families/words.js';

export const FAMILIES: readonly Family[] = [...WORD_FAMILIES, ...NUMBER_FAMILIES];

/** The task a prompt's text asks for; null where it asks for none we know. */
export function parseTask(prompt: string): Task | null {
  const text = prompt.trim().split(/\s+/).join(' ');
  for (const family of FAMILIES) {
    const task = taskOf(family, text);
    if (task) return task;
  }
  return null;
}

/** A task of a random family, every family as likely. */
export function drawTask(rng: Rng): Task {
  const family = rng.pick(FAMILIES);
  return taskOf(family, fill(family.pattern, family.draw(rng)))!;
}

/** A right core answer: words without frame or full stop. */
export const rightCore = (rng: Rng, answer: Answer): string[] =>
  answer.kind === 'exact' ? [...answer.words] : rng.take(answer.of, answer.count);
