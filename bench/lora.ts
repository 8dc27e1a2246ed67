/**
 * `npm run bench -- --lora`: the whole loop with one DPO iteration on a random Llama of about 30M parameters, once with all
 * weights trained and once with adapters: wall time, and peak memory beside the estimate. Each in a process of its own, whose
 * peak is its own.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { writeCheckpoint } from '../src/lm/checkpoint-writer.js';
import { SoliloquyError } from '../src/protocol/errors.js';
import { tokenizerConfig, tokenizerJson } from '../src/worlds/microworld/tokenizer.js';
import { TOKENS } from '../src/worlds/microworld/vocabulary.js';
import type { BenchOptions } from './options.js';
import { machineLine } from './own.js';
import { tableOf } from './report.js';
import { peakedWeights, RANDOM_SIZES } from './sizes.js';

/** As wide as size M; the microworld's small vocabulary is made up for by a layer more. */
const THIRTY_MILLION = { ...RANDOM_SIZES.M, vocabSize: TOKENS.length, layers: 9 };

const measuredSchema = z.object({
  mode: z.string(),
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
export type LoraFigures = z.infer<typeof measuredSchema>;

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
  return measuredSchema.parse(JSON.parse(said.trim().split('\n').at(-1)!));
}

const mebibytes = (bytes: number): string => (bytes / 2 ** 20).toFixed(0);

export async function measureLora(options: BenchOptions): Promise<object> {
  const work = mkdtempSync(join(tmpdir(), 'soliloquy-lora-'));
  try {
    const model = join(work, 'm0');
    await writeCheckpoint(model, {
      weights: peakedWeights(THIRTY_MILLION, 1),
      tokenizer: { json: JSON.stringify(tokenizerJson()), config: JSON.stringify(tokenizerConfig()) },
      bosId: undefined,
      eosIds: [TOKENS.indexOf('<eos>')],
      config: null,
      generationConfig: null,
    });
    const figures: LoraFigures[] = [];
    for (const mode of ['full', 'lora'] as const) {
      process.stderr.write(`${mode} …\n`);
      figures.push(await measured(mode, model, join(work, mode), options));
    }
    process.stdout.write(`${machineLine()}; ${options.workers} workers, ${options.backend}\n`);
    process.stdout.write(
      `${tableOf(
        ['run', 'parameters', 'trained', 'steps of DPO', 's', 'peak MiB', 'estimate MiB', 'M2 on disk, MiB'],
        figures.map((f) => [
          f.mode,
          `${(f.parameters / 1e6).toFixed(1)}M`,
          `${(f.trained / 1e6).toFixed(2)}M`,
          String(f.steps),
          f.seconds.toFixed(1),
          mebibytes(f.peak),
          mebibytes(f.estimate),
          mebibytes(f.stored),
        ]),
      )}\n`,
    );
    for (const { mode, parts, tokens } of figures) {
      const all = Object.entries(parts).map(([part, bytes]) => `${part} ${mebibytes(bytes)}`);
      process.stdout.write(`${mode}, longest sequence ${tokens} tokens: ${all.join(', ')} MiB\n`);
    }
    return { machine: machineLine(), figures };
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
