/**
 * How a failure is told: what is wrong, what to do, and for programs the code and the fields.
 */
import { isSoliloquyError, reasonOf } from '../protocol/errors.js';

const WRONG_USAGE = new Set(['usage', 'config.invalid', 'cast.invalid', 'runs.incomparable']);

export const exitCodeOf = (error: unknown): 1 | 2 =>
  isSoliloquyError(error) && WRONG_USAGE.has(error.code) ? 2 : 1;

/** The text for standard error, with a line's end. Stacks only with SOLILOQUY_DEBUG=1. */
export function describe(error: unknown, json: boolean): string {
  const fields = isSoliloquyError(error) ? error.fields : {};
  const code = isSoliloquyError(error) ? error.code : 'failed';
  if (json) return `${JSON.stringify({ error: { code, message: reasonOf(error), ...fields } })}\n`;
  const stack = process.env.SOLILOQUY_DEBUG === '1' && error instanceof Error ? `${error.stack}\n` : '';
  return `soliloquy: ${reasonOf(error)}\n${fields.fix === undefined ? '' : `  way out: ${fields.fix}\n`}${stack}`;
}
