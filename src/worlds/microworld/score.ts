/**
 * The truth: what a response is worth, 0–5, one point for each criterion that holds.
 *
 * relevant ⊇ substantial ⊇ correct, and clear and assistant are given only to relevant answers, so the score is additive
 * and no word outside an answer's domain can raise it.
 */
import type { TrueScore } from '../../protocol/records.js';
import type { Answer, Task } from './families/family.js';
import { CLOSING, CRITERIA, type Criterion, OPENINGS } from './vocabulary.js';

export type Verdicts = Readonly<Record<Criterion, boolean>>;

const startsWith = (words: readonly string[], prefix: readonly string[]) =>
  prefix.every((w, i) => words[i] === w);
const endsWith = (words: readonly string[], suffix: readonly string[]) =>
  words.length >= suffix.length && suffix.every((w, i) => words[words.length - suffix.length + i] === w);

/** The words between opening and closing, and whether both are there and the opening fits the prompt. */
function unframe(words: readonly string[], question: boolean) {
  const opening = Object.values(OPENINGS).find((o) => startsWith(words, o));
  const closed = endsWith(words, CLOSING);
  const body = words.slice(opening?.length ?? 0, closed ? words.length - CLOSING.length : undefined);
  const fits = opening === (question ? OPENINGS.question : OPENINGS.order);
  return { body, framed: closed && fits };
}

const wanted = (answer: Answer) => (answer.kind === 'exact' ? answer.words.length : answer.count);

/** How many of the wanted words are there: by place where order counts; anywhere for a single word or a free list. */
function hits(answer: Answer, given: readonly string[]): number {
  if (answer.kind === 'any') return new Set(given.filter((word) => answer.of.includes(word))).size;
  const { words } = answer;
  if (words.length === 1) return given.includes(words[0]!) ? 1 : 0;
  return words.filter((word, i) => given[i] === word).length;
}

/** Which criteria a response meets. */
export function verdictsOf(task: Task, response: string): Verdicts {
  const words = response.trim().split(/\s+/);
  const { body, framed } = unframe(words, task.question);
  const given = body.filter((word) => task.domain.includes(word));
  const want = wanted(task.answer);
  const found = hits(task.answer, given);
  const relevant = given.length > 0;
  const plain = body.length === given.length + 1 && body[body.length - 1] === '.';
  return {
    relevant,
    substantial: relevant && found * 2 >= want,
    correct: relevant && found === want && given.length === want,
    clear: relevant && plain && given.length <= want,
    assistant: relevant && framed,
  };
}

export const pointsOf = (verdicts: Verdicts): number =>
  CRITERIA.filter((criterion) => verdicts[criterion]).length;

/** The true score of a response to a task. */
export function trueScore(task: Task, response: string): TrueScore {
  const criteria = verdictsOf(task, response);
  return { score: pointsOf(criteria), criteria };
}
