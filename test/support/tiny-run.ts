/**
 * Real runs that take seconds: a one-layer random model of the microworld, few prompts, real worker threads and files.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRun, type Run, type RunEnd, type RunOptions } from '../../actors/system.js';
import { writeCheckpoint } from '../../src/lm/checkpoint-writer.js';
import { initialise } from '../../src/lm/initialise.js';
import { readWholeLog } from '../../src/log/reader.js';
import { type Config, type ConfigPart, resolveConfig } from '../../src/protocol/config.js';
import type { Envelope } from '../../src/protocol/messages.js';
import { worldPresets } from '../../src/protocol/presets.js';
import { tokenizerConfig, tokenizerJson } from '../../src/worlds/microworld/tokenizer.js';
import { TOKENS } from '../../src/worlds/microworld/vocabulary.js';
import { tinyLlama } from './architecture.js';

const architecture = tinyLlama(TOKENS.length, 128);

export const temporaryFolder = (): { readonly path: string; remove(): void } => {
  const path = mkdtempSync(join(tmpdir(), 'soliloquy-test-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
};

/** Writes a random model that speaks the microworld's words. */
export async function writeTinyModel(dir: string, seed = 1): Promise<string> {
  await writeCheckpoint(dir, {
    weights: initialise(architecture, seed),
    tokenizer: { json: JSON.stringify(tokenizerJson()), config: JSON.stringify(tokenizerConfig()) },
    bosId: undefined,
    eosIds: [TOKENS.indexOf('<eos>')],
    config: null,
    generationConfig: null,
  });
  return dir;
}

const tiny: ConfigPart = {
  iterations: 2,
  world: { demonstrations: 16, evaluations: 16, heldOut: 6, probes: 3 },
  invent: { asks: 12, minWords: 1, similarity: 1 },
  respond: { candidates: 3, sampling: { temperature: 1, topP: 1, maxNewTokens: 8 } },
  judge: { samples: 2, sampling: { temperature: 1, topP: 1, maxNewTokens: 8 } },
  evaluate: { resamples: 50, judgeSamples: 2, sampling: { maxNewTokens: 8 } },
  sft: { epochs: 1 },
  flow: { openEpisodes: 8, asksPerRequest: 4, batchRows: 16, window: 3 },
};

export const tinyConfig = (model: string, ...parts: readonly ConfigPart[]): Config =>
  resolveConfig(worldPresets.microworld, tiny, { model }, ...parts);

/** A clock that counts. */
export const countingClock = () => {
  let at = 0;
  return { now: () => at++ };
};

export const tinyRun = (config: Config, out: string, more: Partial<RunOptions> = {}): Promise<Run> =>
  createRun({
    config,
    out,
    assets: '/nowhere',
    workers: 1,
    backend: 'onnx',
    clock: countingClock(),
    versions: {},
    ...more,
  });

export interface Finished {
  readonly end: RunEnd;
  readonly envelopes: readonly Envelope[];
}

/** Runs to the end and reads the log back from disk. */
export async function finishedRun(
  config: Config,
  out: string,
  more: Partial<RunOptions> = {},
): Promise<Finished> {
  const run = await tinyRun(config, out, more);
  const end = await run.start();
  const { envelopes } = await readWholeLog(run.folder.log);
  return { end, envelopes };
}
