/**
 * Writes a comparison into a folder: data, plots, and one page that holds both. Files of an earlier comparison are replaced,
 * others are left alone.
 */
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { reasonOf, SoliloquyError } from '../protocol/errors.js';
import type { Comparison } from '../report/comparison.js';
import { comparisonPage } from '../report/comparison-page.js';
import { drawPlots } from '../report/comparison-plots.js';
import { writeAtomic } from '../store/files.js';

/** The files written, the page first. */
export async function writeComparison(comparison: Comparison, dir: string): Promise<string[]> {
  if (existsSync(join(dir, 'manifest.json')))
    throw new SoliloquyError('run.exists', `${dir} is a run's own folder`, {
      dir,
      fix: 'name another folder with --out',
    });
  const plots = await drawPlots(comparison);
  try {
    mkdirSync(dir, { recursive: true });
  } catch (cause) {
    throw new SoliloquyError(
      'log.write',
      `can't make the folder ${dir}: ${reasonOf(cause)}`,
      { dir, fix: 'name a folder that can be written with --out' },
      { cause },
    );
  }
  const files: [string, string][] = [
    ['comparison.html', comparisonPage(comparison, plots)],
    ['comparison.json', `${JSON.stringify(comparison, null, 2)}\n`],
    ...plots.map(({ name, svg }): [string, string] => [`${name}.svg`, `${svg}\n`]),
  ];
  for (const [name, content] of files) writeAtomic(join(dir, name), content);
  return files.map(([name]) => join(dir, name));
}
