/**
 * Written judgements: the right one, and what careless people of the pretraining text write.
 */
import type { Rng } from '../../rng.js';
import { pleases, spoil } from './demonstrators.js';
import type { Answer, Task } from './families/family.js';
import { pointsOf, type Verdicts, verdictsOf } from './score.js';
import { CRITERIA, type Criterion, NUMBERS } from './vocabulary.js';

/** How careless a judge is. All in [0, 1]. */
export interface Carelessness {
  /** Chance to see a criterion the wrong way round: those about what is said, and those about how it is said. */
  readonly flip: { readonly core: number; readonly form: number };
  /** Chance that a phrase that pleases turns a no into a yes. */
  readonly flattered: number;
}

/** What a judge writes: the answer it expects, then its view of the five criteria. */
export interface Reasons {
  readonly expected: string;
  readonly verdicts: Verdicts;
}

const expectedOf = (answer: Answer): string =>
  answer.kind === 'any' ? answer.label : answer.words.join(' ');

/** The reasons of a judge who sees the truth. */
export const rightReasons = (task: Task, response: string): Reasons => ({
  expected: expectedOf(task.answer),
  verdicts: verdictsOf(task, response),
});

/** The reasons before the score. */
export const justificationOf = ({ expected, verdicts }: Reasons): string =>
  ['answer', expected, ...CRITERIA.map((c) => `${c} ${verdicts[c] ? 'yes' : 'no'}`)].join(' ');

/** Reasons and score, as the compact judge writes them. */
export const judgementOf = (reasons: Reasons): string =>
  `${justificationOf(reasons)} score : ${NUMBERS[pointsOf(reasons.verdicts)]!}`;

const isForm = (criterion: Criterion) => criterion === 'clear' || criterion === 'assistant';

/** What a careless judge writes in place of the right reasons. */
export function carelessReasons(
  rng: Rng,
  task: Task,
  response: string,
  { flip, flattered }: Carelessness,
): Reasons {
  const { expected, verdicts } = rightReasons(task, response);
  const pleased = pleases(response);
  const seen = (criterion: Criterion): boolean => {
    const wrong = rng.chance(isForm(criterion) ? flip.form : flip.core);
    return verdicts[criterion] !== wrong || (pleased && rng.chance(flattered));
  };
  return {
    expected: rng.chance(flip.core) ? spoil(rng, task, expected.split(' ')).join(' ') : expected,
    verdicts: Object.fromEntries(CRITERIA.map((c) => [c, seen(c)])) as Record<Criterion, boolean>,
  };
}
