/**
 * `soliloquy train sft|dpo`: one training by itself, on data in TRL's layout. The loop's own training is the same engine with
 * the same defaults.
 */
import { join, resolve } from 'node:path';
import { Command } from 'commander';
import { checkShape, memoryOfMachine, trainingOf } from '../../actors/memory.js';
import { writeAdapter } from '../lm/adapter-writer.js';
import type { Architecture } from '../lm/architecture.js';
import { type Checkpoint, readCheckpoint } from '../lm/checkpoint.js';
import { writeCheckpoint } from '../lm/checkpoint-writer.js';
import { targetsOf } from '../lm/lora.js';
import type { RunShape } from '../lm/memory-estimate.js';
import { sequencesOf } from '../lm/training-plan.js';
import { weightsHash } from '../lm/weights.js';
import type { SharedModel } from '../pool/language-model.js';
import { resolveConfig } from '../protocol/config.js';
import { SoliloquyError } from '../protocol/errors.js';
import { versionId } from '../protocol/ids.js';
import type { LoraConfig, OptimizerConfig, TrainData, TrainOutcome } from '../protocol/lm.js';
import { keyOf } from '../rng.js';
import { writeAtomic } from '../store/files.js';
import { dataPath, hubModel } from './hub.js';
import { MODEL_HELP, modelArgument } from './model-argument.js';
import { newFolder } from './new-folder.js';
import { MODEL, withLanguageModel } from './one-model.js';
import {
  decimal,
  type Machinery,
  memoryOption,
  printJson,
  systemClock,
  wholeNumber,
  withMachinery,
} from './options.js';
import { packageVersion } from './package.js';
import { silentProgress, stepProgress } from './step-progress.js';
import { type DpoText, readDpo, readSft, type SftText, type TrainingFile } from './training-data.js';
import { dpoData, type Encoded, sftData } from './training-rows.js';

interface Options extends Machinery {
  readonly data: string;
  readonly to: string;
  readonly lr: number;
  readonly finalLr?: number;
  readonly epochs: number;
  readonly batchSize: number;
  readonly microBatchSize: number;
  readonly warmup: number;
  readonly weightDecay: number;
  readonly clip: number;
  readonly dropout: number;
  readonly maxLength?: number;
  readonly beta?: number;
  readonly seed: number;
  readonly json?: true;
  readonly quiet?: true;
  /** Bytes. */
  readonly memory?: number;
  readonly loraRank: number;
  readonly loraAlpha: number;
  readonly loraDropout: number;
  readonly loraTargets?: string;
}

const LAYOUTS = {
  sft: `{"prompt": "…", "completion": "…"}  or  {"messages": [{"role": "user", "content": "…"}, {"role": "assistant", "content": "…"}]}`,
  dpo: `{"prompt": "…", "chosen": "…", "rejected": "…"}; each may also be a list of messages`,
} as const;

const helpOf = (objective: Objective): string => `
Each line of FILE (.jsonl, .jsonl.gz):
  ${LAYOUTS[objective]}
Texts are taken as they are. Messages are rendered plainly, without the model's chat template: a user's turn as
"Instruction: …", a blank line, "Response:"; an assistant's turn bare. Loss falls on assistants' text and the
end-of-sequence token alone. Rows longer than --max-length are left out and counted, never cut.

Example
  soliloquy train ${objective} ./checkpoint --data ${objective === 'sft' ? 'chats' : 'pairs'}.jsonl --to ./trained --epochs 1 --lr 1e-5`;

type Objective = 'sft' | 'dpo';

export function trainCommand(): Command {
  return new Command('train')
    .description('train a model by itself, outside the loop')
    .addCommand(objectiveCommand('sft', 'supervised fine-tuning on answers'))
    .addCommand(objectiveCommand('dpo', 'direct preference optimisation on pairs; the reference is MODEL'))
    .addHelpText(
      'after',
      `\nExamples\n  soliloquy train sft ./checkpoint --data chats.jsonl --to ./sft\n  soliloquy train dpo runs/paper-1/M1 --data pairs.jsonl --to ./dpo --beta 0.2`,
    );
}

function objectiveCommand(objective: Objective, description: string): Command {
  const defaults = resolveConfig({})[objective];
  const command = new Command(objective)
    .description(description)
    .argument('<model>', `what to start from: ${MODEL_HELP}`)
    .requiredOption('--data <file>', 'training data, one JSON object a line')
    .requiredOption('--to <dir>', 'where the model goes; absent or empty before')
    .option('--lr <x>', 'learning rate after the warm-up', decimal(0, 10), defaults.learningRate)
    .option(
      '--final-lr <x>',
      'learning rate of the last step, reached by a cosine (default: a tenth of --lr)',
      decimal(0, 10),
    )
    .option('--warmup <n>', 'warm-up steps', wholeNumber(0), defaults.warmupSteps)
    .option('--epochs <n>', 'times that each row is seen', wholeNumber(1), defaults.epochs)
    .option('--batch-size <n>', 'rows a step', wholeNumber(1), defaults.batchSize)
    .option(
      '--micro-batch-size <n>',
      'rows at once on one thread; bounds memory, part of the result’s last bits',
      wholeNumber(1),
      defaults.microBatchSize,
    )
    .option('--weight-decay <x>', 'decoupled, on all weights', decimal(0, 10), defaults.weightDecay)
    .option('--clip <x>', 'largest gradient norm; 0 = off', decimal(0, 1e9), defaults.clipNorm)
    .option('--dropout <p>', 'in training', decimal(0, 0.99), defaults.dropout)
    .option(
      '--lora-rank <n>',
      'train adapters of this rank, the rest stands still; 0 = all weights',
      wholeNumber(0, 4096),
      0,
    )
    .option('--lora-alpha <x>', 'an adapter counts alpha / rank', decimal(1e-6, 1e6), 16)
    .option('--lora-dropout <p>', 'of an adapter’s input', decimal(0, 0.99), 0)
    .option('--lora-targets <names>', 'linear layers that get one, such as q_proj,v_proj (default: all)')
    .option('--max-length <n>', 'tokens of a row at most (default: the model’s positions)', wholeNumber(2));
  if ('beta' in defaults)
    command.option('--beta <x>', 'how strongly the reference holds', decimal(1e-6, 1e6), defaults.beta);
  return withMachinery(command.option('--seed <n>', 'of the order of rows and of dropout', wholeNumber(0), 1))
    .addOption(memoryOption('training'))
    .option('--json', 'one JSON line at the end, progress off')
    .option('--quiet', 'no progress')
    .exitOverride()
    .showHelpAfterError('(add --help for the options)')
    .addHelpText('after', helpOf(objective))
    .action((model: string, options: Options) => train(objective, model, options));
}

