/**
 * Iterative RPO: Pang et al. 2024, "Iterative Reasoning Preference Optimization". The loss of a pair is DPO's, plus
 * α · (−log π(chosen) / its target tokens); α = 1 in the paper's main runs. Which answers make a pair is settled by the gold
 * answer: that is the judge `gold` (players/scorer.ts), which gives full marks to a correct answer and none to a wrong one,
 * so that the best against the worst is a correct one against a wrong one, and no pair where all are alike.
 *
 * Departures:
 * - One pair a prompt (the first correct against the first wrong candidate); the paper draws K = 10 with replacement.
 * - Prompts are invented, not those of a training set with answers: the microworld knows the truth of its own language.
 * - The length that divides counts the answer and its end token; there is no chain of thought before the answer.
 * - With another judge than `gold` the loss is the paper's and the pairs are the judge's.
 */
import type { PairRecipe } from '../../protocol/lm.js';

export const iterativeRpo = (alpha: number): PairRecipe => ({ loss: 'sigmoid', nll: alpha, agreement: 1 });
