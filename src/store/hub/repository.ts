/**
 * Owns: bringing what a Hub id names into the cache (`fetchModel`, `fetchData`), and finding it there without a network
 * (`cachedModel`, `cachedData`). A revision is turned into its commit once, and what comes back names that commit: whoever
 * keeps that name asks nobody again.
 */
import { readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { SoliloquyError } from '../../protocol/errors.js';
import {
  cachedCommit,
  cachedFile,
  cacheRoot,
  keepAbsent,
  keepList,
  keepRef,
  knownAbsent,
  linkBlob,
  listed,
  snapshotFolder,
} from './cache.js';
import { commitOf, filesOf, isOffline, malformed, type RemoteFile } from './client.js';
import { downloadBlob } from './download.js';
import { type HubId, hubText, isCommit, isHubId, parseHubId } from './hub-id.js';
import { BESIDE, CONFIG, checkModelFiles, dataFiles, INDEX, MAX_TEXT, shardsIn, WEIGHTS } from './wanted.js';

/** Told while a file is loaded. */
export interface Download {
  readonly repo: string;
  readonly file: string;
  readonly done: number;
  readonly bytes: number;
}
export type OnDownload = (download: Download) => void;

export interface Cached {
  /** The id with its commit: what a run's config keeps. */
  readonly pinned: string;
  /** Folder of a model, file of data. */
  readonly path: string;
}

const pin = (id: HubId, revision: string): HubId => ({ ...id, revision });

/** Not in the cache, and nobody is to be asked. */
const missing = (id: HubId, what: string): SoliloquyError =>
  new SoliloquyError('hub.unavailable', `${hubText(id)}: ${what} is not in the cache ${cacheRoot()}`, {
    id: hubText(id),
    missing: what,
    fix: isOffline()
      ? 'load it once without --offline and HF_HUB_OFFLINE, or set HF_HOME to the folder that holds it'
      : `load it once with a network: soliloquy ${id.type === 'dataset' ? `data ${hubText(id)}` : `generate ${hubText(id)} --prompt "…"`}`,
  });

function modelId(text: string): HubId {
  const id = parseHubId(text);
  if (id.type === 'model' && id.path === null) return id;
  throw new SoliloquyError('usage', `${text} names ${id.type === 'model' ? 'a file' : 'data'}, not a model`, {
    id: text,
    fix: 'name a model as hf:org/name or hf:org/name@revision',
  });
}

/** What of a model's files is missing; `sure`: files that were never asked for count too. */
function lacking(id: HubId, commit: string, sure: boolean): string | null {
  const has = (path: string) => cachedFile(id, commit, path) !== null;
  if (!has(CONFIG)) return CONFIG;
  if (sure) {
    const unknown = BESIDE.find((name) => !has(name) && !knownAbsent(id, commit, name));
    if (unknown) return unknown;
  }
  if (has(WEIGHTS)) return null;
  const index = cachedFile(id, commit, INDEX);
  if (index === null) return WEIGHTS;
  return shardsIn(hubText(id), readFileSync(index, 'utf8')).find((name) => !has(name)) ?? null;
}

/** A model's folder as the cache has it; no network. An id without a commit means what it was when last asked for. */
export function cachedModel(text: string): Cached {
  const id = modelId(text);
  const commit = cachedCommit(id);
  if (commit === null) throw missing(id, `revision ${id.revision}`);
  const lacks = lacking(id, commit, false);
  if (lacks !== null) throw missing(pin(id, commit), lacks);
  return { pinned: hubText(pin(id, commit)), path: snapshotFolder(id, commit) };
}

/** A model's folder, loaded where it isn't whole in the cache. A commit that is whole asks nobody. */
export async function fetchModel(text: string, onDownload: OnDownload): Promise<Cached> {
  const id = modelId(text);
  if (isOffline()) return cachedModel(text);
  if (isCommit(id.revision) && lacking(id, id.revision, true) === null) return cachedModel(text);
  const commit = await commitOf(id);
  const pinned = pin(id, commit);
  if (lacking(id, commit, true) !== null) await loadModel(pinned, onDownload);
  keepRef(id, commit);
  return cachedModel(hubText(pinned));
}

async function loadModel(id: HubId, onDownload: OnDownload): Promise<void> {
  const listed = await filesOf(id, null, false);
  const files = new Map(listed.map((file) => [file.path, file]));
  checkModelFiles(id, files);
  for (const name of [...BESIDE, WEIGHTS, INDEX]) if (!files.has(name)) keepAbsent(id, id.revision, name);
  const load = (name: string) => loadFile(id, files.get(name)!, onDownload);
  const texts = [CONFIG, ...BESIDE, ...(files.has(WEIGHTS) ? [] : [INDEX])].filter((name) => files.has(name));
  for (const name of texts) {
    const { bytes } = files.get(name)!;
    if (bytes > MAX_TEXT) throw malformed(hubText(id), `${name} of ${bytes} bytes is no such file`);
    await load(name);
  }
  if (files.has(WEIGHTS)) return load(WEIGHTS);
  const index = readFileSync(cachedFile(id, id.revision, INDEX)!, 'utf8');
  for (const name of shardsIn(hubText(id), index)) {
    if (!files.has(name)) throw malformed(hubText(id), `${INDEX} names ${name}, which the repository lacks`);
    await load(name);
  }
}

async function loadFile(id: HubId, file: RemoteFile, onDownload: OnDownload): Promise<void> {
  if (cachedFile(id, id.revision, file.path) !== null) return;
  const tell = (done: number) =>
    onDownload({ repo: hubText({ ...id, path: null }), file: file.path, done, bytes: file.bytes });
  await downloadBlob(id, id.revision, file, tell);
  await linkBlob(id, id.revision, file.path, file.etag);
}

/** Data files of a commit as the cache has them: the named one, or all that were listed for the named folder. */
function cachedDataOf(id: HubId): readonly Cached[] {
  const isFile = id.path !== null && cachedFile(id, id.revision, id.path) !== null;
  const names = isFile ? [id.path] : listed(id);
  if (names === null) throw missing(id, id.path ?? 'the list of its files');
  return names.map((path) => {
    const file = cachedFile(id, id.revision, path);
    if (file === null) throw missing(id, path);
    return { pinned: hubText({ ...id, path }), path: file };
  });
}

/** Data files in the cache; no network. */
export function cachedData(text: string): readonly Cached[] {
  const id = parseHubId(text);
  const commit = cachedCommit(id);
  if (commit === null) throw missing(id, `revision ${id.revision}`);
  return cachedDataOf(pin(id, commit));
}

/** Data files that an id names, loaded where they aren't in the cache. A file of a commit that is there asks nobody. */
export async function fetchData(text: string, onDownload: OnDownload): Promise<readonly Cached[]> {
  const id = parseHubId(text);
  if (isOffline()) return cachedData(text);
  if (isCommit(id.revision) && id.path !== null && cachedFile(id, id.revision, id.path))
    return cachedData(text);
  const commit = await commitOf(id);
  const pinned = pin(id, commit);
  const folder = id.path?.includes('/') ? posix.dirname(id.path) : null;
  const files = dataFiles(pinned, await filesOf(pinned, folder, true));
  for (const file of files) await loadFile(pinned, file, onDownload);
  keepList(
    pinned,
    files.map(({ path }) => path),
  );
  keepRef(id, commit);
  return cachedDataOf(pinned);
}

/** A model's folder, whether it is named by a folder or by a Hub id in the cache. */
export const modelFolder = (text: string): string => (isHubId(text) ? cachedModel(text).path : text);

/** A data file, whether it is named by a path or by a Hub id in the cache. */
export function dataFile(text: string): string {
  if (!isHubId(text)) return text;
  return onlyOne(text, cachedData(text)).path;
}

/** Where one file is wanted. */
export function onlyOne(text: string, files: readonly Cached[]): Cached {
  if (files.length === 1) return files[0]!;
  const some = files.slice(0, 8).map(({ pinned }) => parseHubId(pinned).path);
  throw new SoliloquyError('usage', `${text} holds ${files.length} data files, and one is wanted`, {
    id: text,
    files: some,
    fix: `name one after a colon, such as ${files[0]?.pinned}; there are ${some.join(', ')}`,
  });
}
