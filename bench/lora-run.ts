/**
 * One run of lora.ts in a process of its own: the real loop with worker threads, log and files; few asks, and a judge of random
 * scores, since a random model writes none. One line of JSON at the end.
 */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { longestSequence, memoryOfMachine, runShape } from '../actors/memory.js';
import { createRun } from '../actors/system.js';
import { createWorld } from '../actors/worlds.js';
import { sizeOf } from '../src/lm/architecture.js';
import { readCheckpoint } from '../src/lm/checkpoint.js';
import { adapterSize } from '../src/lm/lora.js';
import { estimateMemory } from '../src/lm/memory-estimate.js';
import { tokenizerOf } from '../src/lm/tokenizer.js';
import type { BackendChoice } from '../src/protocol/backends.js';
import { resolveConfig } from '../src/protocol/config.js';
import type { BodyOf } from '../src/protocol/messages.js';
import { worldPresets } from '../src/protocol/presets.js';

const [mode, model, out, workersText, backend] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
  string,
];
const workers = Number(workersText);
const config = resolveConfig(worldPresets.microworld, {
  name: `bench-${mode}`,
  model,
  iterations: 1,
  cast: { judge: 'random' },
  world: { demonstrations: 64, evaluations: 64, heldOut: 16, probes: 6 },
  invent: { asks: 48, similarity: 1 },
  evaluate: { resamples: 50 },
  sft: { epochs: 1 },
  lora: { rank: mode === 'lora' ? 8 : 0 },
});

/** In a function of its own, so that these weights aren't part of the peak. */
async function planned() {
  const checkpoint = await readCheckpoint(model);
  const tokenizer = tokenizerOf(checkpoint.tokenizer!, checkpoint);
  const tokens = await longestSequence(config, createWorld(config), tokenizer);
  return { architecture: checkpoint.weights.architecture, tokens };
}
const { architecture, tokens } = await planned();
const estimate = estimateMemory(runShape(config, architecture, workers, tokens));
const parameters = sizeOf(architecture);
const say = (figures: object): void => {
  process.stdout.write(`${JSON.stringify({ mode, parameters, estimate: estimate.bytes, ...figures })}\n`);
};

if (estimate.bytes > memoryOfMachine()) say({ refused: 'the estimate is more than this machine has' });
else await measure();

async function measure(): Promise<void> {
  const began = performance.now();
  const run = await createRun({
    config,
    out,
    assets: '/nowhere',
    workers,
    backend: backend as BackendChoice,
    clock: { now: () => Date.now() },
    versions: {},
  });
  let steps = 0;
  run.messages$.subscribe(({ type, body }) => {
    if (type === 'training.stepped' && (body as BodyOf<'training.stepped'>).to === 'M2') steps++;
  });
  const end = await run.start();
  const seconds = (performance.now() - began) / 1000;
  const peak = process.resourceUsage().maxRSS * 1024;
  if (end.status !== 'finished') throw new Error(`the run ended ${end.status}: ${end.reason}`);
  const made = end.folder.model('M2');
  const stored = readdirSync(made).reduce((sum, name) => sum + statSync(join(made, name)).size, 0);
  const trained = config.lora.rank > 0 ? adapterSize(architecture, config.lora) : parameters;
  say({ refused: null, seconds, peak, parts: estimate.parts, trained, tokens, steps, stored });
}
