/**
 * The index on disk, beside the log: RUN/index/columns.bin and names.json. Derived, can be made again; one that doesn't fit the
 * log (another head where it ends, another format) is left aside.
 */
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, readSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { writeAtomic } from '../store/files.js';
import { sizeOf } from './columns.js';
import type { RunIndex, StoredIndex } from './run-index.js';

const FORMAT = 1;

const schema = z.object({
  format: z.literal(FORMAT),
  count: z.number().int().min(0),
  bytes: z.number().int().min(0),
  head: z.string().length(64),
  stated: z.number().int().min(0),
  names: z.array(z.string()),
});

const filesBeside = (log: string) => {
  const folder = join(dirname(log), 'index');
  return { folder, names: join(folder, 'names.json'), columns: join(folder, 'columns.bin') };
};

/** Whether the log's line that ends at this byte ends with this head. */
function continues(log: string, bytes: number, head: string): boolean {
  if (bytes === 0) return true;
  const end = Buffer.alloc(67);
  const fd = openSync(log, 'r');
  try {
    if (bytes < end.length || readSync(fd, end, 0, end.length, bytes - end.length) < end.length) return false;
  } finally {
    closeSync(fd);
  }
  return end.toString('latin1') === `${head}"}\n`;
}

/** Undefined where there is none that fits the log. */
export function readIndex(log: string): StoredIndex | undefined {
  const files = filesBeside(log);
  if (!existsSync(log) || !existsSync(files.names) || !existsSync(files.columns)) return undefined;
  try {
    const { count, bytes, head, stated, names } = schema.parse(JSON.parse(readFileSync(files.names, 'utf8')));
    const columns = readFileSync(files.columns);
    if (columns.length !== sizeOf(count) || stated > count || !continues(log, bytes, head)) return undefined;
    return { start: { count, bytes, head }, columns, names, stated };
  } catch {
    return undefined; // damaged: made again
  }
}

export function writeIndex(log: string, { columns, names, tail, stated }: RunIndex): void {
  const files = filesBeside(log);
  mkdirSync(files.folder, { recursive: true });
  writeAtomic(files.columns, columns.toBytes());
  const { count, bytes, head } = tail;
  writeAtomic(files.names, JSON.stringify({ format: FORMAT, count, bytes, head, stated, names: names.all }));
}
