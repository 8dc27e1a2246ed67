/**
 * Owns: `{{slot}}` rendering and the three texts a model is given or taught: chat prompt, judge prompt, judge target.
 * Owns no template: those are data (src/protocol/templates.ts, worlds). Paper §2.2.
 */
import { SoliloquyError } from '../protocol/errors.js';
import type { JudgeTemplate, PromptFormat } from '../protocol/records.js';

/**
 * One pass: a value that itself holds `{{…}}` (or `$&`) stands as it is, so a response can't reach into its judge's
 * prompt.
 */
export function render(template: string, slots: Readonly<Record<string, string>>): string {
  return template.replace(/\{\{(\w+)\}\}/g, (_whole, name: string) => {
    if (Object.hasOwn(slots, name)) return slots[name]!;
    throw new SoliloquyError('config.invalid', `a template has the unknown slot {{${name}}}`, {
      slot: name,
      fix: `slots here: ${Object.keys(slots).join(', ')}`,
    });
  });
}

export const chatPrompt = (format: PromptFormat, prompt: string): string => render(format.chat, { prompt });

export const judgePrompt = (template: JudgeTemplate, prompt: string, response: string): string =>
  render(template.prompt, { prompt, response });

/** What a judge should write: the EFT target. */
export const judgeTarget = (template: JudgeTemplate, justification: string, score: number): string =>
  render(template.target, { justification, score: scoreText(template, score) });

/** A score as the template writes it: the nearest of its words, else a number with at most two decimals. */
export function scoreText({ verdict }: JudgeTemplate, score: number): string {
  const words = Object.entries(verdict.words ?? {});
  if (words.length === 0) return String(Math.round(score * 100) / 100);
  return words.reduce((best, word) =>
    Math.abs(word[1] - score) < Math.abs(best[1] - score) ? word : best,
  )[0];
}
