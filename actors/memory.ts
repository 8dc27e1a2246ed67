/**
 * Whether a run fits into memory, known before anything is written, be it new, gone on with or forked: its shape out of its config,
 * model and world; what this process may use; and, where that is less, an error that says which parts are large and what makes them
 * smaller.
 */
import { totalmem } from 'node:os';
import { type Architecture, sizeOf } from '../src/lm/architecture.js';
import {
  estimateMemory,
  MEMORY_PARTS,
  type MemoryEstimate,
  type RunShape,
} from '../src/lm/memory-estimate.js';
import type { Config } from '../src/protocol/config.js';
import { SoliloquyError } from '../src/protocol/errors.js';
import { versionOf } from '../src/protocol/ids.js';
import type { OptimizerConfig } from '../src/protocol/lm.js';
import type { Tokenizer, World } from '../src/protocol/ports.js';
import { chatPrompt, judgePrompt } from '../src/stages/templates.js';
import type { Machinery, Parts } from './parts.js';
import { checkpointsIn, templateFor } from './worlds.js';

const GIB = 2 ** 30;
/** Rows of one sampling task: src/pool/sample-parts.ts. */
const MOST_ROWS = 64;
/** A rank that is advised, and shown where none is asked for. */
export const RANK = 8;

/** Bytes that this process may use: a container's limit counts, where there is one. */
export function memoryOfMachine(): number {
  const limit = process.constrainedMemory();
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem();
}

export const trainingOf = (
  { batchSize, microBatchSize }: Pick<OptimizerConfig, 'batchSize' | 'microBatchSize'>,
  sides: 1 | 2,
) => ({
  sequences: sides * Math.min(batchSize, microBatchSize),
  microBatches: Math.ceil(batchSize / microBatchSize),
});

/** `tokens`: of the longest sequence; the model's positions at most. */
export function runShape(
  config: Config,
  architecture: Architecture,
  workers: number,
  tokens: number,
): RunShape {
  const { lora, sft, dpo, iterations, flow } = config;
  return {
    architecture,
    workers,
    versions: iterations + 3 + checkpointsIn(config).length, // M0, SFT, M1 and what follows; those of the cast
    ...(lora.rank > 0 ? { lora } : {}),
    trainings: [trainingOf(sft, 1), ...(iterations > 0 ? [trainingOf(dpo, 2)] : [])],
    tokens: Math.min(tokens, architecture.maxPositions),
    rows: Math.min(MOST_ROWS, flow.batchRows),
  };
}

const longestOf = (texts: readonly string[]): string =>
  texts.reduce((longest, text) => (text.length > longest.length ? text : longest), '');

/** Tokens of the longest sequence that the run's data give, as far as it is known before: its longest texts, and room for an answer. */
export async function longestSequence(config: Config, world: World, tokenizer: Tokenizer): Promise<number> {
  const { ift, eft, ranked, heldOut, probes } = await world.seed();
  const template = templateFor(config, world);
  const groups = [...ranked, ...probes].flatMap(({ prompt, responses }) =>
    responses.map(({ text }) => ({ prompt, response: text })),
  );
  const tokens = (text: string): number => tokenizer.encode(text).length;
  const answered = longestOf(ift.map(({ prompt, response }) => chatPrompt(world.format, prompt) + response));
  const asked = longestOf([...ift, ...heldOut].map(({ prompt }) => chatPrompt(world.format, prompt)));
  const judged = longestOf(
    [...ift, ...eft, ...groups].map(({ prompt, response }) => judgePrompt(template, prompt, response)),
  );
  const justified = longestOf(eft.map(({ justification }) => justification));
  const { sampling } = config.judge;
  return Math.max(
    tokens(answered) + 2,
    tokens(asked) + config.respond.sampling.maxNewTokens + 2,
    tokens(judged) + Math.max(sampling.maxNewTokens, tokens(justified)) + 2,
  );
}

const gigabytes = (bytes: number): string => `${(bytes / GIB).toFixed(2)} GiB`;

