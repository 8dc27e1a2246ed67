/**
 * A folder that a command fills: absent or empty before, and writable, which is found out before the work is done.
 */
import { accessSync, constants, existsSync, mkdirSync, readdirSync } from 'node:fs';
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
