/**
 * `npm run bench -- --lora`: the whole loop with one DPO iteration on random models, of about 30M parameters and, where asked for, of
 * the shapes of real ones up to 494M; once with all weights trained and once with adapters: wall time, and peak memory beside the
 * estimate. Then what decoding costs with the weights inside the graph, and fed to it as those of large models are. Each in a process
 * of its own, whose peak is its own. What the estimate refuses on this machine is said, and not run.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { sizeOf } from '../src/lm/architecture.js';
import type { TokenizerFiles } from '../src/lm/checkpoint.js';
import { writeCheckpoint } from '../src/lm/checkpoint-writer.js';
import { SoliloquyError } from '../src/protocol/errors.js';
import { tokenizerConfig, tokenizerJson } from '../src/worlds/microworld/tokenizer.js';
import { TOKENS } from '../src/worlds/microworld/vocabulary.js';
import type { BenchOptions } from './options.js';
import { machineLine } from './own.js';
import { tableOf } from './report.js';
import { LORA_SIZES, type LoraSizeName, peakedWeights } from './sizes.js';

const DECODE_ROWS = [1, 32];
/** A graph's file ends there, and it is made of pieces that are as large. */
const GRAPH_LIMIT = 1.8 * 2 ** 30;

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

const decodeSchema = z.object({
  way: z.enum(['inside', 'fed']),
  rows: z.number(),
  /** Seconds in which the sessions are opened. */
  opening: z.number(),
  /** Milliseconds of a step. */
  step: z.number(),
  peak: z.number(),
});
type DecodeFigures = z.infer<typeof decodeSchema> & { readonly size: LoraSizeName };

/** The last line that a program beside this one says, as JSON. */
async function said(program: string, ...args: readonly string[]): Promise<unknown> {
  const child = spawn(
    process.execPath,
    [fileURLToPath(new URL(`./${program}.js`, import.meta.url)), ...args],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    text += part;
  });
  const code = await new Promise((resolve) => child.on('close', resolve));
  if (code !== 0)
    throw new SoliloquyError('model.failed', `${program} ${args.join(' ')} ended with code ${code}`);
  return JSON.parse(text.trim().split('\n').at(-1)!);
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

interface Figures {
  readonly runs: readonly LoraFigures[];
  readonly decoding: readonly DecodeFigures[];
}

async function figuresOf(
  size: LoraSizeName,
  work: string,
  { workers, backend }: BenchOptions,
): Promise<Figures> {
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
  const runs: LoraFigures[] = [];
  for (const mode of ['full', 'lora']) {
    process.stderr.write(`${size}, ${mode} …\n`);
    const out = join(work, mode);
    runs.push(figuresSchema.parse(await said('lora-run', mode, model, out, String(workers), backend)));
    rmSync(out, { recursive: true, force: true });
  }
  const decoding: DecodeFigures[] = [];
  for (const rows of DECODE_ROWS)
    for (const way of ['inside', 'fed']) {
      if (way === 'inside' && 4 * sizeOf(architecture) > GRAPH_LIMIT) continue;
      process.stderr.write(`${size}, decoding ${rows} rows, weights ${way} …\n`);
      decoding.push({
        size,
        ...decodeSchema.parse(await said('decode-run', model, way, String(rows))),
      });
    }
  return { runs, decoding };
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
  const runs: LoraFigures[] = [];
  const decoding: DecodeFigures[] = [];
  for (const size of options.loraSizes) {
    const work = mkdtempSync(join(tmpdir(), 'soliloquy-lora-'));
    try {
      const figures = await figuresOf(size, work, options);
      runs.push(...figures.runs);
      decoding.push(...figures.decoding);
    } finally {
      rmSync(work, { recursive: true, force: true });
    }
  }
  process.stdout.write(`${machineLine()}; ${options.workers} workers, ${options.backend}\n`);
  process.stdout.write(
    `${tableOf(
      ['run', 'parameters', 'trained', 'steps of DPO', 's', 'peak MiB', 'estimate MiB', 'M2 on disk, MiB'],
      runs.map(rowOf),
    )}\n`,
  );
  for (const f of runs) {
    if (f.refused !== null) continue;
    const all = Object.entries(f.parts).map(([part, bytes]) => `${part} ${mebibytes(bytes)}`);
    process.stdout.write(
      `${(f.parameters / 1e6).toFixed(0)}M ${f.mode}, longest sequence ${f.tokens} tokens: ${all.join(', ')} MiB\n`,
    );
  }
  process.stdout.write(
    `${tableOf(
      ['one thread, onnx', 'rows', 'weights', 'ms a step', 'sessions opened in s', 'peak MiB'],
      decoding.map(({ size, rows, way, step, opening, peak }) => [
        size,
        String(rows),
        way,
        step.toFixed(1),
        opening.toFixed(1),
        mebibytes(peak),
      ]),
    )}\n`,
  );
  return { machine: machineLine(), runs, decoding };
}
