/**
 * Owns: the lines of a text file, plain or gzipped, one at a time: a file of any size fits. Only `\n` ends a line
 * (JSON strings may hold U+2028). A line above `MAX_LINE` characters is refused, so memory stays bounded.
 */
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { reasonOf, SoliloquyError } from '../../protocol/errors.js';

export interface Line {
  /** From 1. */
  readonly number: number;
  readonly text: string;
}

/** Characters of one line, at most. */
export const MAX_LINE = 32 * 1024 * 1024;

/** Every line that is not blank. What can't be read throws `data.unreadable` with the line it came to. */
export async function* linesOf(path: string): AsyncGenerator<Line> {
  let number = 0;
  /** The open line, in pieces: joined once, however many chunks it spans. */
  let rest: string[] = [];
  let length = 0;
  try {
    for await (const chunk of await openText(path)) {
      const parts = String(chunk).split('\n');
      for (const [i, part] of parts.entries()) {
        if (i > 0) {
          const text = rest.join('');
          [rest, length] = [[], 0];
          number++;
          if (text.trim() !== '') yield { number, text };
        }
        rest.push(part);
        length += part.length;
        if (length > MAX_LINE) throw tooLong(path, number + 1);
      }
    }
  } catch (error) {
    if (error instanceof SoliloquyError) throw error;
    throw unreadable(path, number, error);
  }
  const last = rest.join('');
  if (last.trim() !== '') yield { number: number + 1, text: last };
}

const tooLong = (path: string, line: number): SoliloquyError =>
  new SoliloquyError('data.invalid', `${path}:${line}: longer than ${MAX_LINE} characters`, {
    file: path,
    line,
    fix: 'this is no file of one JSON object a line, or its line ends are lost',
  });

/** Told by its first two bytes, not by its name. */
export async function openText(path: string): Promise<Readable> {
  const zipped = await startsAsGzip(path);
  const file = createReadStream(path);
  if (!zipped) return file.setEncoding('utf8');
  const gunzip = createGunzip();
  file.once('error', (error) => gunzip.destroy(error));
  gunzip.once('close', () => file.destroy());
  return file.pipe(gunzip).setEncoding('utf8');
}

async function startsAsGzip(path: string): Promise<boolean> {
  const handle = await open(path);
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(2), 0, 2, 0);
    return bytesRead === 2 && buffer[0] === 0x1f && buffer[1] === 0x8b;
  } finally {
    await handle.close();
  }
}

const unreadable = (path: string, line: number, cause: unknown): SoliloquyError =>
  new SoliloquyError(
    'data.unreadable',
    `can't read ${path}${line > 0 ? ` after line ${line}` : ''}: ${reasonOf(cause)}`,
    {
      file: path,
      line,
      fix: 'name a readable, complete Open Assistant message-tree export (.jsonl or .jsonl.gz)',
    },
    { cause },
  );
