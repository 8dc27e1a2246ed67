/** Recorded runs of the scripted model: real machines, folders and logs, in a moment. */
import { readFileSync } from 'node:fs';
import { forkRun } from '../../actors/fork.js';
import type { Run, RunEnd, RunOptions } from '../../actors/system.js';
import { createScriptedModel } from '../../bench/scripted.js';
import type { OverrideRequest } from '../../src/log/overrides.js';
import { readWholeLog } from '../../src/log/reader.js';
import type { Config, ConfigPart } from '../../src/protocol/config.js';
import type { Envelope } from '../../src/protocol/messages.js';
import { runFolder } from '../../src/store/run-folder.js';
import { countingClock, tinyConfig, tinyRun } from './tiny-run.js';

const machinery = (): Omit<RunOptions, 'config' | 'out'> => ({
  assets: '/nowhere',
  workers: 1,
  backend: 'auto',
  clock: countingClock(),
  versions: {},
  createModel: () => createScriptedModel(),
});

export const scriptedConfig = (model: string, ...parts: readonly ConfigPart[]): Config =>
  tinyConfig(
    model,
    { invent: { asks: 6 }, evaluate: { resamples: 10 }, world: { heldOut: 3, probes: 2 } },
    ...parts,
  );

export const scriptedRun = (config: Config, out: string): Promise<Run> => tinyRun(config, out, machinery());

export async function recordScripted(config: Config, out: string): Promise<RunEnd> {
  return (await scriptedRun(config, out)).start();
}

export async function forkScripted(
  parent: string,
  out: string,
  at: string,
  changes: ConfigPart,
  overrides: readonly OverrideRequest[] = [],
): Promise<RunEnd> {
  const { run } = await forkRun({ ...machinery(), parent, out, at, changes, overrides });
  return run.start();
}

export const envelopesIn = async (run: string): Promise<readonly Envelope[]> =>
  (await readWholeLog(runFolder(run).log)).envelopes;

/** Whole lines of a file that may be growing. */
export const grownLines = (file: string): number => readFileSync(file, 'utf8').split('\n').length - 1;