const TRAINED = versionId('trained');

function optimizerOf(objective: Objective, o: Options): OptimizerConfig {
  if (o.lr === 0)
    throw new SoliloquyError('usage', '--lr 0 trains nothing', { fix: 'give a learning rate above 0' });
  const { beta1, beta2, epsilon } = resolveConfig({})[objective];
  return {
    learningRate: o.lr,
    // Without the noise of a division: 3e-4 gives 3e-5.
    finalLearningRate: o.finalLr ?? Number((o.lr / 10).toPrecision(12)),
    warmupSteps: o.warmup,
    epochs: o.epochs,
    batchSize: o.batchSize,
    microBatchSize: o.microBatchSize,
    weightDecay: o.weightDecay,
    clipNorm: o.clip,
    dropout: o.dropout,
    beta1,
    beta2,
    epsilon,
  };
}

type Read =
  | { readonly objective: 'sft'; readonly file: TrainingFile<SftText> }
  | { readonly objective: 'dpo'; readonly file: TrainingFile<DpoText> };

const read = async (objective: Objective, data: string): Promise<Read> =>
  objective === 'sft' ? { objective, file: await readSft(data) } : { objective, file: await readDpo(data) };

function encoded(
  given: Read,
  model: SharedModel,
  { data, beta }: Options,
  maxTokens: number,
): Encoded<TrainData> {
  const by = { tokenizer: model.tokenizer(MODEL), maxTokens, file: data };
  return given.objective === 'sft' ? sftData(given.file.rows, by) : dpoData(given.file.rows, by, beta!);
}

/** What `--to` becomes with it: a folder in PEFT's layout, on MODEL. */
function loraOf({ loraRank: rank, loraAlpha: alpha, loraDropout: dropout, loraTargets }: Options) {
  if (rank === 0) return {};
  const targets = (loraTargets ?? '').split(',').flatMap((name) => (name.trim() === '' ? [] : [name.trim()]));
  return { lora: { rank, alpha, dropout, targets } };
}

/** Before the first step: whether it fits into memory. */
function checkTraining(
  architecture: Architecture,
  data: TrainData,
  optimizer: OptimizerConfig,
  options: Options,
): void {
  const sequences = sequencesOf(data);
  const tokens = Math.max(0, ...sequences.flat().map(({ ids }) => ids.length));
  const sides = data.objective === 'dpo' ? 2 : 1;
  const shapeOf = (
    own: OptimizerConfig,
    { workers, lora }: { workers: number; lora?: LoraConfig },
  ): RunShape => ({
    architecture,
    workers,
    versions: 2,
    ...(lora && { lora }),
    trainings: [trainingOf(own, sides)],
    tokens,
    rows: 0,
  });
  const given = { workers: options.workers, ...loraOf(options) };
  const micro = Math.max(1, Math.floor(optimizer.microBatchSize / 2));
  checkShape('the training', shapeOf(optimizer, given), options.memory ?? memoryOfMachine(), () => [
    [`--micro-batch-size ${micro}`, shapeOf({ ...optimizer, microBatchSize: micro }, given)],
    ['--lora-rank 8', shapeOf(optimizer, { ...given, ...loraOf({ ...options, loraRank: 8 }) })],
    ['--workers 1', shapeOf(optimizer, { ...given, workers: 1 })],
  ]);
}

async function train(objective: Objective, name: string, options: Options): Promise<void> {
  const optimizer = optimizerOf(objective, options);
  const { dir } = modelArgument(await hubModel(name));
  const given = await read(objective, await dataPath(options.data));
  const base = await readCheckpoint(dir);
  const lora = loraOf(options);
  if (lora.lora) targetsOf(base.weights.architecture, lora.lora.targets);
  newFolder(options.to);
  await withLanguageModel(options, async (model) => {
    model.register(MODEL, base);
    const { maxPositions } = base.weights.architecture;
    const maxLength = Math.min(maxPositions, options.maxLength ?? maxPositions);
    const { data, tooLong } = encoded(given, model, options, maxLength);
    checkTraining(base.weights.architecture, data, optimizer, options);
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
        ...(data.objective === 'dpo' && { beta: data.beta }),
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
  { to, json }: Options,
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
