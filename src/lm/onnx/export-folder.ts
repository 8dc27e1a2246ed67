/**
 * A checkpoint → the folder that transformers.js and onnxruntime-genai load. Each file is whole or absent, the model comes
 * last. What stands in the folder under other names is left alone.
 */
import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { reasonOf, SoliloquyError } from '../../protocol/errors.js';
import type { Checkpoint } from '../checkpoint.js';
import { writeWhole } from '../checkpoint-writer.js';
import {
  genaiConfig,
  generationConfig,
  hostConfig,
  jsonText,
  specialIds,
  tokenizerConfig,
} from './export-config.js';
import { exportGraph } from './export-graph.js';
import { type FileLimits, isDataFile, MODEL_FILE, modelFiles } from './model-file.js';

const TOKENIZER = ['tokenizer.json', 'tokenizer_config.json'];
/** By this one an export is known; so it comes first and goes last. */
const MARK = 'genai_config.json';
const TEMPLATE = 'chat_template.jinja';
const JSON_FILES = ['config.json', 'generation_config.json', ...TOKENIZER, TEMPLATE, MARK];
/** Where transformers.js looks. */
const SUBFOLDER = 'onnx';

export interface Exported {
  /** Names from the folder on, in the order they were written. */
  readonly files: readonly { readonly name: string; readonly bytes: number }[];
  /** Files that the runtimes would read but the checkpoint has nothing for. */
  readonly missing: readonly string[];
}

export interface ExportOptions {
  /** Kept in the model file. */
  readonly metadata?: Readonly<Record<string, string>>;
  readonly limits?: FileLimits;
}

export async function writeOnnxFolder(
  dir: string,
  checkpoint: Checkpoint,
  { metadata = {}, limits }: ExportOptions = {},
): Promise<Exported> {
  checkExportable(checkpoint);
  const models = modelFiles({ ...exportGraph(checkpoint.weights).record(), metadata }, limits);
  const texts = textsOf(checkpoint, models.filter(({ name }) => isDataFile(name)).length);
  await clear(dir);
  const files: { name: string; bytes: number }[] = [];
  const written = async (name: string): Promise<void> => {
    files.push({ name, bytes: (await stat(join(dir, name))).size });
  };
  for (const [name, text] of texts) {
    await writeWhole(dir, name, (handle) => handle.writeFile(text));
    await written(name);
  }
  for (const { name, write } of models) {
    await writeWhole(join(dir, SUBFOLDER), name, write);
    await written(`${SUBFOLDER}/${name}`);
  }
  return { files, missing: checkpoint.tokenizer === null ? TOKENIZER : [] };
}

function textsOf(checkpoint: Checkpoint, dataFiles: number): readonly (readonly [string, string])[] {
  const { tokenizer } = checkpoint;
  const ids = specialIds(checkpoint);
  return [
    [MARK, jsonText(genaiConfig(checkpoint, ids))],
    ['config.json', jsonText(hostConfig(checkpoint, dataFiles))],
    ['generation_config.json', jsonText(generationConfig(checkpoint, ids))],
    ...(tokenizer === null
      ? []
      : ([
          ['tokenizer.json', tokenizer.json],
          ['tokenizer_config.json', tokenizerConfig(checkpoint, ids)],
        ] as const)),
    ...(tokenizer?.chatTemplate === undefined ? [] : ([[TEMPLATE, tokenizer.chatTemplate]] as const)),
  ];
}

/** Whether a folder holds files that an export would replace and that are of no earlier export: a model's, a run's. */
export function holdsAnotherModel(names: readonly string[]): boolean {
  return !names.includes(MARK) && names.some((name) => JSON_FILES.includes(name));
}

/** What a graph for other runtimes can be made of; asked before anything is written. */
export function checkExportable({ weights }: Checkpoint): void {
  const { family } = weights.architecture;
  if (family === 'llama') return;
  throw new SoliloquyError(
    'checkpoint.unsupported',
    `a model of the family "${family}" (model_type) can't be exported as ONNX yet, only one of "llama"`,
    { family, fix: 'The checkpoint itself is in Hugging Face layout: optimum exports it.' },
  );
}

/** An earlier export goes first, the model before all: no file of it must be taken for one of this. */
async function clear(dir: string): Promise<void> {
  const inside = join(dir, SUBFOLDER);
  try {
    await mkdir(inside, { recursive: true });
    await rm(join(inside, MODEL_FILE), { force: true });
    for (const name of await readdir(inside)) if (isDataFile(name)) await rm(join(inside, name));
    for (const name of JSON_FILES) await rm(join(dir, name), { force: true });
  } catch (cause) {
    throw new SoliloquyError(
      'log.write',
      `${dir} can't be written: ${reasonOf(cause)}`,
      { dir, fix: 'name a folder that can be written' },
      { cause },
    );
  }
}
