/**
 * A folder in PEFT's layout → what it adds to its base: adapter_config.json and adapter_model.safetensors. The base is a local folder,
 * named in the config as an absolute path, one from the adapter's folder, or one from where the program runs; it may be an
 * adapter itself. Reading is strict: what would change the numbers and isn't known here is refused.
 */
import { realpath, stat } from 'node:fs/promises';
import { isAbsolute, join, resolve } from 'node:path';
import { z } from 'zod';
import { SoliloquyError } from '../protocol/errors.js';
import type { Weights } from './engine.js';
import { exists, jsonOf } from './folder-files.js';
import { type LinearLayer, linearLayers, mergeLayer } from './lora.js';
import { openSafetensors, type SafetensorsFile } from './safetensors.js';
import { invalidCheckpoint, type TensorEntry } from './safetensors-header.js';

export const ADAPTER_CONFIG = 'adapter_config.json';
export const ADAPTER_MODEL = 'adapter_model.safetensors';
const PREFIX = 'base_model.model.';
/** Adapters on one another, at most. */
const MAX_CHAIN = 1000;

export const keysOf = (layer: string) => ({
  a: `${PREFIX}${layer}.lora_A.weight`,
  b: `${PREFIX}${layer}.lora_B.weight`,
});

const nothing = z.union([z.null(), z.record(z.string(), z.never()), z.array(z.never())]).optional();
const configSchema = z.looseObject({
  base_model_name_or_path: z.string().min(1),
  r: z.number().int().min(1),
  lora_alpha: z.number(),
  use_rslora: z.boolean().optional(),
});
/** What is not supported, unless it says nothing. */
const plainSchema = z.looseObject({
  peft_type: z.literal('LORA'),
  use_dora: z.literal(false).optional(),
  bias: z.literal('none').optional(),
  lora_bias: z.literal(false).optional(),
  modules_to_save: nothing,
  rank_pattern: nothing,
  alpha_pattern: nothing,
  layer_replication: nothing,
  trainable_token_indices: nothing,
  target_parameters: nothing,
});

export interface AdapterFolder {
  readonly dir: string;
  readonly base: string;
  readonly rank: number;
  readonly scaling: number;
}

const isFolder = (path: string): Promise<boolean> =>
  stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );

/** Null: the folder holds a whole model, or nothing of the kind. */
async function adapterIn(dir: string): Promise<AdapterFolder | null> {
  const file = join(dir, ADAPTER_CONFIG);
  if (await exists(join(dir, 'model.safetensors'))) return null;
  const raw = await jsonOf(file);
  if (raw === null) return null;
  const plain = plainSchema.safeParse(raw);
  if (!plain.success)
    throw new SoliloquyError('checkpoint.unsupported', `${file}: ${z.prettifyError(plain.error)}`, {
      file,
      fix: 'merge it where it was made (merge_and_unload) and name the merged model',
    });
  const config = configSchema.safeParse(raw);
  if (!config.success) throw invalidCheckpoint(file, z.prettifyError(config.error));
  const { r: rank, lora_alpha: alpha, use_rslora: root, base_model_name_or_path: base } = config.data;
  return { dir, base, rank, scaling: alpha / (root === true ? Math.sqrt(rank) : rank) };
}

/** The folder of an adapter's base; none there: `checkpoint.missing`. */
async function baseFolder({ dir, base }: AdapterFolder): Promise<string> {
  const places = isAbsolute(base) ? [base] : [resolve(dir, base), resolve(base)];
  for (const place of places) if (await isFolder(place)) return realpath(place);
  throw new SoliloquyError(
    'checkpoint.missing',
    `the adapter ${dir} stands on "${base}", and there is no such folder (looked at: ${places.join(', ')})`,
    {
      dir,
      base,
      fix: `put the base model there, or write its folder into base_model_name_or_path of ${join(dir, ADAPTER_CONFIG)}`,
    },
  );
}

export interface AdapterChain {
  /** Of the whole model. */
  readonly base: string;
  /** In the order in which they are added. */
  readonly adapters: readonly AdapterFolder[];
}

/** From a folder down to the whole model it stands on; a folder that is one stands on itself. */
export async function adapterChain(dir: string): Promise<AdapterChain> {
  const adapters: AdapterFolder[] = [];
  const seen = new Set<string>();
  for (let at = dir; ; ) {
    const adapter = await adapterIn(at);
    if (adapter === null) return { base: at, adapters: adapters.reverse() };
    const place = await realpath(at);
    if (seen.has(place) || seen.size === MAX_CHAIN)
      throw invalidCheckpoint(
        join(at, ADAPTER_CONFIG),
        `the adapter ${dir} stands on itself: ${[...seen].map((one) => JSON.stringify(one)).join(' → ')}`,
        { fix: 'name a base model in base_model_name_or_path' },
      );
    seen.add(place);
    adapters.push(adapter);
    at = await baseFolder(adapter);
  }
}

interface Pair {
  readonly layer: LinearLayer;
  readonly a: TensorEntry;
  readonly b: TensorEntry;
}

/** Names and shapes, before any number is read. */
function pairsIn(file: SafetensorsFile, { architecture }: Weights, rank: number): readonly Pair[] {
  const left = new Map(file.entries);
  const take = (name: string, shape: readonly number[]): TensorEntry | undefined => {
    const entry = left.get(name);
    left.delete(name);
    if (entry !== undefined && entry.shape.join() !== shape.join())
      throw invalidCheckpoint(
        file.path,
        `tensor "${name}" is [${entry.shape}], its base asks for [${shape}]`,
        {
          tensor: name,
        },
      );
    return entry;
  };
  const pairs = linearLayers(architecture).flatMap((layer): Pair[] => {
    const names = keysOf(layer.name);
    const a = take(names.a, [rank, layer.inSize]);
    const b = take(names.b, [layer.outSize, rank]);
    if (a && b) return [{ layer, a, b }];
    if (a || b)
      throw invalidCheckpoint(file.path, `tensor "${a ? names.b : names.a}" is missing`, {
        tensor: layer.name,
      });
    return [];
  });
  const [unknown] = left.keys();
  if (unknown !== undefined)
    throw invalidCheckpoint(file.path, `tensor "${unknown}" belongs to no layer that can be adapted here`, {
      tensor: unknown,
      fix: 'is it of another base model, or an adapter of embeddings or the head?',
    });
  return pairs;
}

/** Adds an adapter to its base's weights, in place. */
export async function addAdapter({ dir, rank, scaling }: AdapterFolder, weights: Weights): Promise<void> {
  const file = await openSafetensors(join(dir, ADAPTER_MODEL));
  try {
    for (const { layer, a, b } of pairsIn(file, weights, rank)) {
      const { parts, inSize, outSize } = layer;
      const numbers = { a: new Float32Array(rank * inSize), b: new Float32Array(outSize * rank) };
      await file.read(a, numbers.a);
      await file.read(b, numbers.b);
      mergeLayer({ parts, inSize, rank, scaling, ...numbers }, weights.data, weights.data);
    }
  } finally {
    await file.close();
  }
}
