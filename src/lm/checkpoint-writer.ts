/**
 * Memory → a checkpoint folder that transformers loads (the family's own class and layout, float32). Each file is written beside its final
 * name, synced, then renamed: under a final name stands a whole file or none. The weights come last, so a folder that has
 * them is complete.
 */
import { copyFile, type FileHandle, mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isSoliloquyError, reasonOf, SoliloquyError } from '../protocol/errors.js';
import type { Checkpoint } from './checkpoint.js';
import { CLASS_OF, configOf } from './model-config.js';
import { writeSafetensors } from './safetensors.js';
import { pack, storedTensors, viewOf } from './stored-layout.js';

/** A file that is whole or absent. */
export async function writeWhole(
  dir: string,
  name: string,
  fill: (handle: FileHandle) => Promise<void>,
): Promise<void> {
  const temporary = join(dir, `.${name}.${process.pid}.part`);
  try {
    const handle = await open(temporary, 'w');
    try {
      await fill(handle);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, join(dir, name));
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => undefined);
    if (isSoliloquyError(cause)) throw cause;
    throw new SoliloquyError(
      'log.write',
      `${join(dir, name)} can't be written: ${reasonOf(cause)}`,
      { file: join(dir, name), fix: 'Is the disk full, or the folder read-only?' },
      { cause },
    );
  }
}

export const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;

export function configJson({ config, weights, bosId, eosIds }: Checkpoint): Record<string, unknown> {
  const architectures = [CLASS_OF[weights.architecture.family]];
  const dtype = { architectures, dtype: 'float32', torch_dtype: 'float32' };
  if (config) return { ...config, ...dtype };
  return {
    ...configOf(weights.architecture),
    ...dtype,
    bos_token_id: bosId ?? null,
    eos_token_id: eosOf(eosIds),
  };
}

export const eosOf = (ids: readonly number[]): number | readonly number[] | null =>
  ids.length > 1 ? ids : (ids[0] ?? null);

export async function makeFolder(dir: string): Promise<void> {
  try {
    await mkdir(dir, { recursive: true });
  } catch (cause) {
    throw new SoliloquyError('log.write', `${dir} can't be made: ${reasonOf(cause)}`, { dir }, { cause });
  }
}

/** Names and contents of the tokenizer's files. */
export function tokenizerTexts(tokenizer: Checkpoint['tokenizer']): [string, string][] {
  if (!tokenizer) return [];
  const texts: [string, string][] = [['tokenizer.json', tokenizer.json]];
  if (tokenizer.config !== null) texts.push(['tokenizer_config.json', tokenizer.config]);
  if (tokenizer.chatTemplate !== undefined) texts.push(['chat_template.jinja', tokenizer.chatTemplate]);
  return texts;
}

/** Files of `checkpoint` that were there when it was read are written again as they were; only the weights are new. */
export async function writeCheckpoint(dir: string, checkpoint: Checkpoint): Promise<void> {
  await makeFolder(dir);
  const { weights, tokenizer, generationConfig, bosId, eosIds } = checkpoint;
  const generation = generationConfig ?? { bos_token_id: bosId ?? null, eos_token_id: eosOf(eosIds) };
  const texts: [string, string][] = [
    ['generation_config.json', json(generation)],
    ['config.json', json(configJson(checkpoint))],
    ...tokenizerTexts(tokenizer),
  ];
  for (const [name, text] of texts) await writeWhole(dir, name, (handle) => handle.writeFile(text));
  const tensors = storedTensors(weights.architecture).map((tensor) => ({
    name: tensor.name,
    shape: tensor.shape,
    data: viewOf(tensor, weights.data) ?? pack(tensor, weights.data),
  }));
  await writeWhole(dir, 'model.safetensors', (handle) => writeSafetensors(handle, tensors));
}

/** Of the tokenizer, read by transformers and by nobody here. */
const KEPT = ['special_tokens_map.json', 'added_tokens.json', 'vocab.json', 'merges.txt', 'tokenizer.model'];

/** A checkpoint for others: with its model card, and with the tokenizer's other files of the folder `from` that it was read from. */
export async function writeHubFolder(
  dir: string,
  checkpoint: Checkpoint,
  { card, from }: { readonly card: string; readonly from: string },
): Promise<void> {
  await writeCheckpoint(dir, checkpoint);
  await writeWhole(dir, 'README.md', (handle) => handle.writeFile(card));
  if (checkpoint.tokenizer === null) return;
  for (const name of KEPT) {
    const found = await stat(join(from, name)).catch(() => null);
    if (found?.isFile()) await copyFile(join(from, name), join(dir, name));
  }
}
