/**
 * Owns: from judged candidates to a preference pair, or the reason why there is none (paper §2.3, step 4: highest
 * against lowest mean score, equal scores give no pair).
 * Invariants: chosen and rejected are different texts with different scores; what has no score is never in a pair.
 */
import type { WithheldReason } from '../protocol/messages.js';
import { sameText } from './respond.js';
import { lengthControlled } from './variants/length-control.js';

export interface ScoredCandidate {
  readonly text: string;
  /** Mean of the valid judgements; null where none could be read. */
  readonly score: number | null;
}

type Scored<C> = C & { readonly score: number };

export type Pairing<C extends ScoredCandidate> =
  | { readonly status: 'pair'; readonly chosen: Scored<C>; readonly rejected: Scored<C> }
  | {
      readonly status: 'withheld';
      readonly reason: Extract<WithheldReason, 'too-few' | 'unparseable' | 'tie'>;
      readonly detail: string;
    };

/** Means of the same scores in another order may differ by this; it is no preference. */
export const EQUAL = 1e-9;

const isScored = <C extends ScoredCandidate>(candidate: C): candidate is Scored<C> =>
  candidate.score !== null;

/** One candidate for each non-empty text: the first that has a score, else the first. */
function distinct<C extends ScoredCandidate>(candidates: readonly C[]): readonly C[] {
  const written = candidates.filter((candidate) => candidate.text.trim() !== '');
  const firstOf = (one: C) => {
    const same = written.filter((other) => sameText(other.text, one.text));
    return same.find(isScored) ?? same[0];
  };
  return written.filter((candidate) => candidate === firstOf(candidate));
}

/** Candidates in the order of their index: the lowest index wins among equals, at both ends. `lengthControl` is ρ; 0 = off. */
export function pairOf<C extends ScoredCandidate>(candidates: readonly C[], lengthControl = 0): Pairing<C> {
  const usable = distinct(candidates);
  if (usable.length < 2)
    return withheld('too-few', `${usable.length} different answers of ${candidates.length} candidates`);
  const scored = usable.filter(isScored);
  if (scored.length < 2)
    return withheld('unparseable', `${scored.length} of ${usable.length} answers have a readable judgement`);
  const chosen = scored.reduce((best, next) => (next.score > best.score + EQUAL ? next : best));
  const rejected = scored.reduce((worst, next) => (next.score < worst.score - EQUAL ? next : worst));
  if (chosen === rejected) return withheld('tie', `${scored.length} answers all have score ${chosen.score}`);
  if (lengthControl > 0) return { status: 'pair', ...lengthControlled(scored, lengthControl, EQUAL) };
  return { status: 'pair', chosen, rejected };
}

export const withheld = (
  reason: Extract<WithheldReason, 'too-few' | 'unparseable' | 'tie'>,
  detail: string,
): Pairing<never> => ({ status: 'withheld', reason, detail });

/** The positive-examples-only variant (§2.3): different answers whose mean score is the perfect one. */
export const positivesOf = <C extends ScoredCandidate>(
  candidates: readonly C[],
  max: number,
): readonly Scored<C>[] =>
  distinct(candidates)
    .filter(isScored)
    .filter((candidate) => candidate.score >= max - EQUAL);
