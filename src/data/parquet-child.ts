/**
 * A process of its own that reads a Parquet file and writes one JSON line a row: `{"row": …}`, and at the end `{"end": n}` or
 * `{"error": "…"}`. Apart, because a broken file can keep the library busy for minutes or fill the memory
 * (a run length of 2³⁰ in eight bytes): src/data/parquet.ts sets both bounds. Sizes that the footer claims are checked first.
 */
import { once } from 'node:events';
import { gunzipSync } from 'node:zlib';
import {
  asyncBufferFromFile,
  type Compressors,
  type FileMetaData,
  parquetMetadataAsync,
  parquetReadObjects,
  snappyUncompress,
} from 'hyparquet';
import { reasonOf } from '../protocol/errors.js';

/** Bytes of one row group or page, uncompressed. */
const MAX_GROUP = 1024 ** 3;
const MAX_PAGE = 256 * 1024 ** 2;
/** Rows of one group: writers make far smaller ones. */
const MAX_ROWS = 5_000_000;

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
const jsonValue = (_key: string, value: unknown): unknown =>
  typeof value === 'bigint' ? Number(value) : ArrayBuffer.isView(value) ? '(bytes)' : value;

async function tell(message: object): Promise<void> {
  if (!process.stdout.write(`${JSON.stringify(message, jsonValue)}\n`)) await once(process.stdout, 'drain');
}

async function readAll(path: string): Promise<void> {
  let number = 0;
  const file = await asyncBufferFromFile(path);
  const metadata = await parquetMetadataAsync(file);
  for (const count of groupSizes(metadata)) {
    const rows = await parquetReadObjects({
      file,
      metadata,
      rowStart: number,
      rowEnd: number + count,
      compressors,
    });
    if (rows.length !== count) throw new RangeError(`a group of ${count} rows holds ${rows.length}`);
    for (const row of rows) await tell({ row });
    number += count;
  }
  await tell({ end: number });
}

// Who started it has gone: nobody reads on.
process.stdout.on('error', () => process.exit(0));
try {
  await readAll(process.argv[2]!);
} catch (error) {
  await tell({ error: reasonOf(error) });
}
