/**
 * Owns: the Hub's standard cache, shared with Python's huggingface_hub: where it lies and what is in it.
 *
 *   models--org--name/blobs/<etag>              a file's bytes, by their checksum
 *   models--org--name/snapshots/<commit>/<path> links to blobs
 *   models--org--name/refs/<revision>           the commit of a branch or tag
 *   models--org--name/.no_exist/<commit>/<path> known not to be in the repository
 *   models--org--name/.soliloquy/<commit>/…     ours: which data files a commit has
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, statSync, symlinkSync } from 'node:fs';
import { copyFile, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { z } from 'zod';
import { writeAtomic } from '../files.js';
import { type HubId, isCommit, pathFault } from './hub-id.js';

const listSchema = z.array(z.string());

type Environment = Readonly<Record<string, string | undefined>>;
export type Repo = Pick<HubId, 'type' | 'name'>;

/** HF_HUB_CACHE, else HF_HOME/hub, else ~/.cache/huggingface/hub, as huggingface_hub has it. */
export function cacheRoot(env: Environment = process.env): string {
  const own = env.HF_HUB_CACHE || env.HUGGINGFACE_HUB_CACHE;
  if (own) return own.replace(/^~(?=\/|$)/, homedir());
  const home = env.HF_HOME || join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'huggingface');
  return join(home.replace(/^~(?=\/|$)/, homedir()), 'hub');
}

export const repoFolder = ({ type, name }: Repo): string =>
  join(cacheRoot(), [`${type}s`, ...name.split('/')].join('--'));

export const snapshotFolder = (repo: Repo, commit: string): string =>
  join(repoFolder(repo), 'snapshots', commit);

/** The commit that a revision was when it was last asked for, or null. */
export function cachedCommit({ revision, ...repo }: HubId): string | null {
  if (isCommit(revision)) return revision;
  try {
    const commit = readFileSync(join(repoFolder(repo), 'refs', revision), 'utf8').trim();
    return isCommit(commit) ? commit : null;
  } catch {
    return null;
  }
}

export function keepRef({ revision, ...repo }: HubId, commit: string): void {
  if (isCommit(revision)) return;
  const file = join(repoFolder(repo), 'refs', revision);
  mkdirSync(dirname(file), { recursive: true });
  writeAtomic(file, commit);
}

/** The file in the cache, or null; a link without its blob is none. */
export function cachedFile(repo: Repo, commit: string, path: string): string | null {
  const file = join(snapshotFolder(repo, commit), path);
  return statSync(file, { throwIfNoEntry: false })?.isFile() ? file : null;
}

const absentFile = (repo: Repo, commit: string, path: string): string =>
  join(repoFolder(repo), '.no_exist', commit, path);

export const knownAbsent = (repo: Repo, commit: string, path: string): boolean =>
  existsSync(absentFile(repo, commit, path));

export function keepAbsent(repo: Repo, commit: string, path: string): void {
  const file = absentFile(repo, commit, path);
  mkdirSync(dirname(file), { recursive: true });
  writeAtomic(file, '');
}

/** Ours, beside the standard: which data files a commit has at a path, so that a part of them is not taken for all. */
const listFile = ({ type, name, revision, path }: HubId): string =>
  join(
    repoFolder({ type, name }),
    '.soliloquy',
    revision,
    `${createHash('sha256')
      .update(path ?? '')
      .digest('hex')}.json`,
  );

export function keepList(id: HubId, paths: readonly string[]): void {
  const file = listFile(id);
  mkdirSync(dirname(file), { recursive: true });
  writeAtomic(file, JSON.stringify(paths));
}

/** Null where nobody has asked, or what is there is no list of ours. */
export function listed(id: HubId): readonly string[] | null {
  try {
    const paths = listSchema.parse(JSON.parse(readFileSync(listFile(id), 'utf8')));
    return paths.some((path) => pathFault(path)) ? null : paths;
  } catch {
    return null;
  }
}

export const blobFile = (repo: Repo, etag: string): string => join(repoFolder(repo), 'blobs', etag);

/** Names a blob in a snapshot: a relative link, or a copy where the disk has no links. */
export async function linkBlob(repo: Repo, commit: string, path: string, etag: string): Promise<void> {
  const file = join(snapshotFolder(repo, commit), path);
  const blob = blobFile(repo, etag);
  mkdirSync(dirname(file), { recursive: true });
  const draft = `${file}.${process.pid}.tmp`;
  await rm(draft, { force: true });
  try {
    symlinkSync(relative(dirname(file), blob), draft);
  } catch {
    await copyFile(blob, draft);
  }
  await rename(draft, file);
}
