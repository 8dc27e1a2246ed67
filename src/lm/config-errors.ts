/** What the readers of config.json say of a file that they can't use. `file` is for messages only. */
import { SoliloquyError } from '../protocol/errors.js';
import { FAMILIES } from './architecture.js';

export const unsupported = (file: string, what: string, fields: Record<string, unknown> = {}) =>
  new SoliloquyError('checkpoint.unsupported', `${file}: ${what}`, {
    file,
    fix: `Bring a checkpoint of a known family (model_type ${FAMILIES.join(', ')}) in plain float weights.`,
    ...fields,
  });

export const invalid = (file: string, what: string) =>
  new SoliloquyError('checkpoint.invalid', `${file}: ${what}`, {
    file,
    fix: 'Mend that field, or take the file from the checkpoint again.',
  });
