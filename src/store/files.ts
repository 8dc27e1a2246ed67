/**
 * Files that are whole or absent: written beside their name, synced, renamed. A failed write leaves what was there.
 */
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { reasonOf, SoliloquyError } from '../protocol/errors.js';

export function writeAtomic(file: string, content: string | Uint8Array): void {
  const draft = `${file}.${process.pid}.tmp`;
  try {
    const fd = openSync(draft, 'w');
    try {
      writeFileSync(fd, content);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(draft, file);
  } catch (error) {
    rmSync(draft, { force: true });
    throw new SoliloquyError(
      'log.write',
      `can't write ${file}: ${reasonOf(error)}; what was there is kept`,
      { file, fix: 'free disk space or choose another --out folder' },
      { cause: error },
    );
  }
}

/** What a JSON file holds now; null where there is none that can be read. */
export function jsonIn(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as unknown;
  } catch {
    return null;
  }
}
