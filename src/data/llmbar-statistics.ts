/**
 * Owns: the statistics that LLMBar publishes beside each evaluator's recorded outputs, as its own script prints them.
 * Its κ against people is not what it seems: a winner that is not "1" becomes 0 while people's labels are 1 and 2, so that
 * agreeing on the second output counts as disagreement. We print the same under the same name, and κ as it should be beside it
 * (src/stages/agreement.ts).
 */
import { type Choice, cohenKappa, type JudgedPair } from '../stages/agreement.js';
import type { JudgedRanking } from '../stages/measures.js';
import { type LlmBarResult, lastRound } from './judgements.js';

export interface LlmBarStatistics {
  readonly correct_False: string;
  readonly correct_True: string;
  readonly correct_average: string;
  readonly correct_both: string;
  readonly equal: string;
  readonly kappa_False: number | null;
  readonly kappa_True: number | null;
  readonly kappa_average: number | null;
  readonly kappa_agreement: number | null;
}

/** A number as Python prints it. */
const python = (value: number): string => (Number.isInteger(value) ? value.toFixed(1) : String(value));

export function llmBarStatistics(rows: readonly LlmBarResult[]): LlmBarStatistics {
  const n = rows.length;
  const won = rows.map((row) => {
    const last = lastRound(row);
    return { label: row.label, shown: last['swap = False'].winner, swapped: last['swap = True'].winner };
  });
  const count = (holds: (one: (typeof won)[number]) => boolean): number => won.filter(holds).length;
  const said = (correct: number): string => `${correct} / ${n} = ${python((correct / n) * 100)}%`;
  const shown = count((one) => one.shown === String(one.label));
  const swapped = count((one) => one.swapped === String(one.label));
  const both = count((one) => one.shown === String(one.label) && one.swapped === String(one.label));
  const labels = won.map(({ label }) => label);
  const first = won.map((one) => (one.shown === '1' ? 1 : 0));
  const second = won.map((one) => (one.swapped === '1' ? 1 : 0));
  const kappas = [cohenKappa(first, labels), cohenKappa(second, labels)] as const;
  return {
    correct_False: said(shown),
    correct_True: said(swapped),
    correct_average: `${python(((shown + swapped) / 2 / n) * 100)}%`,
    correct_both: said(both),
    equal: said(count((one) => one.shown === one.swapped)),
    kappa_False: kappas[0],
    kappa_True: kappas[1],
    kappa_average: kappas[0] === null || kappas[1] === null ? null : (kappas[0] + kappas[1]) / 2,
    kappa_agreement: cohenKappa(first, second),
  };
}

const choiceOf = (winner: string | null): Choice => (winner === '1' ? 1 : winner === '2' ? 2 : null);

/** As a Python `int()` reads it: a whole number and white space. */
const wholeNumber = (text: string): number | null => (/^\s*[-+]?\d+\s*$/.test(text) ? Number(text) : null);

/** The two scores, where the judge gave scores. */
const scoresOf = (row: LlmBarResult): readonly [number | null, number | null] | null => {
  const { score_1, score_2 } = lastRound(row);
  return score_1 && score_2 ? [wholeNumber(score_1[0]), wholeNumber(score_2[0])] : null;
};

/**
 * Rows as judged pairs. Where a judge scored each answer alone, its verdict is what the scores say, ties as ties: LLMBar
 * breaks them by order, once for each answer.
 */
export function pairsOfLlmBar(rows: readonly LlmBarResult[]): readonly JudgedPair[] {
  return rows.map((row) => {
    const scores = scoresOf(row);
    const last = lastRound(row);
    if (!scores)
      return {
        human: row.label,
        asShown: choiceOf(last['swap = False'].winner),
        swapped: choiceOf(last['swap = True'].winner),
      };
    const [a, b] = scores;
    return { human: row.label, asShown: a === null || b === null ? null : a === b ? 0 : a > b ? 1 : 2 };
  });
}

/** Rows whose judge gave scores, as ranked groups of two; none where it chose. */
export const rankingsOfLlmBar = (rows: readonly LlmBarResult[]): readonly JudgedRanking[] =>
  rows.flatMap((row) => {
    const scores = scoresOf(row);
    return scores
      ? [{ responses: scores.map((score, i) => ({ score, value: row.label === i + 1 ? 1 : 0 })) }]
      : [];
  });

/** Rows whose recorded winners are not what the recorded scores say; 0 for a judge that chose. */
export const contradictions = (rows: readonly LlmBarResult[]): number =>
  rows.filter((row) => {
    const scores = scoresOf(row);
    if (!scores) return false;
    const [a, b] = scores;
    const last = lastRound(row);
    const expected = a === null || b === null ? ['1', '2'] : [a > b ? '1' : '2', b > a ? '2' : '1'];
    return last['swap = False'].winner !== expected[0] || last['swap = True'].winner !== expected[1];
  }).length;
