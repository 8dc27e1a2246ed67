/**
 * Owns: the two ways in which a prompt's text becomes ids, for asking and for teaching alike: as it stands, or as a user's message
 * through the version's own chat template. Which one is meant, a request or a prompt format says (`through`).
 * Invariant: what is taught stands after exactly the ids that the model is asked with.
 */
import { SoliloquyError } from '../protocol/errors.js';
import type { TargetRow } from '../protocol/lm.js';
import type { Tokenizer } from '../protocol/ports.js';
import { encodeTarget, endOf } from './train.js';

/** How prompts are read; absent = as plain text. */
export type Through = 'chat' | undefined;

export interface Reading {
  /** A prompt up to where the answer begins. */
  prompt(text: string): number[];
  /** Prompt, answer and its end: loss falls on the latter two. Throws `tokenizer.invalid` where the model has no end token. */
  row(prompt: string, target: string): TargetRow;
  /** What ends an answer that is taught; undefined where the model has none. */
  readonly endId: number | undefined;
  /** The model's own, beside the stop texts of a request. */
  readonly stopIds: readonly number[];
}

/** For requests and prompt formats: the field as it stands in both. */
export const throughOf = ({ through }: { readonly through?: 'chat' }): { readonly through?: 'chat' } =>
  through === undefined ? {} : { through };

export function readingOf(tokenizer: Tokenizer, through: Through): Reading {
  if (through === undefined)
    return {
      prompt: (text) => tokenizer.encodePrompt(text),
      row: (prompt, target) => encodeTarget(tokenizer, prompt, target, endOf(tokenizer)),
      endId: tokenizer.eosIds[0],
      stopIds: tokenizer.eosIds,
    };
  const { chat } = tokenizer;
  if (chat === undefined) throw noTemplate('this model');
  return {
    prompt: chat.prompt,
    row(prompt, target) {
      if (chat.endId === undefined) endOf(tokenizer);
      const promptIds = chat.prompt(prompt);
      return { ids: [...promptIds, ...chat.answer(prompt, target)], targetStart: promptIds.length };
    },
    endId: chat.endId,
    stopIds: chat.stopIds,
  };
}

export const noTemplate = (who: string): SoliloquyError =>
  new SoliloquyError('tokenizer.invalid', `${who} has no chat template, and is to be asked through one`, {
    fix: 'put its chat_template.jinja beside it, or run with --set world.format=plain',
  });
