/**
 * The door for training data in TRL's layout: one JSON object a line → prompt and target texts. A line that is wrong is
 * named `file:line`, with what was expected there. Reads .jsonl and .jsonl.gz.
 *
 * Messages are rendered plainly, for models without a chat template: a system text stands first, a user's turn in the frame
 * of `plainFormat`, an assistant's turn bare; a blank line ends a turn. Each assistant turn of `messages` becomes one row
 * whose prompt is all before it, so that loss falls on assistants' words alone.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import type { z } from 'zod';
import { Fault } from '../data/layout.js';
import { completionsOf, dpoLine, preferenceOf, rendered, sftLine } from '../data/trl.js';
import { SoliloquyError } from '../protocol/errors.js';
import { linesOf } from '../worlds/open-assistant/lines.js';

export interface SftText {
  readonly line: number;
  readonly prompt: string;
  readonly target: string;
}

export interface DpoText {
  readonly line: number;
  readonly prompt: string;
  readonly chosen: string;
  readonly rejected: string;
}

export interface TrainingFile<Row> {
  readonly rows: readonly Row[];
  readonly lines: number;
  /** Of the file, byte by byte. */
  readonly sha256: string;
}

function sftRows(row: z.infer<typeof sftLine>, line: number): SftText[] {
  return completionsOf(row).map(({ before, answer }) => ({ line, prompt: rendered(before), target: answer }));
}

function dpoRow(row: z.infer<typeof dpoLine>, line: number): DpoText {
  const { before, chosen, rejected } = preferenceOf(row);
  return { line, prompt: rendered(before), chosen, rejected };
}

const invalid = (file: string, line: number, what: string): SoliloquyError =>
  new SoliloquyError('data.invalid', `${file}:${line}: ${what}`, {
    file,
    line,
    fix: 'correct this line; `soliloquy train --help` shows the layouts',
  });

function parsed<T>(schema: z.ZodType<T>, file: string, line: number, text: string): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw invalid(file, line, 'is not JSON');
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const { path, message } = result.error.issues[0]!;
  throw invalid(file, line, `${path.length > 0 ? `${path.join('.')}: ` : ''}${message}`);
}

async function readLines<T, Row>(
  file: string,
  schema: z.ZodType<T>,
  rowsOf: (value: T, line: number) => readonly Row[],
): Promise<TrainingFile<Row>> {
  const rows: Row[] = [];
  let lines = 0;
  try {
    for await (const { number, text } of linesOf(file)) {
      lines++;
      rows.push(...rowsOf(parsed(schema, file, number, text), number));
    }
  } catch (error) {
    if (error instanceof SoliloquyError && error.code === 'data.unreadable')
      throw new SoliloquyError(
        error.code,
        `--data: ${error.message}`,
        { ...error.fields, fix: 'name a readable .jsonl or .jsonl.gz file with --data' },
        { cause: error },
      );
    throw error;
  }
  if (rows.length === 0)
    throw new SoliloquyError('data.invalid', `${file} holds no line to train on`, {
      file,
      fix: 'name a .jsonl file with --data',
    });
  return { rows, lines, sha256: await sha256Of(file) };
}

async function sha256Of(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}

/** Names the line of what makes no sense. */
const located =
  <T, Row>(file: string, rowsOf: (value: T, line: number) => Row) =>
  (value: T, line: number): Row => {
    try {
      return rowsOf(value, line);
    } catch (error) {
      if (error instanceof Fault) throw invalid(file, line, error.message);
      throw error;
    }
  };

export const readSft = (file: string): Promise<TrainingFile<SftText>> =>
  readLines(file, sftLine, located(file, sftRows));

export const readDpo = (file: string): Promise<TrainingFile<DpoText>> =>
  readLines(
    file,
    dpoLine,
    located(file, (row: z.infer<typeof dpoLine>, line) => [dpoRow(row, line)]),
  );
