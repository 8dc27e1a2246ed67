/**
 * Owns: reading a data file of any known layout, as a stream. Strictly (`readRecords`: the first row that is not as its layout
 * says is an error with file, line or row and field) or row by row (`readOutcomes`), for those who want to know all of it.
 */
import { SoliloquyError } from '../protocol/errors.js';
import { Fault, type Layout, type Read } from './layout.js';
import { layouts, recognise } from './layouts.js';
import type { DataRecord } from './records.js';
import { openRows, type Row, type Rows } from './rows.js';

export interface DataFile {
  readonly file: string;
  readonly layout: Layout;
  readonly rows: Rows;
}

/** What the file is; throws `data.invalid` where no layout knows it. */
export async function openData(file: string): Promise<DataFile> {
  const rows = await openRows(file);
  const { layout, keys } = await recognise(rows);
  if (layout) return { file, layout, rows };
  const what =
    keys.length > 0 ? `its first row has the keys ${keys.join(', ')}` : 'no row of it is a JSON object';
  throw new SoliloquyError('data.invalid', `${file} has no layout known here: ${what}`, {
    file,
    keys,
    fix: `known: ${layouts.map(({ name }) => name).join(', ')} (docs/data.md)`,
  });
}

export type Outcome = { readonly number: number } & (
  | Read
  | { readonly fault: string; readonly field?: string }
);

/** What each row gave. After the last row one more with its number may come: what was held back till then. */
export async function* readOutcomes({ layout, rows }: DataFile): AsyncGenerator<Outcome> {
  const reader = layout.reader();
  let number = 0;
  for await (const row of rows.rows()) {
    number = row.number;
    yield outcomeOf(row, (value) => reader.row(value, row.number));
  }
  const end = reader.end;
  if (end) yield outcomeOf({ number, value: undefined }, () => end.call(reader));
}

function outcomeOf(row: Row, read: (value: unknown) => Read): Outcome {
  const { number } = row;
  if ('fault' in row) return row;
  try {
    return { number, ...read(row.value) };
  } catch (error) {
    if (error instanceof Fault)
      return { number, fault: error.message, ...(error.field === undefined ? {} : { field: error.field }) };
    if (error instanceof RangeError) return { number, fault: 'is nested too deeply' };
    throw error;
  }
}

export interface Located {
  readonly number: number;
  readonly record: DataRecord;
}

/** What each row gave, or an error at the first row that is wrong. */
export async function* readRows(data: DataFile): AsyncGenerator<Read & { readonly number: number }> {
  for await (const outcome of readOutcomes(data)) {
    if ('fault' in outcome) throw invalid(data, outcome);
    yield outcome;
  }
}

/** The records of a file, or an error at the first row that is wrong. Rows that are right but of no use are passed over. */
export async function* readRecords(data: DataFile): AsyncGenerator<Located> {
  for await (const { number, records } of readRows(data))
    for (const record of records) yield { number, record };
}

function invalid(
  { file, layout, rows }: DataFile,
  { number, fault, field }: { readonly number: number; readonly fault: string; readonly field?: string },
): SoliloquyError {
  const where = rows.unit === 'line' ? `${file}:${number}` : `${file}, row ${number}`;
  return new SoliloquyError('data.invalid', `${where}: ${fault}`, {
    file,
    [rows.unit]: number,
    ...(field === undefined ? {} : { field }),
    layout: layout.name,
    fix: `repair or remove it; \`soliloquy data ${file}\` tells of all such rows`,
  });
}
