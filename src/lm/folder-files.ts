/**
 * The small text files of a model's folder. Absent is null; what is there and can't be read is an error that names it.
 */
import { readFile, stat } from 'node:fs/promises';
import { z } from 'zod';
import { reasonOf, SoliloquyError } from '../protocol/errors.js';

const objectSchema = z.record(z.string(), z.unknown());

export const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

/** Far more than any config or tokenizer has. */
const MAX_TEXT_BYTES = 256 * 1024 * 1024;

/** What can't be read, is no ordinary file or too large: `data.unreadable`. */
export async function textOf(path: string): Promise<string | null> {
  if (!(await exists(path))) return null;
  const unreadable = (why: string, cause?: unknown) =>
    new SoliloquyError(
      'data.unreadable',
      `${path} can't be read: ${why}`,
      { file: path, fix: 'Copy or download it again.' },
      { cause },
    );
  const found = await stat(path);
  if (!found.isFile()) throw unreadable('not a file');
  if (found.size > MAX_TEXT_BYTES)
    throw unreadable(`${found.size} bytes are more than the ${MAX_TEXT_BYTES} of any such file`);
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw unreadable(reasonOf(cause), cause);
  }
}

/** What is no JSON object: `checkpoint.invalid`. */
export async function jsonOf(path: string): Promise<Record<string, unknown> | null> {
  const text = await textOf(path);
  if (text === null) return null;
  try {
    return objectSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new SoliloquyError(
      'checkpoint.invalid',
      `${path} is not a JSON object`,
      { file: path, fix: 'The file is damaged: copy or download it again.' },
      { cause },
    );
  }
}
