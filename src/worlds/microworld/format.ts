/**
 * How a model of the microworld is spoken to: chat, invention of prompts, and the two judge prompts.
 */
import type { JudgeTemplate, MetaJudgeTemplate, PromptFormat } from '../../protocol/records.js';
import { CHOICES, NUMBERS, SPECIALS } from './vocabulary.js';

/**
 * Any control word ends a text, as a chat model's turn tokens do. Else a response may go on with `<eval> … score : five` and
 * judge itself inside the judge's own prompt: before this was closed, DPO found it (experiments/LOG.md, 2026-11-22).
 */
const STOP = [...SPECIALS];

export const FORMAT: PromptFormat = {
  chat: '<user> {{prompt}} <asst>',
  invent: { header: '', item: '<prompt> {{prompt}} ', tail: '<prompt>' },
  stop: { response: STOP, judgement: STOP, prompt: STOP },
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

/** Which of two judgements is better, in the words there are. M0 has never met it, and nothing teaches it. */
export const META: MetaJudgeTemplate = {
  prompt: '<judge> {{prompt}} <asst> {{response}} <eval> {{first}} <eval> {{second}} <choose>',
  verdict: { marker: 'verdict :', words: { first: 1, second: 2 }, min: 1, max: 2 },
};
