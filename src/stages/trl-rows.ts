/**
 * Owns: training texts as rows in TRL's dataset layouts (https://huggingface.co/docs/trl/dataset_formats): preference, and
 * prompt–completion. `standard`: texts as our models are asked. `conversational`: lists of messages, without our prompt format,
 * for a trainer that puts them into the model's own chat template.
 */
import type { PromptFormat } from '../protocol/records.js';
import type { TextRow } from './seed.js';
import type { PreferenceText } from './train.js';

export type TrlStyle = 'standard' | 'conversational';

/** The format in which texts are gathered for a style. */
export const formatFor = (style: TrlStyle, format: PromptFormat): PromptFormat =>
  style === 'standard' ? format : { ...format, chat: '{{prompt}}' };

const spoken = (style: TrlStyle, role: 'user' | 'assistant', content: string) =>
  style === 'standard' ? content : [{ role, content }];

export const preferenceRow = (style: TrlStyle, { id, prompt, chosen, rejected }: PreferenceText): object => ({
  prompt: spoken(style, 'user', prompt),
  chosen: spoken(style, 'assistant', chosen),
  rejected: spoken(style, 'assistant', rejected),
  id,
});

export const completionRow = (style: TrlStyle, { id, kind, prompt, target }: TextRow): object => ({
  prompt: spoken(style, 'user', prompt),
  completion: spoken(style, 'assistant', target),
  id,
  kind,
});
