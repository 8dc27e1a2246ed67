/**
 * How a model of the microworld is spoken to: chat, invention of prompts, and the two judge prompts.
 */
import type { JudgeTemplate, PromptFormat } from '../../protocol/records.js';
import { CHOICES, NUMBERS } from './vocabulary.js';

export const FORMAT: PromptFormat = {
  chat: '<user> {{prompt}} <asst>',
  invent: { header: '', item: '<prompt> {{prompt}} ', tail: '<prompt>' },
  stop: { response: ['<eos>'], judgement: ['<eos>'], prompt: ['<eos>', '<prompt>'] },
};

const points = (words: readonly string[]): Readonly<Record<string, number>> =>
  Object.fromEntries(words.map((word, score) => [word, score]));

/** Additive and compact: the answer it expects, five criteria, each yes or no, then the score as a word. */
export const ADDITIVE: JudgeTemplate = {
  name: 'microworld',
  prompt: '<judge> {{prompt}} <asst> {{response}} <eval>',
  verdict: { marker: 'score :', words: points(NUMBERS.slice(0, 6)), min: 0, max: 5 },
  target: '{{justification}} score : {{score}}',
};

/** The ablation: one of six verdicts at once, no reasons. M0 has never met it. */
export const MULTIPLE_CHOICE: JudgeTemplate = {
  name: 'microworld-multiple-choice',
  prompt: '<judge> {{prompt}} <asst> {{response}} <choose>',
  verdict: { marker: 'verdict :', words: points(CHOICES), min: 0, max: 5 },
  target: 'verdict : {{score}}',
};
