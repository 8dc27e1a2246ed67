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
import { z } from 'zod';
import { SoliloquyError } from '../protocol/errors.js';
import { plainFormat } from '../protocol/templates.js';
import { chatPrompt } from '../stages/templates.js';
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

const message = z.object({ role: z.enum(['system', 'user', 'assistant']), content: z.string() });
type Message = z.infer<typeof message>;
const messages = z.array(message).min(1);
const said = z.union([z.string().min(1), messages], {
  error: 'expected a text that is not empty, or a list of {role, content}',
});
const asked = z.union([z.string(), messages], { error: 'expected a text, or a list of {role, content}' });

const sftLine = z.union([z.object({ messages }), z.object({ prompt: asked, completion: said })], {
  error:
    'expected {"prompt", "completion"} or {"messages": [{"role": "user" | "assistant" | "system", "content"}, …]}',
});
const dpoLine = z.object({ prompt: asked.optional(), chosen: said, rejected: said });

function turn({ role, content }: Message): string {
  switch (role) {
    case 'system':
      return `${content}\n\n`;
    case 'user':
      return chatPrompt(plainFormat, content);
    case 'assistant':
      return `${content}\n\n`;
    default:
      return role satisfies never;
  }
}

const rendered = (conversation: string | readonly Message[]): string =>
  typeof conversation === 'string' ? conversation : conversation.map(turn).join('');

/** What is wrong with a line's sense, though its shape is right. */
class Senseless extends Error {}

/** One row for each assistant turn. */
function turnsOf(conversation: readonly Message[], line: number): SftText[] {
  const rows = conversation.flatMap(({ role, content }, i) =>
    role === 'assistant' && content !== ''
      ? [{ line, prompt: rendered(conversation.slice(0, i)), target: content }]
      : [],
  );
  if (rows.length === 0) throw new Senseless('no message is an assistant’s: there is nothing to learn');
  return rows;
}

/** The answer at the end of a text or conversation, and what stands before it. */
function answerOf(
  field: string,
  given: string | readonly Message[],
): { readonly before: readonly Message[]; readonly answer: string } {
  if (typeof given === 'string') return { before: [], answer: given };
  const last = given.at(-1)!;
  if (last.role !== 'assistant' || last.content === '')
    throw new Senseless(`${field}: its last message is no assistant’s answer`);
  return { before: given.slice(0, -1), answer: last.content };
}

function sftRows(row: z.infer<typeof sftLine>, line: number): SftText[] {
  if ('messages' in row) return turnsOf(row.messages, line);
  const { before, answer } = answerOf('completion', row.completion);
  return [{ line, prompt: rendered(row.prompt) + rendered(before), target: answer }];
}

/** `chosen` and `rejected` may repeat the prompt as their first messages, as many public sets do. */
function dpoRow({ prompt, chosen, rejected }: z.infer<typeof dpoLine>, line: number): DpoText {
  const better = answerOf('chosen', chosen);
  const worse = answerOf('rejected', rejected);
  if (rendered(better.before) !== rendered(worse.before))
    throw new Senseless('chosen and rejected answer different conversations');
  const before = better.before;
  const repeats =
    typeof prompt === 'string'
      ? before.at(-1)?.content === prompt
      : prompt !== undefined && rendered(prompt) === rendered(before);
  if (prompt === undefined && before.length === 0) throw new Senseless('prompt: missing');
  const whole = prompt === undefined || repeats ? rendered(before) : rendered(prompt) + rendered(before);
  return { line, prompt: whole, chosen: better.answer, rejected: worse.answer };
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
      if (error instanceof Senseless) throw invalid(file, line, error.message);
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