/** Each part with its share, the largest first. */
export const partsText = ({ parts }: MemoryEstimate): string =>
  [...MEMORY_PARTS]
    .sort((a, b) => parts[b] - parts[a])
    .map((part) => `${part} ${gigabytes(parts[part])}`)
    .join(', ');

/** What might make it smaller, and what it would then be. */
export type Way = readonly [way: string, smaller: RunShape];

/** Those that do, each with the estimate that it gives; the one that helps most first. */
function advice(shape: RunShape, ways: readonly Way[]): string {
  const now = estimateMemory(shape).bytes;
  const better = ways
    .map(([way, smaller]) => ({ way, bytes: estimateMemory(smaller).bytes }))
    .filter(({ bytes }) => bytes < now)
    .sort((a, b) => a.bytes - b.bytes)
    .map(({ way, bytes }) => `${way} (${gigabytes(bytes)})`);
  return [...better, 'a smaller model', '--memory GIB if you know better'].join('; ');
}

/** Throws `memory.short` where the estimate is more than there is. `what`: such as "the run". */
export function checkShape(
  what: string,
  shape: RunShape,
  available: number,
  ways: () => readonly Way[],
): void {
  const { architecture, workers, tokens } = shape;
  const estimate = estimateMemory(shape);
  if (estimate.bytes <= available) return;
  throw new SoliloquyError(
    'memory.short',
    `${what} takes about ${gigabytes(estimate.bytes)} at its peak (${partsText(estimate)}), and there are ${gigabytes(available)}: ${(sizeOf(architecture) / 1e6).toFixed(1)}M parameters, ${workers} workers, sequences of ${tokens} tokens`,
    { estimate: estimate.bytes, available, parts: estimate.parts, fix: advice(shape, ways()) },
  );
}

/** In options of a run. */
function waysOf(shape: RunShape, config: Config): readonly Way[] {
  const { dpo, sft, flow } = config;
  const micro = Math.max(1, Math.floor(Math.min(dpo.microBatchSize, sft.microBatchSize) / 2));
  const at = (change: Config) => runShape(change, shape.architecture, shape.workers, shape.tokens);
  return [
    [
      `--set dpo.microBatchSize=${micro} --set sft.microBatchSize=${micro}`,
      at({ ...config, dpo: { ...dpo, microBatchSize: micro }, sft: { ...sft, microBatchSize: micro } }),
    ],
    [`--set lora.rank=${RANK}`, at({ ...config, lora: { ...config.lora, rank: RANK } })],
    ['--workers 1', { ...shape, workers: 1 }],
    ['--set flow.batchRows=16', at({ ...config, flow: { ...flow, batchRows: 16 } })],
  ];
}

export interface Fitting {
  readonly config: Config;
  readonly architecture: Architecture;
  readonly workers: number;
  /** Bytes that may be used. */
  readonly available: number;
  /** Tokens of the longest sequence; asked only where it matters. */
  readonly tokens: () => Promise<number>;
}

/** Throws `memory.short` where the estimate is more than there is. */
export async function checkMemory({
  config,
  architecture,
  workers,
  available,
  tokens,
}: Fitting): Promise<void> {
  // Whatever the data: the longest sequence that the model takes.
  const most = runShape(config, architecture, workers, architecture.maxPositions);
  if (estimateMemory(most).bytes <= available) return;
  const shape = { ...most, tokens: Math.min(await tokens(), architecture.maxPositions) };
  checkShape('the run', shape, available, () => waysOf(shape, config));
}

/** The same of a run whose parts are made and whose M0 is registered. */
export async function checkFits(
  { model, world }: Pick<Parts, 'model' | 'world'>,
  config: Config,
  { workers, memory }: Pick<Machinery, 'workers' | 'memory'>,
): Promise<void> {
  await checkMemory({
    config,
    architecture: model.architecture(versionOf(0)),
    workers,
    available: memory ?? memoryOfMachine(),
    tokens: () => longestSequence(config, world, model.tokenizer(versionOf(0))),
  });
}
