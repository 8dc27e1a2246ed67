/**
 * A folder that a command fills: absent or empty before, and writable, which is found out before the work is done. What is made of
 * several files is made in a draft within, so that a failure leaves nothing.
 */
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmdirSync,
  rmSync,
} from 'node:fs';
import { join } from 'node:path';
import { reasonOf, SoliloquyError } from '../protocol/errors.js';

export function newFolder(dir: string): void {
  try {
    if (existsSync(dir) && readdirSync(dir).length > 0)
      throw new SoliloquyError('run.exists', `--to ${dir} holds something already`, {
        dir,
        fix: 'name another folder with --to, or empty this one',
      });
    mkdirSync(dir, { recursive: true });
    accessSync(dir, constants.W_OK);
  } catch (cause) {
    if (cause instanceof SoliloquyError) throw cause;
    throw new SoliloquyError(
      'log.write',
      `--to ${dir} can't be written: ${reasonOf(cause)}`,
      { dir, fix: 'name a folder that can be written' },
      { cause },
    );
  }
}

/** Fills `dir` by way of a draft: all of what `fill` writes, or nothing; an empty `dir` goes too. */
export async function fillFolder<T>(dir: string, fill: (draft: string) => Promise<T>): Promise<T> {
  const draft = join(dir, `.draft-${process.pid}`);
  try {
    mkdirSync(draft, { recursive: true });
    const filled = await fill(draft);
    for (const name of readdirSync(draft)) renameSync(join(draft, name), join(dir, name));
    return filled;
  } finally {
    rmSync(draft, { recursive: true, force: true });
    if (readdirSync(dir).length === 0) rmdirSync(dir);
  }
}
