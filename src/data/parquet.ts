/**
 * Owns: the rows of a Parquet file, at most one row group in memory, read by a process of its own
 * (src/data/parquet-child.ts) with a limit of memory and of patience: whatever a broken file does there, here it is an error.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { SoliloquyError } from '../protocol/errors.js';
import { MAX_LINE } from '../worlds/open-assistant/lines.js';

const MEMORY_MB = 2048;
/** Without a sign from the reader. */
const PATIENCE_MS = 60_000;

/** From the sources (tests) the built file is started: Node 20 runs no TypeScript. */
const childFile = (here: string = import.meta.url): string =>
  fileURLToPath(
    new URL(here.endsWith('.ts') ? '../../dist/src/data/parquet-child.js' : './parquet-child.js', here),
  );

type Told = { readonly row: unknown } | { readonly end: number } | { readonly error: string };

export async function* parquetRows(
  file: string,
  patience = PATIENCE_MS,
): AsyncGenerator<{ number: number; value: unknown }> {
  const child = spawn(process.execPath, [`--max-old-space-size=${MEMORY_MB}`, childFile(), file], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let number = 0;
  try {
    for await (const line of linesFrom(child, patience)) {
      const told = JSON.parse(line) as Told;
      if ('end' in told) return;
      if ('error' in told) throw new Error(told.error);
      yield { number: ++number, value: told.row };
    }
    throw new Error('its reader broke down (out of memory, or stopped)');
  } catch (cause) {
    throw new SoliloquyError(
      'data.unreadable',
      `can't read ${file}${number > 0 ? ` after row ${number}` : ''}: ${(cause as Error).message}`,
      { file, row: number, fix: 'name a complete Parquet file (uncompressed, snappy or gzip pages)' },
      { cause },
    );
  } finally {
    child.kill('SIGKILL');
  }
}

async function* linesFrom(child: ChildProcess, patience: number): AsyncGenerator<string> {
  const chunks = child.stdout!.setEncoding('utf8')[Symbol.asyncIterator]() as AsyncIterator<string>;
  let rest: string[] = [];
  let length = 0;
  for (;;) {
    const { value, done } = await withPatience(chunks.next(), patience);
    if (done) return;
    const parts = value.split('\n');
    for (const [i, part] of parts.entries()) {
      if (i > 0) {
        yield rest.join('');
        [rest, length] = [[], 0];
      }
      rest.push(part);
      length += part.length;
    }
    if (length > MAX_LINE) throw new Error(`a row is longer than ${MAX_LINE} characters`);
  }
}

async function withPatience<T>(promise: Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no row for ${ms / 1000} s: it is broken`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
