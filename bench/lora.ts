/**
 * `npm run bench -- --lora`: the whole loop with one DPO iteration on random models, of about 30M parameters and, where asked for, of
 * the shapes of real ones up to 494M; once with all weights trained and once with adapters: wall time, and peak memory beside the
 * estimate. Each in a process of its own, whose peak is its own. What the estimate refuses on this machine is said, and not run.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import type { TokenizerFiles } from '../src/lm/checkpoint.js';
import { writeCheckpoint } from '../src/lm/checkpoint-writer.js';
import { SoliloquyError } from '../src/protocol/errors.js';
import { tokenizerConfig, tokenizerJson } from '../src/worlds/microworld/tokenizer.js';
import { TOKENS } from '../src/worlds/microworld/vocabulary.js';
import type { BenchOptions } from './options.js';
import { machineLine } from './own.js';
import { tableOf } from './report.js';
import { LORA_SIZES, type LoraSizeName, peakedWeights } from './sizes.js';

const measuredSchema = z.object({
  mode: z.string(),
  /** Null: it ran. Else why it was refused. */
  refused: z.null(),
  seconds: z.number(),
  /** Of the process, in bytes. */
  peak: z.number(),
  estimate: z.number(),
  parts: z.record(z.string(), z.number()),
  parameters: z.number(),
  /** Numbers that DPO trained. */
  trained: z.number(),
  tokens: z.number(),
  steps: z.number(),
  /** On disk, of the version that DPO made, in bytes. */
  stored: z.number(),
});
const refusedSchema = z.object({
  mode: z.string(),
  refused: z.string(),
  estimate: z.number(),
  parameters: z.number(),
});
const figuresSchema = z.union([measuredSchema, refusedSchema]);
export type LoraFigures = z.infer<typeof figuresSchema>;

async function measured(
  mode: 'full' | 'lora',
  model: string,
  out: string,
  { workers, backend }: BenchOptions,
) {
  const child = spawn(
    process.execPath,
    [fileURLToPath(new URL('./lora-run.js', import.meta.url)), mode, model, out, String(workers), backend],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const code = await new Promise((resolve) => child.on('close', resolve));
  if (code !== 0)
    throw new SoliloquyError('model.failed', `the ${mode} run ended with code ${code}`, { mode });
  return figuresSchema.parse(JSON.parse(said.trim().split('\n').at(-1)!));
}

/** The microworld's tokenizer with made-up words for all further ids, so that whatever is sampled is a text. */
function tokenizerOf(vocabSize: number): TokenizerFiles {
  const json = tokenizerJson();
  const vocab: Record<string, number> = { ...json.model.vocab };
  for (let id = TOKENS.length; id < vocabSize; id++) vocab[`w${id}`] = id;
  return {
    json: JSON.stringify({ ...json, model: { ...json.model, vocab } }),
    config: JSON.stringify(tokenizerConfig()),
  };
}

async function figuresOf(size: LoraSizeName, work: string, options: BenchOptions): Promise<LoraFigures[]> {
  const model = join(work, 'm0');
  const architecture = LORA_SIZES[size];
  await writeCheckpoint(model, {
    weights: peakedWeights(architecture, 1),
    tokenizer: tokenizerOf(architecture.vocabSize),
    bosId: undefined,
    eosIds: [TOKENS.indexOf('<eos>')],
    config: null,
    generationConfig: null,
  });
  const figures: LoraFigures[] = [];
  for (const mode of ['full', 'lora'] as const) {
    process.stderr.write(`${size}, ${mode} …\n`);
    figures.push(await measured(mode, model, join(work, mode), options));
  }
  return figures;
}

function rowOf(f: LoraFigures): string[] {
  const parameters = `${(f.parameters / 1e6).toFixed(1)}M`;
  if (f.refused !== null) return [f.mode, parameters, '–', '–', 'refused', '–', mebibytes(f.estimate), '–'];
  return [
    f.mode,
    parameters,
    `${(f.trained / 1e6).toFixed(2)}M`,
    String(f.steps),
    f.seconds.toFixed(1),
    mebibytes(f.peak),
    mebibytes(f.estimate),
    mebibytes(f.stored),
  ];
}

const mebibytes = (bytes: number): string => (bytes / 2 ** 20).toFixed(0);

export async function measureLora(options: BenchOptions): Promise<object> {
  const figures: LoraFigures[] = [];
  for (const size of options.loraSizes) {
    const work = mkdtempSync(join(tmpdir(), 'soliloquy-lora-'));
    try {
      figures.push(...(await figuresOf(size, work, options)));
    } finally {
      rmSync(work, { recursive: true, force: true });
    }
  }
  process.stdout.write(`${machineLine()}; ${options.workers} workers, ${options.backend}\n`);
  process.stdout.write(
    `${tableOf(
      ['run', 'parameters', 'trained', 'steps of DPO', 's', 'peak MiB', 'estimate MiB', 'M2 on disk, MiB'],
      figures.map(rowOf),
    )}\n`,
  );
  for (const f of figures) {
    if (f.refused !== null) continue;
    const all = Object.entries(f.parts).map(([part, bytes]) => `${part} ${mebibytes(bytes)}`);
    process.stdout.write(
      `${(f.parameters / 1e6).toFixed(0)}M ${f.mode}, longest sequence ${f.tokens} tokens: ${all.join(', ')} MiB\n`,
    );
  }
  return { machine: machineLine(), figures };
}
