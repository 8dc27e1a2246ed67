/**
 * `soliloquy export`: one model in a form that other programs run, or a run's log in a form that they read (export-run.ts).
 */
import { resolve } from 'node:path';
import { Command, Option } from 'commander';
import type { GgufDtype } from '../lm/gguf/values.js';
import { SoliloquyError } from '../protocol/errors.js';
import type { TrlStyle } from '../report/export-trl.js';
import { exportModel, isModelFormat, MODEL_FORMATS, type ModelFormat } from './export-model.js';
import { exportRun, RUN_FORMATS, type RunFormat } from './export-run.js';
import { hubModel } from './hub.js';
import { isRun, MODEL_HELP, type ModelArgument, modelArgument, runOrModel } from './model-argument.js';

interface Options {
  readonly format: ModelFormat | RunFormat;
  readonly to: string;
  readonly model?: string;
  readonly style?: TrlStyle;
  readonly dtype?: GgufDtype;
  readonly license?: string;
  readonly force?: true;
  readonly json?: true;
}

const EXAMPLES = `
Formats of a model:
  hf        config.json  generation_config.json  model.safetensors  tokenizer.json  tokenizer_config.json
            chat_template.jinja  README.md (the model card): the folder that transformers loads, float32
  gguf      model.gguf: llama.cpp and what is built on it; Llama, Mistral, Qwen2, Qwen3, with the tokenizer where llama.cpp has it
  onnx      below

Format onnx: one graph with a KV cache and float32 weights, in standard ONNX operators, and the files beside it that
transformers.js (Node and browsers) and onnxruntime-genai read:
  config.json  generation_config.json  genai_config.json  tokenizer.json  tokenizer_config.json  chat_template.jinja
  onnx/model.onnx
Weights of more than 1 GiB lie in onnx/model.onnx_data.

Formats of a run, made from its log in one pass:
  trl       preference.jsonl  kto.jsonl  sft.jsonl  judge.jsonl  positives.jsonl  README.md: TRL's dataset layouts
  otel      spans.jsonl: OpenTelemetry spans as OTLP/JSON, one a message, the parent is its cause
  perfetto  trace.json: for ui.perfetto.dev, a track for each role, arrows from cause to effect
  parquet   messages.parquet  judgements.parquet  pairs.parquet  metrics.parquet
How to load each of them: docs/export.md.

Examples
  soliloquy export runs/paper-1 --model M3 --to ./m3 --license apache-2.0
  soliloquy export runs/paper-1 --model M3 --format gguf --dtype f16 --to ./m3-gguf
  soliloquy export runs/paper-1/M3 --format onnx --to ./m3-onnx
  soliloquy export runs/paper-1 --model M3 --format onnx --to ./m3-onnx --force
  soliloquy export runs/paper-1 --format trl --to ./trl --style conversational
  soliloquy export runs/paper-1 --format parquet --to ./tables
  soliloquy export ./checkpoint --format onnx --to ./web/model --json     {"to":…,"files":[{"name":…,"bytes":…}],"missing":[]}`;

export function exportCommand(): Command {
  return new Command('export')
    .description(
      'a model for other programs (Hugging Face, GGUF, ONNX), or a run’s data and log (TRL, OpenTelemetry, Perfetto, Parquet)',
    )
    .argument('<model-or-run>', `${MODEL_HELP}; or RUN with --model; or RUN for a format of a run`)
    .addOption(
      new Option('--format <name>', 'what to write')
        .choices([...MODEL_FORMATS, ...RUN_FORMATS])
        .default('hf'),
    )
    .requiredOption('--to <dir>', 'where it goes; absent or empty before')
    .option('--model <version>', 'where <model> is a run: which of its versions, such as M3')
    .addOption(
      new Option(
        '--style <name>',
        'trl: texts as our models see them, or lists of messages for a chat template (default: as the run’s models were asked)',
      ).choices(['standard', 'conversational']),
    )
    .addOption(
      new Option('--dtype <name>', 'gguf: precision of the matrices (default: f32)').choices(['f32', 'f16']),
    )
    .option('--license <name>', 'hf, gguf: what the model card names as its license (default: unknown)')
    .option('--force', 'replace an earlier export in --to; files of other names stay')
    .option(
      '--json',
      '{"to":…,"format":…,"model":…,"weightsHash":…,"files":[…],"missing":[…]}, or {"to":…,"format":…,"run":…,"files":[{"name":…,"bytes":…,"rows":…}]}',
    )
    .addHelpText('after', EXAMPLES)
    .action(exportAny);
}

async function exportAny(name: string, options: Options): Promise<void> {
  const { format, model, style, dtype, license } = options;
  if (style !== undefined && format !== 'trl') throw wrong(`--style is of --format trl, not of ${format}`);
  if (dtype !== undefined && format !== 'gguf') throw wrong(`--dtype is of --format gguf, not of ${format}`);
  if (license !== undefined && format !== 'gguf' && format !== 'hf')
    throw wrong(`--license is of --format hf and gguf, not of ${format}`);
  if (isModelFormat(format)) return exportModel(subject(await hubModel(name), model), { ...options, format });
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
