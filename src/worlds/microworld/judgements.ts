/**
 * Written judgements: the right one, and what careless people of the pretraining text write.
 */
import type { Rng } from '../../rng.js';
import type { Verdicts } from './score.js';
import { pointsOf } from './score.js';
import { CRITERIA, type Criterion, NUMBERS } from './vocabulary.js';

/** How careless a judge is. All in [0, 1]. */
export interface Carelessness {
  /** Chance to see a criterion the wrong way round: those about what is said, and those about how it is said. */
  readonly flip: { readonly core: number; readonly form: number };
  /** Chance that a phrase that pleases turns a no into a yes (relevance is never in doubt). */
  readonly flattered: number;
}

/** The five criteria, each with yes or no: the reasons before the score. */
export const justificationOf = (verdicts: Verdicts): string =>
  CRITERIA.map((criterion) => `${criterion} ${verdicts[criterion] ? 'yes' : 'no'}`).join(' ');

/** Reasons and score, as the compact judge writes them. */
export const judgementOf = (verdicts: Verdicts): string =>
  `${justificationOf(verdicts)} score : ${NUMBERS[pointsOf(verdicts)]!}`;

const isForm = (criterion: Criterion) => criterion === 'clear' || criterion === 'assistant';

/** What a careless judge sees in place of the truth. */
export function careless(
  rng: Rng,
  truth: Verdicts,
  pleased: boolean,
  { flip, flattered }: Carelessness,
): Verdicts {
  const seen = (criterion: Criterion): boolean => {
    const value = rng.chance(isForm(criterion) ? flip.form : flip.core)
      ? !truth[criterion]
      : truth[criterion];
    return value || (pleased && rng.chance(flattered));
  };
  return Object.fromEntries(CRITERIA.map((criterion) => [criterion, seen(criterion)])) as Record<
    Criterion,
    boolean
  >;
}
