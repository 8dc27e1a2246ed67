/**
 * `soliloquy doctor --model DIR`: the estimate that a run is checked with before it starts, part by part, for all weights and for
 * adapters. Owns no formula: src/lm/memory-estimate.ts.
 */
import { longestSequence, memoryOfMachine, RANK, runShape } from '../../actors/memory.js';
import { createWorld } from '../../actors/worlds.js';
import { sizeOf } from '../lm/architecture.js';
import { readCheckpoint } from '../lm/checkpoint.js';
import { estimateMemory, MEMORY_PARTS, type MemoryEstimate } from '../lm/memory-estimate.js';
import { tokenizerOf } from '../lm/tokenizer.js';
import { type Config, type ConfigPart, mergeParts, resolveConfig } from '../protocol/config.js';
import { worldPresets } from '../protocol/presets.js';
import { modelArgument } from './model-argument.js';
import { printJson } from './options.js';

interface Options {
  readonly workers: number;
  readonly set?: readonly ConfigPart[];
  readonly json?: true;
}

const mebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(0)} MiB`;

export async function memoryOf(name: string, { workers, set = [], json }: Options): Promise<void> {
  const sets = mergeParts(...set);
  const config = resolveConfig(worldPresets[sets.world?.name ?? 'microworld'], sets);
  const checkpoint = await readCheckpoint(modelArgument(name).dir);
  const { architecture } = checkpoint.weights;
  const { tokenizer } = checkpoint;
  const tokens = tokenizer
    ? await longestSequence(config, createWorld(config), tokenizerOf(tokenizer, checkpoint))
    : architecture.maxPositions;
  const of = (one: Config) => estimateMemory(runShape(one, architecture, workers, tokens));
  const full = of({ ...config, lora: { ...config.lora, rank: 0 } });
  const rank = config.lora.rank || RANK;
  const lora = of({ ...config, lora: { ...config.lora, rank } });
  const available = memoryOfMachine();
  const asked = config.lora.rank > 0 ? lora : full;
  const ok = asked.bytes <= available;
  if (!ok) process.exitCode = 1;
  const parameters = sizeOf(architecture);
  const told = { ok, parameters, workers, tokens: Math.min(tokens, architecture.maxPositions), available };
  if (json) return printJson({ ...told, full, lora: { rank, ...lora } });
  process.stdout.write(
    `${(parameters / 1e6).toFixed(1)}M parameters, ${workers} workers, sequences of up to ${told.tokens} tokens; ${mebibytes(available)} may be used\n\n`,
  );
  process.stdout.write(tableOf(full, lora, rank));
}

function tableOf(full: MemoryEstimate, lora: MemoryEstimate, rank: number): string {
  const row = (name: string, a: string, b: string) =>
    `${name.padEnd(18)}${a.padStart(14)}${b.padStart(16)}\n`;
  return [
    row('at its peak', 'all weights', `LoRA, rank ${rank}`),
    ...MEMORY_PARTS.map((part) => row(part, mebibytes(full.parts[part]), mebibytes(lora.parts[part]))),
    row('together', mebibytes(full.bytes), mebibytes(lora.bytes)),
  ].join('');
}
