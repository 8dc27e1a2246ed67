/**
 * `soliloquy train sft|dpo`: one training by itself, on data in TRL's layout. The loop's own training is the same engine with
 * the same defaults.
 */
import { join, resolve } from 'node:path';
import { Command } from 'commander';
import { writeAdapter } from '../lm/adapter-writer.js';
import { type Checkpoint, readCheckpoint } from '../lm/checkpoint.js';
import { writeCheckpoint } from '../lm/checkpoint-writer.js';
import { targetsOf } from '../lm/lora.js';
import { weightsHash } from '../lm/weights.js';
import type { SharedModel } from '../pool/language-model.js';
import { versionId } from '../protocol/ids.js';
import type { TrainData, TrainOutcome } from '../protocol/lm.js';
import { keyOf } from '../rng.js';
import { writeAtomic } from '../store/files.js';
import { dataPath, hubModel } from './hub.js';
import { modelArgument } from './model-argument.js';
import { newFolder } from './new-folder.js';
import { MODEL, withLanguageModel } from './one-model.js';
import { printJson, systemClock } from './options.js';
import { packageVersion } from './package.js';
import { silentProgress, stepProgress } from './step-progress.js';
import {
  loraOf,
  type Objective,
  objectiveCommand,
  optimizerOf,
  type TrainingOptions,
} from './train-options.js';
import { type DpoText, readDpo, readSft, type SftText, type TrainingFile } from './training-data.js';
import { checkTraining } from './training-memory.js';
import { dpoData, type Encoded, sftData } from './training-rows.js';

export function trainCommand(): Command {
  return new Command('train')
    .description('train a model by itself, outside the loop')
    .addCommand(trainedBy('sft', 'supervised fine-tuning on answers'))
    .addCommand(trainedBy('dpo', 'direct preference optimisation on pairs; the reference is MODEL'))
    .addHelpText(
      'after',
      `\nExamples\n  soliloquy train sft ./checkpoint --data chats.jsonl --to ./sft\n  soliloquy train dpo runs/paper-1/M1 --data pairs.jsonl --to ./dpo --beta 0.2`,
    );
}

const trainedBy = (objective: Objective, description: string): Command =>
  objectiveCommand(objective, description).action((model: string, options: TrainingOptions) =>
    train(objective, model, options),
  );

const TRAINED = versionId('trained');

type Read =
  | { readonly objective: 'sft'; readonly file: TrainingFile<SftText> }
  | { readonly objective: 'dpo'; readonly file: TrainingFile<DpoText> };

const read = async (objective: Objective, data: string): Promise<Read> =>
  objective === 'sft' ? { objective, file: await readSft(data) } : { objective, file: await readDpo(data) };

function encoded(
  given: Read,
  model: SharedModel,
  { data, beta, loss, nll, agreement }: TrainingOptions,
  maxTokens: number,
): Encoded<TrainData> {
  const by = { tokenizer: model.tokenizer(MODEL), maxTokens, file: data };
  return given.objective === 'sft'
    ? sftData(given.file.rows, by)
    : dpoData(given.file.rows, by, {
        beta: beta!,
        loss: loss!,
        nll: nll!,
        agreement: agreement!,
      });
}

async function train(objective: Objective, name: string, options: TrainingOptions): Promise<void> {
  const optimizer = optimizerOf(objective, options);
  const { dir } = modelArgument(await hubModel(name));
  const given = await read(objective, await dataPath(options.data));
  const base = await readCheckpoint(dir);
  const { architecture } = base.weights;
  const lora = options.loraRank > 0 ? { lora: loraOf(options, options.loraRank) } : {};
  if (lora.lora) targetsOf(architecture, lora.lora.targets);
  newFolder(options.to);
  await withLanguageModel(options, async (model) => {
    model.register(MODEL, base);
    const { maxPositions } = architecture;
    const maxLength = Math.min(maxPositions, options.maxLength ?? maxPositions);
    const { data, tooLong } = encoded(given, model, options, maxLength);
    const { workers, memory } = options;
    checkTraining({
      ...{ architecture, data, optimizer, workers, ...lora },
      loraOf: (rank) => loraOf(options, rank),
      ...(memory !== undefined && { memory }),
    });
    const silent = options.json || options.quiet;
    const say = (text: string): boolean => silent || process.stderr.write(`${text}\n`);
    say(
      `${objective}: ${data.rows.length} rows of ${options.data}, ${model.backend} × ${model.workers} → ${options.to}`,
    );
    if (tooLong > 0) say(`${tooLong} rows are longer than ${maxLength} tokens: left out`);
    const progress = silent ? silentProgress : stepProgress(process.stderr, systemClock);
    const spec = {
      from: MODEL,
      to: TRAINED,
      data,
      optimizer,
      key: keyOf(options.seed, `train/${objective}`),
      ...lora,
    };
    const outcome = await model.train(spec, progress.show).finally(progress.end);
    const madeFrom = {
      objective,
      model: { path: dir, weightsHash: weightsHash(base.weights) },
      data: {
        file: resolve(options.data),
        sha256: given.file.sha256,
        lines: given.file.lines,
        rows: data.rows.length,
        tooLong,
      },
      config: {
        ...optimizer,
        ...(data.objective === 'dpo' && { beta: data.beta, ...data.recipe }),
        ...lora,
        seed: options.seed,
        maxLength,
      },
      backend: model.backend,
      soliloquy: packageVersion(),
    };
    await keep(options, dir, await model.checkpoint(TRAINED), madeFrom, outcome);
  });
}

async function keep(
  { to, json }: TrainingOptions,
  base: string,
  checkpoint: Checkpoint,
  madeFrom: object,
  outcome: TrainOutcome,
): Promise<void> {
  const { steps, curve, weightsHash: hash, adapter } = outcome;
  const trained = adapter ? { ...madeFrom, adapter } : madeFrom;
  writeAtomic(
    join(to, 'training.json'),
    `${JSON.stringify({ ...trained, steps, weightsHash: hash, curve }, null, 2)}\n`,
  );
  if (checkpoint.adapter) await writeAdapter(to, base, checkpoint, checkpoint.adapter);
  else await writeCheckpoint(to, checkpoint);
  const loss = curve.at(-1)!.loss;
  if (json) printJson({ to, ...trained, steps, loss, weightsHash: hash });
  else
    process.stdout.write(
      `${to}: ${steps} steps, loss ${curve[0]!.loss.toFixed(4)} → ${loss.toFixed(4)}, weights ${hash.slice(0, 16)}\n`,
    );
}
