/**
 * Finds experiments: by name among those that ship, or a JavaScript file of the researcher's own.
 */
import { existsSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { z } from 'zod';
import type { ConfigPart } from '../protocol/config.js';
import { reasonOf, SoliloquyError } from '../protocol/errors.js';
import type { Experiment } from '../protocol/experiment.js';

const folder = fileURLToPath(new URL('../../experiments/', import.meta.url));
const shape = z.object({ name: z.string(), summary: z.string(), config: z.record(z.string(), z.unknown()) });

/** Names of the experiments that ship, in alphabetical order. */
export const experimentNames = (): string[] =>
  readdirSync(folder)
    .flatMap((file) => /^(.+)\.[jt]s$/.exec(file)?.[1] ?? [])
    .filter((name) => !name.endsWith('.d'))
    .sort();

async function importExperiment(file: string): Promise<Experiment> {
  let module: { default?: unknown };
  try {
    module = (await import(pathToFileURL(file).href)) as { default?: unknown };
  } catch (error) {
    throw new SoliloquyError(
      'config.invalid',
      `${file} can't be loaded: ${reasonOf(error)}`,
      {
        file,
        fix: 'a TypeScript experiment belongs in experiments/ (npm run build), or needs a Node that runs TypeScript',
      },
      { cause: error },
    );
  }
  const parsed = shape.safeParse(module.default);
  if (!parsed.success)
    throw new SoliloquyError('config.invalid', `${file} has no experiment as its default export`, {
      file,
      fix: 'export default defineExperiment({ name, summary, config })',
    });
  return { ...parsed.data, config: parsed.data.config as ConfigPart };
}

/** An experiment by name or by file. */
export async function loadExperiment(nameOrFile: string): Promise<Experiment> {
  if (/\.[cm]?[jt]s$/.test(nameOrFile)) {
    const file = resolve(nameOrFile);
    if (!existsSync(file))
      throw new SoliloquyError('config.invalid', `no experiment file ${file}`, {
        file,
        fix: 'name a file that exists',
      });
    return importExperiment(file);
  }
  const names = experimentNames();
  if (!names.includes(nameOrFile))
    throw new SoliloquyError('config.invalid', `no experiment "${nameOrFile}"`, {
      fix: `one of: ${names.join(', ')}; or a file of your own`,
    });
  const built = join(folder, `${nameOrFile}.js`);
  return importExperiment(existsSync(built) ? built : join(folder, `${nameOrFile}.ts`));
}

export const allExperiments = (): Promise<Experiment[]> => Promise.all(experimentNames().map(loadExperiment));
