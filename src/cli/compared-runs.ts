/**
 * Opens run folders for a comparison: manifest, config and log, each checked at the door.
 */
import { existsSync, readFileSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import { type Config, type ConfigPart, configSchema, resolveConfig } from '../protocol/config.js';
import { reasonOf, SoliloquyError } from '../protocol/errors.js';
import type { ComparedRun } from '../report/arms.js';
import { readRunFacts } from '../report/run-facts.js';
import { readManifest, runFolder } from '../store/run-folder.js';

interface StoredConfig {
  readonly config: Config;
  readonly backend: string | null;
}

function storedConfig(path: string): StoredConfig {
  const file = runFolder(path).config;
  try {
    const raw = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
    const part = Object.fromEntries(Object.entries(raw).filter(([key]) => key in configSchema.shape));
    const { backend } = (raw.used ?? {}) as { backend?: unknown };
    return {
      config: resolveConfig(part as ConfigPart),
      backend: typeof backend === 'string' ? backend : null,
    };
  } catch (cause) {
    throw new SoliloquyError(
      'data.unreadable',
      `${file} can't be read as a run's config: ${reasonOf(cause)}`,
      { file, fix: 'name the folder of a run that has its config.json' },
      { cause },
    );
  }
}

/** Shown from here, where that is shorter. */
const near = (path: string): string => {
  const way = relative(process.cwd(), resolve(path));
  return way === '' || way.startsWith('..') ? path : way;
};

/** Each folder once, however it is written; `onRead` tells how many are done. */
export async function openRuns(
  paths: readonly string[],
  onRead: (done: number, all: number) => void,
): Promise<ComparedRun[]> {
  const folders = [...new Map(paths.map((path) => [resolve(path), near(path)])).values()];
  for (const path of folders) {
    if (!existsSync(path))
      throw new SoliloquyError('run.missing', `there is no folder ${path}`, {
        path,
        fix: 'name the folder of a run, such as runs/paper-1',
      });
    readManifest(path);
  }
  const runs: ComparedRun[] = [];
  for (const path of folders) {
    onRead(runs.length, folders.length);
    const { status, outcomeHash } = readManifest(path);
    const { log } = runFolder(path);
    const facts = await readRunFacts(log);
    runs.push({ path, log, ...storedConfig(path), status, outcomeHash, facts });
  }
  onRead(runs.length, folders.length);
  return runs;
}
