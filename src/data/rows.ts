/**
 * Owns: a data file as a stream of parsed rows: JSON lines or one JSON list, plain or gzipped, or Parquet. Which it is, is
 * told by its first bytes, never by its name. A row that is no JSON is a row with a fault; a file that can't be read on is an
 * error.
 */
import { open, stat } from 'node:fs/promises';
import { reasonOf, SoliloquyError } from '../protocol/errors.js';
import { linesOf, openText } from '../worlds/open-assistant/lines.js';
import { ListSplitter } from './json-array.js';
import { parquetRows } from './parquet.js';

export type Row =
  | { readonly number: number; readonly value: unknown }
  | { readonly number: number; readonly fault: string };

export interface Rows {
  readonly format: 'json lines' | 'json list' | 'parquet';
  /** What `number` counts: lines of the file, or rows. */
  readonly unit: 'line' | 'row';
  rows(): AsyncGenerator<Row>;
}

export async function openRows(file: string): Promise<Rows> {
  try {
    if (!(await stat(file)).isFile()) throw new Error('it is no file');
    if (await startsAsParquet(file)) return { format: 'parquet', unit: 'row', rows: () => parquetRows(file) };
    switch (await firstChar(file)) {
      case '[':
        return { format: 'json list', unit: 'row', rows: () => listRows(file) };
      case '{':
      case '"':
        return { format: 'json lines', unit: 'line', rows: () => lineRows(file) };
      default:
        throw notData(file);
    }
  } catch (error) {
    throw error instanceof SoliloquyError ? error : unreadable(file, 0, error);
  }
}

const FIX = 'name a complete file of JSON lines, one JSON list, or Parquet; the first two may be gzipped';

const notData = (file: string): SoliloquyError =>
  new SoliloquyError('data.invalid', `${file} is neither JSON lines nor a JSON list nor Parquet`, {
    file,
    fix: FIX,
  });

const unreadable = (file: string, row: number, cause: unknown): SoliloquyError =>
  new SoliloquyError(
    'data.unreadable',
    `can't read ${file}${row > 0 ? ` after row ${row}` : ''}: ${reasonOf(cause)}`,
    { file, row, fix: FIX },
    { cause },
  );

async function startsAsParquet(file: string): Promise<boolean> {
  const handle = await open(file);
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(4), 0, 4, 0);
    return bytesRead === 4 && buffer.toString('latin1') === 'PAR1';
  } finally {
    await handle.close();
  }
}

/** The first character that is no white space and no byte-order mark, within the first chunks. */
async function firstChar(file: string): Promise<string | undefined> {
  let seen = 0;
  for await (const chunk of await openText(file)) {
    const found = /[^\s\uFEFF]/.exec(String(chunk));
    if (found) return found[0];
    seen += String(chunk).length;
    if (seen > 1_000_000) return undefined;
  }
  return undefined;
}

function parsed(number: number, text: string): Row {
  try {
    return { number, value: JSON.parse(text.replace(/^\uFEFF/, '')) as unknown };
  } catch {
    return { number, fault: 'is not JSON' };
  }
}

async function* lineRows(file: string): AsyncGenerator<Row> {
  try {
    for await (const { number, text } of linesOf(file)) yield parsed(number, text);
  } catch (error) {
    if (error instanceof SoliloquyError && error.code === 'data.unreadable')
      throw new SoliloquyError(error.code, error.message, { ...error.fields, fix: FIX }, { cause: error });
    throw error;
  }
}

async function* listRows(file: string): AsyncGenerator<Row> {
  const splitter = new ListSplitter();
  let number = 0;
  try {
    for await (const chunk of await openText(file))
      for (const element of splitter.push(String(chunk)))
        yield 'text' in element ? parsed(++number, element.text) : { number: ++number, ...element };
  } catch (error) {
    throw unreadable(file, number, error);
  }
  for (const element of splitter.end()) if ('fault' in element) yield { number: ++number, ...element };
}
