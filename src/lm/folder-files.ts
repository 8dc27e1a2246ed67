/**
 * The small text files of a model's folder. Absent is null; what is there and can't be read is an error that names it.
 */
import { readFile, stat } from 'node:fs/promises';
import { z } from 'zod';
import { SoliloquyError } from '../protocol/errors.js';

const objectSchema = z.record(z.string(), z.unknown());

export const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

/** What can't be read: `data.unreadable`. */
export async function textOf(path: string): Promise<string | null> {
  if (!(await exists(path))) return null;
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new SoliloquyError('data.unreadable', `${path} can't be read`, { file: path }, { cause });
  }
}

/** What is no JSON object: `checkpoint.invalid`. */
export async function jsonOf(path: string): Promise<Record<string, unknown> | null> {
  const text = await textOf(path);
  if (text === null) return null;
  try {
    return objectSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new SoliloquyError('checkpoint.invalid', `${path} is not a JSON object`, { file: path }, { cause });
  }
}
