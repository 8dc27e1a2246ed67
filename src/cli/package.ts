/**
 * Where this package lies, from `src/cli/` and from `dist/src/cli/` alike.
 */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export function packageRoot(): string {
  let dir = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(dir, 'package.json'))) dir = dirname(dir);
  return dir;
}

export const assetsFolder = (): string => join(packageRoot(), 'assets');

/** The inspector's page, as `npm run build` made it. */
export const pageFolder = (): string => join(packageRoot(), 'dist', 'page');

export function packageVersion(): string {
  const { version } = JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as {
    version: string;
  };
  return version;
}
