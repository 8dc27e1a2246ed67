/** The public data beside the repository's clones; tests on it are skipped where it is not. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';

export const sharedData = (...path: string[]): string =>
  join(import.meta.dirname, '../../../shared/data', ...path);
/** Why tests on it are skipped, or false. */
export const noSharedData = existsSync(sharedData('llmbar')) ? false : '../shared/data is not there';
