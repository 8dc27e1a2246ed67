/**
 * Training texts → token rows, as the loop makes them (src/stages/train.ts): prompt and target encoded apart, the
 * end-of-sequence token after the target. What is too long is left out and counted; what can't be learnt names its line.
 */
import { isDeepStrictEqual } from 'node:util';
import { PLAIN } from '../lm/pair-loss.js';
import { SoliloquyError } from '../protocol/errors.js';
import type { PairRecipe, TargetRow, TrainData } from '../protocol/lm.js';
import type { Tokenizer } from '../protocol/ports.js';
import { encodeTarget, endOf } from '../stages/train.js';
import type { DpoText, SftText } from './training-data.js';

export interface Encoding {
  readonly tokenizer: Tokenizer;
  readonly maxTokens: number;
  /** For messages. */
  readonly file: string;
}

export interface Encoded<Data> {
  readonly data: Data;
  readonly tooLong: number;
}

interface Asked {
  readonly line: number;
  readonly prompt: string;
}

function encodeAnswer({ tokenizer, file }: Encoding, { line, prompt }: Asked, answer: string): TargetRow {
  const row = encodeTarget(tokenizer, prompt, answer, endOf(tokenizer));
  if (row.targetStart > 0) return row;
  throw new SoliloquyError(
    'data.invalid',
    `${file}:${line}: its prompt is no token of this model, so nothing stands before the first word to learn`,
    { file, line, fix: 'give this line a prompt' },
  );
}

function fitting<Row>(
  rows: readonly Row[],
  fits: (row: Row) => boolean,
  { maxTokens, file }: Encoding,
): readonly Row[] {
  const kept = rows.filter(fits);
  if (kept.length > 0) return kept;
  throw new SoliloquyError(
    'data.invalid',
    `${file}: all ${rows.length} rows are longer than ${maxTokens} tokens`,
    { file, fix: 'raise --max-length, or bring shorter rows or a model with more positions' },
  );
}

export function sftData(texts: readonly SftText[], by: Encoding): Encoded<TrainData> {
  const all = texts.map((text) => encodeAnswer(by, text, text.target));
  const rows = fitting(all, ({ ids }) => ids.length <= by.maxTokens, by);
  return { data: { objective: 'sft', rows }, tooLong: all.length - rows.length };
}

/** What a preference loss is made of. */
export interface PairLoss extends PairRecipe {
  readonly beta: number;
}

/** Plain DPO says no recipe, as in the loop. */
export function dpoData(
  texts: readonly DpoText[],
  by: Encoding,
  { beta, ...recipe }: PairLoss,
): Encoded<TrainData> {
  const all = texts.map((text) => ({
    chosen: encodeAnswer(by, text, text.chosen),
    rejected: encodeAnswer(by, text, text.rejected),
  }));
  const rows = fitting(
    all,
    ({ chosen, rejected }) => Math.max(chosen.ids.length, rejected.ids.length) <= by.maxTokens,
    by,
  );
  const isPlain = isDeepStrictEqual(recipe, PLAIN);
  return {
    data: { objective: 'dpo', rows, beta, ...(!isPlain && { recipe }) },
    tooLong: all.length - rows.length,
  };
}
