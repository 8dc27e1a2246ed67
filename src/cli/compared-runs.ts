/**
 * Opens run folders for a comparison: manifest, config and log, each checked at the door.
 */
import { existsSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import { SoliloquyError } from '../protocol/errors.js';
import type { ComparedRun } from '../report/arms.js';
import { readRunFacts } from '../report/run-facts.js';
import { readRunConfig } from '../store/run-config.js';
import { readManifest, runFolder } from '../store/run-folder.js';

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
    const { config, backend } = readRunConfig(path);
    runs.push({ path, log, config, backend, status, outcomeHash, facts });
  }
  onRead(runs.length, folders.length);
  return runs;
}
