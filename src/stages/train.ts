/**
 * Owns: what a version is trained on, as text and then as token rows, in an order fixed by ids (the trainer's own draw
 * shuffles it). Paper §2.1 (IFT + EFT), §2.3 (AIFT pairs; positives only).
 * Invariant: loss falls on the target (response, judgement) and the token that ends it, never on the prompt.
 */
import { SoliloquyError } from '../protocol/errors.js';
import type { PairId } from '../protocol/ids.js';
import type { PreferenceRow, TargetRow } from '../protocol/lm.js';
import type { ScoredResponse } from '../protocol/messages.js';
import type { Tokenizer } from '../protocol/ports.js';
import type { Demonstration, EvaluationExample, JudgeTemplate, PromptFormat } from '../protocol/records.js';
import { byId, eftRow, iftRow, type TextRow } from './seed.js';
import { chatPrompt } from './templates.js';

/** One prompt with a better and a worse answer, and what is behind the choice (of judged pairs: score and seqs of judgements). */
export interface PreferenceText {
  readonly id: PairId;
  readonly prompt: string;
  readonly chosen: string;
  readonly rejected: string;
  readonly provenance: { readonly chosen: object; readonly rejected: object };
}

/** What `pair.made` says of a pair. */
export interface PairFact {
  readonly id: PairId;
  readonly prompt: string;
  readonly chosen: ScoredResponse;
  readonly rejected: ScoredResponse;
}

/** What `positives` of `pair.made` and `pair.withheld` say, with their prompt. */
export interface PositiveFact {
  readonly prompt: string;
  readonly answer: ScoredResponse;
}

/** IFT, then EFT, then positives; each by id. */
export function sftRows(
  data: {
    readonly ift: readonly Demonstration[];
    readonly eft: readonly EvaluationExample[];
    readonly positives: readonly PositiveFact[];
  },
  format: PromptFormat,
  template: JudgeTemplate,
): readonly TextRow[] {
  return [
    ...data.ift.map((row) => iftRow(format, row)).sort(byId),
    ...data.eft.map((row) => eftRow(template, row)).sort(byId),
    ...data.positives.map((row) => positiveRow(format, row)).sort(byId),
  ];
}

const positiveRow = (format: PromptFormat, { prompt, answer }: PositiveFact): TextRow => ({
  id: answer.response,
  kind: 'positive',
  prompt: chatPrompt(format, prompt),
  target: answer.text,
});

/** Preference rows by pair id. */
export const preferenceTexts = (
  pairs: readonly PairFact[],
  format: PromptFormat,
): readonly PreferenceText[] =>
  pairs
    .map(({ id, prompt, chosen, rejected }) => ({
      id,
      prompt: chatPrompt(format, prompt),
      chosen: chosen.text,
      rejected: rejected.text,
      provenance: { chosen: withoutText(chosen), rejected: withoutText(rejected) },
    }))
    .sort(byId);

const withoutText = ({ text: _text, ...rest }: ScoredResponse): Omit<ScoredResponse, 'text'> => rest;

/** Rows that fit the model's context, and the ids of those that don't: never cut, never dropped unsaid. */
export interface Encoded<Row> {
  readonly rows: readonly Row[];
  readonly tooLong: readonly string[];
  /** Where the rows stood among the texts. */
  readonly places: readonly number[];
}

/** The token that ends a target; a model without one can't be taught to stop. */
export function endOf(tokenizer: Tokenizer): number {
  const [end] = tokenizer.eosIds;
  if (end !== undefined) return end;
  throw new SoliloquyError('tokenizer.invalid', 'the model has no end-of-sequence token to be trained with', {
    fix: 'name eos_token_id in generation_config.json',
  });
}

/** As plain text: prompt and target are encoded apart, as when the model answers (BOS and all); `endId` teaches it to stop. */
export const encodeTarget = (
  tokenizer: Tokenizer,
  prompt: string,
  target: string,
  endId: number,
): TargetRow => {
  const promptIds = tokenizer.encodePrompt(prompt);
  return { ids: [...promptIds, ...tokenizer.encode(target), endId], targetStart: promptIds.length };
};

/** A prompt with its answer as token rows (src/stages/reading.ts). */
type EncodeRow = (prompt: string, target: string) => TargetRow;

export const encodeSft = (
  rows: readonly TextRow[],
  encode: EncodeRow,
  maxTokens: number,
): Encoded<TargetRow> =>
  fitting(
    rows,
    (row) => encode(row.prompt, row.target),
    (row) => row.ids.length <= maxTokens,
  );

export const encodePreferences = (
  texts: readonly PreferenceText[],
  encode: EncodeRow,
  maxTokens: number,
): Encoded<PreferenceRow> =>
  fitting(
    texts,
    (text) => ({
      chosen: encode(text.prompt, text.chosen),
      rejected: encode(text.prompt, text.rejected),
    }),
    (row) => Math.max(row.chosen.ids.length, row.rejected.ids.length) <= maxTokens,
  );

function fitting<Text extends { readonly id: string }, Row>(
  texts: readonly Text[],
  encode: (text: Text) => Row,
  fits: (row: Row) => boolean,
): Encoded<Row> {
  const encoded = texts.map((text, place) => ({ id: text.id, place, row: encode(text) }));
  const kept = encoded.filter(({ row }) => fits(row));
  return {
    rows: kept.map(({ row }) => row),
    tooLong: encoded.filter(({ row }) => !fits(row)).map(({ id }) => id),
    places: kept.map(({ place }) => place),
  };
}
