/**
 * `soliloquy export`: one model in a form that other programs run, or a run's log in a form that they read (export-run.ts).
 */
import { readdirSync, realpathSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Command, Option } from 'commander';
import { sizeOf } from '../lm/architecture.js';
import { readCheckpoint } from '../lm/checkpoint.js';
import {
  checkExportable,
  type Exported,
  holdsAnotherModel,
  writeOnnxFolder,
} from '../lm/onnx/export-folder.js';
import { weightsHash } from '../lm/weights.js';
import { isSoliloquyError, SoliloquyError } from '../protocol/errors.js';
import type { TrlStyle } from '../report/export-trl.js';
import { exportRun, isRunFormat, RUN_FORMATS, type RunFormat } from './export-run.js';
import { hubModel } from './hub.js';
import { isRun, MODEL_HELP, type ModelArgument, modelArgument, runOrModel } from './model-argument.js';
import { newFolder } from './new-folder.js';
import { printJson, sizeText } from './options.js';
import { packageVersion } from './package.js';

/** What is made of a model. */
const MODEL_FORMATS = ['onnx'] as const;
type ModelFormat = (typeof MODEL_FORMATS)[number];

interface Options {
  readonly format: ModelFormat | RunFormat;
  readonly to: string;
  readonly model?: string;
  readonly style?: TrlStyle;
  readonly force?: true;
  readonly json?: true;
}

const EXAMPLES = `
Format onnx: one graph with a KV cache and float32 weights, in standard ONNX operators, and the files beside it that
transformers.js (Node and browsers) and onnxruntime-genai read:
  config.json  generation_config.json  genai_config.json  tokenizer.json  tokenizer_config.json  onnx/model.onnx
Weights of more than 1 GiB lie in onnx/model.onnx_data.

Formats of a run, made from its log in one pass:
  trl       preference.jsonl  kto.jsonl  sft.jsonl  judge.jsonl  positives.jsonl  README.md: TRL's dataset layouts
  otel      spans.jsonl: OpenTelemetry spans as OTLP/JSON, one a message, the parent is its cause
  perfetto  trace.json: for ui.perfetto.dev, a track for each role, arrows from cause to effect
  parquet   messages.parquet  judgements.parquet  pairs.parquet  metrics.parquet
How to load each of them: docs/export.md.

Examples
  soliloquy export runs/paper-1/M3 --to ./m3-onnx
  soliloquy export runs/paper-1 --model M3 --to ./m3-onnx --force
  soliloquy export runs/paper-1 --format trl --to ./trl --style conversational
  soliloquy export runs/paper-1 --format parquet --to ./tables
  soliloquy export ./checkpoint --format onnx --to ./web/model --json     {"to":…,"files":[{"name":…,"bytes":…}],"missing":[]}`;

export function exportCommand(): Command {
  return new Command('export')
    .description(
      'a model for other programs (ONNX), or a run’s data and log (TRL, OpenTelemetry, Perfetto, Parquet)',
    )
    .argument('<model-or-run>', `${MODEL_HELP}; or RUN with --model; or RUN for a format of a run`)
    .addOption(
      new Option('--format <name>', 'what to write')
        .choices([...MODEL_FORMATS, ...RUN_FORMATS])
        .default('onnx'),
    )
    .requiredOption('--to <dir>', 'where it goes; absent or empty before')
    .option('--model <version>', 'where <model> is a run: which of its versions, such as M3')
    .addOption(
      new Option(
        '--style <name>',
        'trl: texts as our models see them, or lists of messages for a chat template (default: as the run’s models were asked)',
      ).choices(['standard', 'conversational']),
    )
    .option('--force', 'replace an earlier export in --to; files of other names stay')
    .option(
      '--json',
      '{"to":…,"format":…,"model":…,"weightsHash":…,"files":[…],"missing":[…]}, or {"to":…,"format":…,"run":…,"files":[{"name":…,"bytes":…,"rows":…}]}',
    )
    .addHelpText('after', EXAMPLES)
    .action(exportAny);
}

async function exportAny(name: string, options: Options): Promise<void> {
  const { format, model, style } = options;
  if (style !== undefined && format !== 'trl') throw wrong(`--style is of --format trl, not of ${format}`);
  if (!isRunFormat(format)) return exportModel(name, { ...options, format });
  if (model !== undefined)
    throw wrong(`--format ${format} is made of a whole run: --model has no place there`);
  return exportRun(name, { ...options, format });
}

const wrong = (message: string) => new SoliloquyError('usage', message, { fix: 'leave that flag out' });

function subject(name: string, version: string | undefined): ModelArgument {
  if (version === undefined) return modelArgument(name);
  if (isRun(resolve(name))) return runOrModel(name, version);
  const model = modelArgument(name);
  if (model.run?.version === version) return model;
  throw new SoliloquyError('usage', `--model ${version}: ${name} is one model, not a run`, {
    fix: 'leave --model out, or name the run’s folder',
  });
}

/** A folder to write to: new, or with --force one that holds an earlier export, or nothing of that kind. */
function targetFolder(to: string, dir: string, force: boolean): void {
  try {
    newFolder(to);
  } catch (error) {
    if (!isSoliloquyError(error) || error.code !== 'run.exists') throw error;
    if (realpathSync(to) === realpathSync(dir) || holdsAnotherModel(readdirSync(to)))
      throw new SoliloquyError('run.exists', `--to ${to} holds a model or a run that is no earlier export`, {
        dir: to,
        fix: 'name another folder with --to',
      });
    if (!force)
      throw new SoliloquyError('run.exists', error.message, {
        ...error.fields,
        fix: 'name another folder with --to, or add --force to replace an earlier export there',
      });
  }
}

async function exportModel(
  name: string,
  { format, to, model, force, json }: Options & { readonly format: ModelFormat },
): Promise<void> {
  const { dir } = subject(await hubModel(name), model);
  const checkpoint = await readCheckpoint(dir);
  checkExportable(checkpoint);
  targetFolder(to, dir, force === true);
  const { architecture } = checkpoint.weights;
  const parameters = sizeOf(architecture);
  if (!json)
    process.stderr.write(
      `${format}: ${millions(parameters)} parameters in ${architecture.layers} layers, ${dir} → ${to}\n`,
    );
  const hash = weightsHash(checkpoint.weights);
  const metadata = { soliloquy: packageVersion(), weightsHash: hash };
  const exported = await writeOnnxFolder(to, checkpoint, { metadata });
  if (json) printJson({ to, format, model: dir, weightsHash: hash, parameters, ...exported });
  else tell(to, hash, exported);
}

function tell(to: string, hash: string, { files, missing }: Exported): void {
  const width = Math.max(...files.map(({ name }) => name.length));
  for (const { name, bytes } of files) process.stderr.write(`  ${name.padEnd(width)}  ${sizeText(bytes)}\n`);
  if (missing.length > 0)
    process.stderr.write(
      `the model has no tokenizer: ${missing.join(' and ')} are missing, so runtimes take and give token ids only\n`,
    );
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  process.stdout.write(
    `${join(to, 'onnx', 'model.onnx')}: ${files.length} files, ${sizeText(bytes)}, weights ${hash.slice(0, 16)}\n`,
  );
}

const millions = (count: number): string => `${(count / 1e6).toPrecision(3)}M`;
