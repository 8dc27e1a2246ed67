/**
 * A checkpoint folder in Hugging Face layout → memory. Reading is strict: every tensor of the architecture, no other, in the
 * right shape. Two exceptions carry no parameter of their own: `lm_head.weight` of a tied model where it equals the
 * embedding, and a family's buffers (stored-layout.ts), which are computed from the config.
 *
 * Nothing outside the folder is read by a name: an index names plain files beside it. A symbolic link that stands in the folder is
 * followed, wherever it leads, as Hugging Face's cache (snapshots/… → ../../blobs/…) needs it: who can make one there could put
 * the file itself. Only ordinary files are read. Memory for weights is taken once all shapes are those of the files.
 */
import { join } from 'node:path';
import { z } from 'zod';
import { SoliloquyError } from '../protocol/errors.js';
import { adapterChain, addAdapter } from './adapter-folder.js';
import { type Architecture, parametersOf } from './architecture.js';
import type { Weights } from './engine.js';
import { exists, jsonOf, textOf } from './folder-files.js';
import type { Adapter } from './lora.js';
import { architectureOf, tokenIdsOf } from './model-config.js';
import { inverseFrequencies } from './rope.js';
import { openSafetensors, type SafetensorsFile } from './safetensors.js';
import { invalidCheckpoint, type TensorEntry } from './safetensors-header.js';
import { isBuffer, knownAs, type StoredTensor, storedTensors, unpack, viewOf } from './stored-layout.js';
import { emptyWeights } from './weights.js';

/** Texts as they stood in the folder, so that what is written again is what was read. */
export interface TokenizerFiles {
  /** tokenizer.json */
  readonly json: string;
  /** tokenizer_config.json */
  readonly config: string | null;
  /** chat_template.jinja; absent where there is none. */
  readonly chatTemplate?: string;
}

export interface Checkpoint {
  readonly weights: Weights;
  /** null: token ids only. */
  readonly tokenizer: TokenizerFiles | null;
  readonly bosId: number | undefined;
  readonly eosIds: readonly number[];
  /** config.json and generation_config.json as read; null where there is none. */
  readonly config: Readonly<Record<string, unknown>> | null;
  readonly generationConfig: Readonly<Record<string, unknown>> | null;
  /** Of a version that was just trained: what made its weights out of its parent's. Never read from a folder. */
  readonly adapter?: Adapter;
}

const INDEX = 'model.safetensors.index.json';
const indexSchema = z.looseObject({ weight_map: z.record(z.string(), z.string()) });

/** Shard files of an index: plain names, beside it. */
async function shardNames(dir: string): Promise<readonly string[] | null> {
  const path = join(dir, INDEX);
  const raw = await jsonOf(path);
  if (raw === null) return null;
  const index = indexSchema.safeParse(raw);
  if (!index.success) throw invalidCheckpoint(path, z.prettifyError(index.error));
  const names = [...new Set(Object.values(index.data.weight_map))].sort();
  for (const name of names) {
    if (!/^[^/\\:\p{Cc}]+\.safetensors$/u.test(name))
      throw invalidCheckpoint(path, `shard "${name}" is not the name of a .safetensors file in this folder`, {
        shard: name,
      });
  }
  return names;
}

async function openAll(dir: string): Promise<readonly SafetensorsFile[]> {
  const single = join(dir, 'model.safetensors');
  if (await exists(single)) return [await openSafetensors(single)];
  const names = await shardNames(dir);
  if (names === null || names.length === 0)
    throw new SoliloquyError('checkpoint.missing', `${dir} has no model.safetensors and no ${INDEX}`, {
      dir,
      fix: 'Save the model with safe_serialization=True.',
    });
  const files: SafetensorsFile[] = [];
  try {
    for (const name of names) files.push(await openSafetensors(join(dir, name)));
    return files;
  } catch (error) {
    await closeAll(files);
    throw error;
  }
}

const closeAll = async (files: readonly SafetensorsFile[]): Promise<void> => {
  await Promise.all(files.map((file) => file.close()));
};

interface Found {
  readonly file: SafetensorsFile;
  readonly entry: TensorEntry;
}

function catalogueOf(files: readonly SafetensorsFile[], architecture: Architecture): Map<string, Found> {
  const found = new Map<string, Found>();
  for (const file of files) {
    for (const entry of file.entries.values()) {
      if (isBuffer(architecture, entry.name)) continue;
      const name = knownAs(architecture, entry.name);
      const other = found.get(name);
      if (other)
        throw invalidCheckpoint(file.path, `tensor "${entry.name}" stands in ${other.file.path} too`, {
          tensor: entry.name,
        });
      found.set(name, { file, entry });
    }
  }
  return found;
}

