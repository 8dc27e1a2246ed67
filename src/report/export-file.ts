/**
 * A file that an export writes: text gathered and handed on in pieces, so that memory stays flat however long it gets.
 */
import { closeSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { reasonOf, SoliloquyError } from '../protocol/errors.js';

export interface Written {
  readonly name: string;
  /** Rows, spans, events: what the format counts. */
  readonly rows: number;
}

export interface ExportFile {
  /** Adds text; `rows` of what the format counts. */
  write(text: string, rows?: number): void;
  close(): Written;
}

const FLUSH_AT = 1 << 18;

export function exportFile(dir: string, name: string): ExportFile {
  const fd = openSync(join(dir, name), 'w');
  let pending = '';
  let count = 0;
  const flush = () => {
    const bytes = Buffer.from(pending);
    pending = '';
    try {
      for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
    } catch (cause) {
      throw new SoliloquyError(
        'log.write',
        `can't write ${join(dir, name)}: ${reasonOf(cause)}`,
        { file: join(dir, name), fix: 'free disk space or name another folder with --to' },
        { cause },
      );
    }
  };
  return {
    write(text, rows = 0) {
      pending += text;
      count += rows;
      if (pending.length > FLUSH_AT) flush();
    },
    close() {
      flush();
      closeSync(fd);
      return { name, rows: count };
    },
  };
}
