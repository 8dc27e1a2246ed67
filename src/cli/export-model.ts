/**
 * `soliloquy export` of one model: a new folder in the form that another program runs. What fails leaves nothing behind.
 */
import { readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { sizeOf } from '../lm/architecture.js';
import { chatTemplateText } from '../lm/chat-template.js';
import { type Checkpoint, readCheckpoint } from '../lm/checkpoint.js';
import { writeHubFolder } from '../lm/checkpoint-writer.js';
import { checkGguf } from '../lm/gguf/architecture.js';
import type { GgufDtype } from '../lm/gguf/values.js';
import { writeGguf } from '../lm/gguf/write.js';
import { generationConfig, specialIds } from '../lm/onnx/export-config.js';
import { checkExportable, holdsAnotherModel, writeOnnxFolder } from '../lm/onnx/export-folder.js';
import { weightsHash } from '../lm/weights.js';
import { isSoliloquyError, SoliloquyError } from '../protocol/errors.js';
import { modelCard } from '../report/model-card.js';
import { cardRun } from '../report/model-card-run.js';
import { openRecord } from '../report/run-record.js';
import type { ModelArgument } from './model-argument.js';
import { fillFolder, newFolder } from './new-folder.js';
import { printJson, sizeText } from './options.js';
import { packageVersion } from './package.js';
import { runArgument } from './run-argument.js';

export const MODEL_FORMATS = ['onnx', 'hf', 'gguf'] as const;
export type ModelFormat = (typeof MODEL_FORMATS)[number];

export const isModelFormat = (format: string): format is ModelFormat =>
  MODEL_FORMATS.some((one) => one === format);

export interface ModelExport {
  readonly format: ModelFormat;
  readonly to: string;
  readonly dtype?: GgufDtype;
  readonly license?: string;
  readonly force?: true;
  readonly json?: true;
}

interface Exporting extends ModelExport {
  readonly model: ModelArgument;
  readonly checkpoint: Checkpoint;
  readonly hash: string;
}

/** What was written, where the main thing is, and what a reader should know of it. */
interface Told {
  readonly main: string;
  readonly files: readonly { readonly name: string; readonly bytes: number }[];
  readonly missing: readonly string[];
  readonly notes: readonly string[];
}

const GGUF_FILE = 'model.gguf';

/** An earlier export that --force may replace: one that can't be anything else. */
function isEarlier(format: ModelFormat, names: readonly string[]): boolean {
  if (format === 'gguf') return names.every((name) => name === GGUF_FILE);
  return format === 'onnx' && !holdsAnotherModel(names);
}

/** A folder to write to: new, or with --force one that holds an earlier export. True: something is there. */
function targetFolder({ format, to, force }: ModelExport, dir: string): boolean {
  try {
    newFolder(to);
    return false;
  } catch (error) {
    if (!isSoliloquyError(error) || error.code !== 'run.exists') throw error;
    if (realpathSync(to) === realpathSync(dir) || !isEarlier(format, readdirSync(to)))
      throw new SoliloquyError('run.exists', `--to ${to} holds a model or a run that is no earlier export`, {
        dir: to,
        fix: 'name another folder with --to',
      });
    if (!force)
      throw new SoliloquyError('run.exists', error.message, {
        ...error.fields,
        fix: 'name another folder with --to, or add --force to replace an earlier export there',
      });
    return true;
  }
}

/** What the format can't hold is refused before anything is written. */
function check(format: ModelFormat, checkpoint: Checkpoint): void {
  if (format === 'onnx') checkExportable(checkpoint);
  if (format === 'gguf') checkGguf(checkpoint.weights.architecture);
}

const titleOf = ({ dir, run }: ModelArgument): string =>
  run ? `${basename(run.path)}/${run.version}` : basename(realpathSync(dir));

async function cardOf({ model, checkpoint, hash, license }: Exporting): Promise<string> {
  const { architecture } = checkpoint.weights;
  const { tokenizer } = checkpoint;
  const facts = {
    title: titleOf(model),
    family: architecture.family,
    parameters: sizeOf(architecture),
    context: architecture.maxPositions,
    weightsHash: hash,
    soliloquy: packageVersion(),
    license: license ?? null,
    tokenizer: tokenizer !== null,
    chatTemplate: tokenizer !== null && chatTemplateText(tokenizer) !== null,
  };
  if (!model.run) return modelCard({ ...facts, run: null });
  const run = runArgument(model.run.path);
  const record = await openRecord(run);
  try {
    const said = record.weightsOf(model.run.version);
    if (said !== null && said !== hash)
      throw new SoliloquyError(
        'checkpoint.invalid',
        `${model.dir} has weights ${hash.slice(0, 12)}, the run's log says ${said.slice(0, 12)}`,
        { dir: model.dir, fix: 'soliloquy replay RUN --verify tells what else is not as it was' },
      );
    const config = readFileSync(run.folder.config, 'utf8');
    return modelCard({ ...facts, run: cardRun(record, model.run.version, config) });
  } finally {
    record.index.close();
  }
}

const filesIn = (dir: string): Told['files'] =>
  readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => ({ name: path.slice(dir.length + 1), bytes: statSync(path).size }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));