/** Names and shapes first, before any memory is taken. Returns the head of a tied model, if the files hold one. */
function checkTensors(
  dir: string,
  tensors: readonly StoredTensor[],
  found: Map<string, Found>,
  tied: boolean,
): Found | undefined {
  for (const { name, shape } of tensors) {
    const at = found.get(name);
    if (!at) throw invalidCheckpoint(dir, `tensor "${name}" is missing`, { tensor: name });
    if (at.entry.shape.join() !== shape.join())
      throw invalidCheckpoint(
        at.file.path,
        `tensor "${name}" is [${at.entry.shape}], the config asks for [${shape}]`,
        { tensor: name },
      );
  }
  const known = new Set(tensors.map(({ name }) => name));
  const rest = [...found].flatMap(([name, at]) => (known.has(name) ? [] : [at]));
  const head = tied ? rest.find(({ entry }) => entry.name === 'lm_head.weight') : undefined;
  const unknown = rest.find((at) => at !== head);
  if (unknown) {
    const { name } = unknown.entry;
    throw invalidCheckpoint(unknown.file.path, `tensor "${name}" has no place in this architecture`, {
      tensor: name,
      fix: 'Does config.json belong to these weights (tie_word_embeddings, attention_bias, num_hidden_layers)?',
    });
  }
  return head;
}

/** Sizes are known to be real by now. */
function checkRotation(dir: string, architecture: Architecture): void {
  const odd = inverseFrequencies(architecture).find((frequency) => !Number.isFinite(frequency));
  if (odd === undefined) return;
  throw invalidCheckpoint(join(dir, 'config.json'), `RoPE of these parameters turns by ${odd}`, {
    fix: 'Mend rope_theta and the scaling’s factors.',
  });
}

async function checkTiedHead(head: Found, embedding: Float32Array): Promise<void> {
  const differs = () =>
    invalidCheckpoint(head.file.path, 'the config says tied, but lm_head.weight is not the embedding', {
      tensor: 'lm_head.weight',
    });
  const data = new Float32Array(head.entry.shape.reduce((a, b) => a * b, 1));
  if (data.length !== embedding.length) throw differs();
  await head.file.read(head.entry, data);
  if (data.some((x, i) => x !== embedding[i])) throw differs();
}

async function readWeights(dir: string, architecture: Weights['architecture']): Promise<Weights> {
  const files = await openAll(dir);
  try {
    const tensors = storedTensors(architecture);
    const found = catalogueOf(files, architecture);
    const head = checkTensors(dir, tensors, found, architecture.tiedHead);
    checkRotation(dir, architecture);
    const weights = emptyWeights(architecture);
    for (const tensor of tensors) {
      const { file, entry } = found.get(tensor.name)!;
      const view = viewOf(tensor, weights.data);
      const numbers = view ?? new Float32Array(tensor.shape.reduce((a, b) => a * b, 1));
      await file.read(entry, numbers);
      if (view === undefined) unpack(tensor, numbers, weights.data);
    }
    if (head) await checkTiedHead(head, weights.data.subarray(0, parametersOf(architecture)[0]!.size));
    return weights;
  } finally {
    await closeAll(files);
  }
}

async function tokenizerIn(dir: string): Promise<TokenizerFiles | null> {
  const json = await textOf(join(dir, 'tokenizer.json'));
  if (json === null) return null;
  const config = await textOf(join(dir, 'tokenizer_config.json'));
  const chatTemplate = await textOf(join(dir, 'chat_template.jinja'));
  return { json, config, ...(chatTemplate !== null && { chatTemplate }) };
}

async function readWhole(dir: string): Promise<Omit<Checkpoint, 'tokenizer'>> {
  const configFile = join(dir, 'config.json');
  const config = await jsonOf(configFile);
  if (config === null)
    throw new SoliloquyError('checkpoint.missing', `${dir} has no config.json`, {
      dir,
      fix: 'Name a model folder in Hugging Face layout, or an adapter in PEFT’s.',
    });
  const architecture = architectureOf(configFile, config);
  const generationFile = join(dir, 'generation_config.json');
  const generationConfig = await jsonOf(generationFile);
  const ids = tokenIdsOf(generationFile, generationConfig, config);
  return { weights: await readWeights(dir, architecture), ...ids, config, generationConfig };
}

/** Of a folder in PEFT's layout: its base with all adapters merged, and the tokenizer that lies nearest. */
export async function readCheckpoint(dir: string): Promise<Checkpoint> {
  const { base, adapters } = await adapterChain(dir);
  const whole = await readWhole(base);
  for (const adapter of adapters) await addAdapter(adapter, whole.weights);
  return { ...whole, tokenizer: (await tokenizerIn(dir)) ?? (await tokenizerIn(base)) };
}
