/**
 * Owns: the bytes of one file: asked for from where an earlier try stopped, written to `<blob>.incomplete`, and given their
 * name only when their checksum is right. What is not right is removed and refused.
 */
import { createHash } from 'node:crypto';
import { createReadStream, mkdirSync, statSync } from 'node:fs';
import { open, rename, rm, statfs } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { isSoliloquyError, reasonOf, SoliloquyError } from '../../protocol/errors.js';
import { takeLock } from '../lock.js';
import { blobFile, cacheRoot, type Repo, repoFolder } from './cache.js';
import { endpoint, headersFor, malformed, type RemoteFile, unavailable } from './client.js';

/** Tries of one file: a connection that breaks goes on where it stopped. */
const TRIES = 4;
/** Without a byte. */
const STALL_MS = 60_000;
/** Between looks at a file that another process downloads. */
const LOOK_MS = 200;

export type OnBytes = (done: number) => void;

/** Broken off: what there is so far is kept. */
class Interrupted extends Error {}

/** The file's blob is in the cache when this resolves. */
export async function downloadBlob(
  repo: Repo,
  commit: string,
  file: RemoteFile,
  onBytes: OnBytes,
): Promise<void> {
  const blob = blobFile(repo, file.etag);
  mkdirSync(dirname(blob), { recursive: true });
  const lock = await lockOf(repo, file.etag);
  try {
    if (statSync(blob, { throwIfNoEntry: false })?.size === file.bytes) return;
    const part = `${blob}.incomplete`;
    await checkRoom(file, part);
    await fill(part, urlOf(repo, commit, file.path), file, onBytes);
    await verify(part, file);
    await rename(part, blob);
  } finally {
    lock.release();
  }
}

const urlOf = ({ type, name }: Repo, commit: string, path: string): string =>
  `${endpoint()}/${type === 'dataset' ? 'datasets/' : ''}${name}/resolve/${commit}/${path
    .split('/')
    .map(encodeURIComponent)
    .join('/')}`;

/** One process writes a blob; another waits for it, and finds it done. */
async function lockOf(repo: Repo, etag: string) {
  const folder = join(cacheRoot(), '.locks', basename(repoFolder(repo)));
  mkdirSync(folder, { recursive: true });
  for (;;)
    try {
      return takeLock(join(folder, `${etag}.soliloquy`), `${repo.name}, blob ${etag.slice(0, 12)},`);
    } catch (error) {
      if (!isSoliloquyError(error) || error.code !== 'run.locked') throw error;
      await wait(LOOK_MS);
    }
}

const sizeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0;

async function checkRoom({ path, bytes }: RemoteFile, part: string): Promise<void> {
  const { bavail, bsize } = await statfs(dirname(part));
  const needed = bytes - sizeOf(part);
  if (needed <= bavail * bsize) return;
  throw new SoliloquyError('hub.unavailable', `${path} has ${bytes} bytes: the disk has no room for it`, {
    file: path,
    bytes,
    free: bavail * bsize,
    fix: 'free disk space, or set HF_HOME to a folder on another disk',
  });
}

async function fill(part: string, url: string, file: RemoteFile, onBytes: OnBytes): Promise<void> {
  for (let tries = 1; ; tries++) {
    if (sizeOf(part) > file.bytes) await rm(part);
    const before = sizeOf(part);
    if (before === file.bytes && before > 0) return;
    try {
      return await receive(part, url, file, onBytes);
    } catch (error) {
      if (!(error instanceof Interrupted)) throw error;
      if (sizeOf(part) > before) tries = Math.min(tries, 1);
      if (tries >= TRIES) throw unavailable(`${file.path} (${sizeOf(part)} of ${file.bytes} bytes)`, error);
      await wait(100 * 2 ** tries);
    }
  }
}

/** The rest of a file, after what `part` holds. */
async function receive(part: string, url: string, file: RemoteFile, onBytes: OnBytes): Promise<void> {
  const have = sizeOf(part);
  const stop = new AbortController();
  let timer = setTimeout(() => stop.abort(), STALL_MS);
  const { response, from } = await request(url, have, file, stop.signal).finally(() => clearTimeout(timer));
  const out = await open(part, from > 0 ? 'a' : 'w');
  let at = from;
  onBytes(at);
  try {
    for await (const chunk of response.body ?? []) {
      clearTimeout(timer);
      timer = setTimeout(() => stop.abort(), STALL_MS);
      at += chunk.length;
      if (at > file.bytes) throw malformed(file.path, `the Hub sends more than its ${file.bytes} bytes`);
      await out.writeFile(chunk);
      onBytes(at);
    }
  } catch (error) {
    if (error instanceof SoliloquyError) {
      await rm(part, { force: true });
      throw error;
    }
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOSPC' || code === 'EIO' || code === 'EDQUOT') throw notWritten(part, error);
    throw new Interrupted(reasonOf(error), { cause: error });
  } finally {
    clearTimeout(timer);
    stop.abort();
    await out.close();
  }
  if (at < file.bytes) throw new Interrupted('the connection ended early');
}

const notWritten = (file: string, cause: unknown): SoliloquyError =>
  new SoliloquyError(
    'log.write',
    `can't write ${file}: ${reasonOf(cause)}`,
    { file, fix: 'free disk space, or set HF_HOME to a folder on another disk' },
    { cause },
  );

interface Answered {
  readonly response: Response;
  /** Where its bytes begin in the file. */
  readonly from: number;
}

async function request(url: string, have: number, file: RemoteFile, signal: AbortSignal): Promise<Answered> {
  const range: Record<string, string> = have > 0 ? { Range: `bytes=${have}-` } : {};
  // A compressed answer has other offsets.
  const headers = { ...headersFor(url), ...range, 'Accept-Encoding': 'identity' };
  const response = await fetch(url, { headers, signal }).catch((error: unknown) => {
    throw new Interrupted('no answer', { cause: (error as { cause?: unknown }).cause ?? error });
  });
  const { status } = response;
  if (status === 206 && have > 0) {
    const from = Number(/^bytes (\d+)-/.exec(response.headers.get('Content-Range') ?? '')?.[1]);
    if (from === have) return { response, from };
    throw malformed(file.path, `asked for bytes from ${have}, the Hub sends others`);
  }
  // A server that knows no ranges begins again.
  if (status === 200) return { response, from: 0 };
  await response.body?.cancel();
  if (status >= 500 || status === 429) throw new Interrupted(`the Hub answered ${status}`);
  throw unavailable(file.path, { statusCode: status });
}

/** Removes what is not what its checksum says. */
async function verify(part: string, { path, bytes, etag, checksum }: RemoteFile): Promise<void> {
  const hash = createHash(checksum);
  if (checksum === 'sha1') hash.update(`blob ${bytes}\0`);
  for await (const chunk of createReadStream(part)) hash.update(chunk as Buffer);
  const found = hash.digest('hex');
  if (found === etag) return;
  await rm(part, { force: true });
  throw new SoliloquyError(
    'hub.invalid',
    `${path}: its ${checksum} is ${found.slice(0, 16)}…, the Hub says ${etag.slice(0, 16)}…; it was removed`,
    { file: path, expected: etag, found, fix: 'the same command loads it again from its beginning' },
  );
}
