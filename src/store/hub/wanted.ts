/**
 * Owns: which files of a repository are taken: of a model the few that src/lm reads, of data those that src/data may read.
 * Never a pickle (.bin, .pt): such a file is a program.
 */
import { z } from 'zod';
import { reasonOf, SoliloquyError } from '../../protocol/errors.js';
import type { RemoteFile } from './client.js';
import { type HubId, hubText } from './hub-id.js';

export const CONFIG = 'config.json';
export const WEIGHTS = 'model.safetensors';
export const INDEX = 'model.safetensors.index.json';

/** Read where they are there. */
export const BESIDE = [
  'generation_config.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'chat_template.jinja',
] as const;

/** Larger is no such file. */
export const MAX_TEXT = 256 * 1024 * 1024;

const index = z.looseObject({ weight_map: z.record(z.string(), z.string()) });

/** Shards of an index: plain names beside it. */
export function shardsIn(what: string, text: string): readonly string[] {
  let map: Readonly<Record<string, string>>;
  try {
    map = index.parse(JSON.parse(text)).weight_map;
  } catch (cause) {
    throw invalid(what, `${INDEX} is no index of shards (${reasonOf(cause).slice(0, 200)})`);
  }
  const names = [...new Set(Object.values(map))].sort();
  const odd = names.find((name) => !/^[^/\\:]+\.safetensors$/.test(name));
  if (odd !== undefined)
    throw invalid(what, `${INDEX} names ${JSON.stringify(odd)}, which is no shard beside it`);
  if (names.length === 0) throw invalid(what, `${INDEX} names no shard`);
  return names;
}

const invalid = (what: string, why: string): SoliloquyError =>
  new SoliloquyError('hub.invalid', `${what}: ${why}`, { fix: 'name another revision or model' });

/** A model that can't be read here, told before anything is downloaded. */
export function checkModelFiles(id: HubId, files: ReadonlyMap<string, RemoteFile>): void {
  const lacks = (what: string, fix: string) =>
    new SoliloquyError('checkpoint.missing', `${hubText(id)} has no ${what}`, { id: hubText(id), fix });
  if (!files.has(CONFIG)) throw lacks(CONFIG, 'name a model repository of transformers');
  if (files.has(WEIGHTS) || files.has(INDEX)) return;
  const pickled = [...files.keys()].some((name) => /\.(bin|pt|pth)$/.test(name));
  throw lacks(
    `${WEIGHTS} and no ${INDEX}`,
    pickled
      ? 'it has pickled weights only, which are not loaded here: convert them with save_pretrained(safe_serialization=True), or name a revision with safetensors (often refs/pr/…)'
      : 'name a model with safetensors weights',
  );
}

const DATA = /\.(jsonl|json|ndjson)(\.gz)?$|\.parquet$/;
/** Told by its name here, since nothing has been read yet; what it is, is told from its content. */
const NO_DATA = /(^|\/)(dataset_infos?|config|tokenizer|vocab)\.json$|(^|\/)\./;

/** Data files at a path of a listing: that file, or those below that folder. */
export function dataFiles(id: HubId, files: readonly RemoteFile[]): readonly RemoteFile[] {
  const { path } = id;
  const named = files.filter((file) => file.path === path);
  if (named.length > 0) return named;
  const below = files.filter(
    (file) =>
      (path === null || file.path.startsWith(`${path}/`)) && DATA.test(file.path) && !NO_DATA.test(file.path),
  );
  if (below.length > 0) return below.toSorted((a, b) => (a.path < b.path ? -1 : 1));
  const some = files.slice(0, 8).map((file) => file.path);
  throw new SoliloquyError('hub.unavailable', `${hubText(id)} holds no data file`, {
    id: hubText(id),
    files: some,
    fix: `name a file of it after a colon${some.length > 0 ? `; it has ${some.join(', ')}` : ''}`,
  });
}