async function writeHub(dir: string, exporting: Exporting): Promise<Told> {
  const { checkpoint, model } = exporting;
  const card = await cardOf(exporting);
  const generation = generationConfig(checkpoint, specialIds(checkpoint));
  await writeHubFolder(dir, { ...checkpoint, generationConfig: generation }, { card, from: model.dir });
  const missing = checkpoint.tokenizer === null ? ['tokenizer.json'] : [];
  return { main: '.', files: filesIn(dir), missing, notes: [] };
}

async function writeGgufFile(dir: string, exporting: Exporting): Promise<Told> {
  const { checkpoint, model, hash, license, dtype = 'f32' } = exporting;
  const metadata = { version: packageVersion(), weights_hash: hash };
  const options = { dtype, name: titleOf(model), metadata, ...(license !== undefined && { license }) };
  const { noVocabulary, notes } = await writeGguf(dir, GGUF_FILE, checkpoint, options);
  const told = { main: GGUF_FILE, files: filesIn(dir) };
  if (noVocabulary === null) return { ...told, missing: [], notes };
  const said = `no tokenizer is in the file (tokenizer.ggml.model = no_vocab), so llama.cpp takes and gives token ids only: ${noVocabulary}`;
  return { ...told, missing: ['tokenizer'], notes: [said, ...notes] };
}

async function writeOnnx(dir: string, { checkpoint, hash }: Exporting): Promise<Told> {
  const metadata = { soliloquy: packageVersion(), weightsHash: hash };
  const { files, missing } = await writeOnnxFolder(dir, checkpoint, { metadata });
  const notes =
    missing.length === 0
      ? []
      : [
          `the model has no tokenizer: ${missing.join(' and ')} are missing, so runtimes take and give token ids only`,
        ];
  return { main: join('onnx', 'model.onnx'), files, missing, notes };
}

const WRITE: Readonly<Record<ModelFormat, (dir: string, exporting: Exporting) => Promise<Told>>> = {
  onnx: writeOnnx,
  hf: writeHub,
  gguf: writeGgufFile,
};

export async function exportModel(model: ModelArgument, options: ModelExport): Promise<void> {
  const { format, to, json } = options;
  const checkpoint = await readCheckpoint(model.dir);
  check(format, checkpoint);
  const taken = targetFolder(options, model.dir);
  const { architecture } = checkpoint.weights;
  const parameters = sizeOf(architecture);
  if (!json)
    process.stderr.write(
      `${format}: ${millions(parameters)} parameters in ${architecture.layers} layers, ${model.dir} → ${to}\n`,
    );
  const hash = weightsHash(checkpoint.weights);
  const exporting = { ...options, model, checkpoint, hash };
  const write = (dir: string) => WRITE[format](dir, exporting);
  const told = taken ? await write(to) : await fillFolder(to, write);
  if (!json) return tell(to, hash, told);
  const { files, missing, notes } = told;
  const more = notes.length > 0 ? { notes } : {};
  printJson({ to, format, model: model.dir, weightsHash: hash, parameters, files, missing, ...more });
}

function tell(to: string, hash: string, { main, files, notes }: Told): void {
  const width = Math.max(...files.map(({ name }) => name.length));
  for (const { name, bytes } of files) process.stderr.write(`  ${name.padEnd(width)}  ${sizeText(bytes)}\n`);
  for (const note of notes) process.stderr.write(`${note}\n`);
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  process.stdout.write(
    `${join(to, main)}: ${files.length} file${files.length === 1 ? '' : 's'}, ${sizeText(bytes)}, weights ${hash.slice(0, 16)}\n`,
  );
}

const millions = (count: number): string => `${(count / 1e6).toPrecision(3)}M`;
