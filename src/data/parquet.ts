/**
 * Owns: the rows of a Parquet file, at most one row group in memory. Sizes that a broken file claims are checked before
 * anything is allocated for them.
 */
import { gunzipSync } from 'node:zlib';
import {
  asyncBufferFromFile,
  type Compressors,
  type FileMetaData,
  parquetMetadataAsync,
  parquetReadObjects,
  snappyUncompress,
} from 'hyparquet';
import { reasonOf, SoliloquyError } from '../protocol/errors.js';

/** Bytes of one row group or page, uncompressed. */
const MAX_GROUP = 1024 ** 3;
/** Rows of one group: writers make far smaller ones. */
const MAX_ROWS = 5_000_000;
const MAX_PAGE = 256 * 1024 ** 2;

const within = (bytes: number): number => {
  if (bytes >= 0 && bytes <= MAX_PAGE) return bytes;
  throw new RangeError(`a page claims ${bytes} bytes`);
};

const compressors: Compressors = {
  SNAPPY: (input, length) => {
    const output = new Uint8Array(within(length));
    snappyUncompress(input, output);
    return output;
  },
  GZIP: (input, length) =>
    new Uint8Array(gunzipSync(input, { maxOutputLength: Math.max(1, within(length)) })),
};

export async function* parquetRows(file: string): AsyncGenerator<{ number: number; value: unknown }> {
  let number = 0;
  try {
    const buffer = await asyncBufferFromFile(file);
    const metadata = await parquetMetadataAsync(buffer);
    for (const count of groupSizes(metadata)) {
      const rowEnd = number + count;
      const options = { file: buffer, metadata, rowStart: number, rowEnd, compressors };
      const rows = await parquetReadObjects(options);
      if (rows.length !== count) throw new RangeError(`a group of ${count} rows holds ${rows.length}`);
      for (const row of rows) yield { number: ++number, value: plain(row) };
    }
  } catch (cause) {
    throw new SoliloquyError(
      'data.unreadable',
      `can't read ${file}${number > 0 ? ` after row ${number}` : ''}: ${reasonOf(cause)}`,
      { file, row: number, fix: 'name a complete Parquet file (uncompressed, snappy or gzip pages)' },
      { cause },
    );
  }
}

function groupSizes({ row_groups: groups }: FileMetaData): number[] {
  return groups.map(({ num_rows, total_byte_size, columns }) => {
    const count = Number(num_rows);
    if (count < 0 || count > MAX_ROWS) throw new RangeError(`a row group claims ${count} rows`);
    for (const { meta_data: column } of columns) {
      const values = Number(column?.num_values ?? 0);
      const flat = column?.path_in_schema.length === 1;
      if (values < count || (flat && values !== count))
        throw new RangeError(`a row group of ${count} rows has a column of ${values} values`);
    }
    if (Number(total_byte_size) > MAX_GROUP)
      throw new RangeError(`a row group claims ${total_byte_size} bytes`);
    return count;
  });
}

/** As JSON would have it: whole numbers are numbers. */
function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value);
  if (Array.isArray(value)) return value.map(plain);
  if (value instanceof Date) return value.toISOString();
  if (typeof value === 'object' && value !== null && !ArrayBuffer.isView(value))
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, plain(one)]));
  return value;
}
