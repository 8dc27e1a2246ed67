/**
 * Owns: what is asked of the Hub over the network: the commit of a revision, the list of its files. Through @huggingface/hub,
 * with a fetch of ours that bounds answers, times and pages, and gives the token (HF_TOKEN, from the environment alone) to the
 * endpoint only. What comes back is checked before it is trusted: it names files on our disk.
 */
import { z } from 'zod';
import { reasonOf, SoliloquyError } from '../../protocol/errors.js';
import { type HubId, hubText, isCommit, pathFault } from './hub-id.js';

export interface RemoteFile {
  readonly path: string;
  readonly bytes: number;
  /** Name of its blob: the checksum. */
  readonly etag: string;
  /** `sha256` of the bytes (Git LFS), or git's own `sha1` of a blob. */
  readonly checksum: 'sha256' | 'sha1';
}

const ENDPOINT = 'https://huggingface.co';
/** Bytes of one answer, files in one listing, requests for one listing: more is no repository but an attack. */
const MAX_ANSWER = 64 * 1024 * 1024;
const MAX_FILES = 100_000;
const MAX_REQUESTS = 2000;
const PATIENCE_MS = 30_000;

const TRUE = /^(1|on|yes|true)$/i;
export const isOffline = (): boolean => TRUE.test(process.env.HF_HUB_OFFLINE ?? '');

/** HF_ENDPOINT without a slash at its end. */
export function endpoint(): string {
  const text = process.env.HF_ENDPOINT || ENDPOINT;
  try {
    const url = new URL(text);
    if (/^https?:$/.test(url.protocol) && url.username === '' && url.password === '')
      return url.href.replace(/\/+$/, '');
  } catch {
    // told below, without the text: it may hold a password
  }
  throw new SoliloquyError('usage', 'HF_ENDPOINT is no http or https address without a password', {
    fix: `unset it, or set it to an address such as ${ENDPOINT}`,
  });
}

/** Headers for the endpoint; another host gets no token. */
export function headersFor(url: string): Record<string, string> {
  const token = process.env.HF_TOKEN?.trim();
  const isOurs = new URL(url).origin === new URL(endpoint()).origin;
  return token && isOurs ? { Authorization: `Bearer ${token}` } : {};
}

/** A request that ended in no answer, or in a refusal. */
export function unavailable(what: string, error: unknown): SoliloquyError {
  const status = (error as { statusCode?: unknown }).statusCode;
  const reason = typeof status === 'number' ? `the Hub answered ${status}` : networkReason(error);
  const byStatus =
    status === 401 || status === 403
      ? 'put a token that may read it into the environment variable HF_TOKEN; a gated repository wants its terms accepted first'
      : status === 404
        ? 'check owner, name and revision; a private one needs HF_TOKEN'
        : 'try again; --offline or HF_HUB_OFFLINE=1 takes what is in the cache';
  return new SoliloquyError(
    'hub.unavailable',
    `${what}: ${reason}`,
    { endpoint: endpoint(), ...(typeof status === 'number' ? { status } : {}), fix: byStatus },
    { cause: error },
  );
}

/** What undici hides in the cause. */
function networkReason(error: unknown): string {
  const { cause } = error as { cause?: unknown };
  return `no answer from ${endpoint()} (${reasonOf(cause ?? error)})`;
}

export const malformed = (what: string, why: string, fields: Record<string, unknown> = {}): SoliloquyError =>
  new SoliloquyError('hub.invalid', `${what}: ${why}`, {
    ...fields,
    fix: 'nothing of it was kept; ask the repository’s owner, or check HF_ENDPOINT',
  });

/** A fetch that ends: in time, in bytes, in number. */
function boundedFetch(): typeof fetch {
  let requests = 0;
  return async (input, init) => {
    const url = String(input instanceof Request ? input.url : input);
    if (++requests > MAX_REQUESTS) throw malformed(url, 'its list has no end');
    const headers = { ...(init?.headers as Record<string, string> | undefined), ...headersFor(url) };
    const response = await fetch(url, { ...init, headers, signal: AbortSignal.timeout(PATIENCE_MS) });
    let bytes = 0;
    const body = response.body?.pipeThrough(
      new TransformStream<Uint8Array, Uint8Array>({
        transform(chunk, controller) {
          bytes += chunk.length;
          if (bytes > MAX_ANSWER) throw malformed(url, `an answer of more than ${MAX_ANSWER} bytes`);
          controller.enqueue(chunk);
        },
      }),
    );
    return new Response(body ?? null, { status: response.status, headers: response.headers });
  };
}

const asked = async <T>(what: string, ask: () => Promise<T>): Promise<T> => {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof SoliloquyError) throw error;
    if (error instanceof SyntaxError) throw malformed(what, 'the Hub’s answer is not JSON');
    if (error instanceof TypeError && !('cause' in error))
      throw malformed(what, 'the Hub’s answer is not as its interface says');
    throw unavailable(what, error);
  }
};

/** The commit that a revision is now. */
export async function commitOf(id: HubId): Promise<string> {
  const what = hubText(id);
  const info = await asked(what, async () => {
    const { modelInfo, datasetInfo } = await import('@huggingface/hub');
    const { name, revision, type } = id;
    const fields = { name, revision, additionalFields: ['sha' as const], hubUrl: endpoint() };
    const options = { ...fields, fetch: boundedFetch() };
    return type === 'model' ? modelInfo(options) : datasetInfo(options);
  });
  const { sha } = info as { sha?: unknown };
  if (typeof sha !== 'string' || !isCommit(sha)) throw malformed(what, 'the Hub names no commit for it');
  if (isCommit(id.revision) && id.revision !== sha)
    throw malformed(what, `the Hub answers with another commit, ${sha}`);
  return sha;
}

const size = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const entry = z.object({
  type: z.string(),
  path: z.string(),
  size,
  oid: z.string().regex(/^[0-9a-f]{40}$/),
  lfs: z.object({ oid: z.string().regex(/^[0-9a-f]{64}$/), size }).nullish(),
});

/** Files of a commit under a folder (null: of the whole repository). Names that lead elsewhere are refused. */
export async function filesOf(
  id: HubId,
  folder: string | null,
  recursive: boolean,
): Promise<readonly RemoteFile[]> {
  const what = hubText(id);
  return asked(what, async () => {
    const { listFiles } = await import('@huggingface/hub');
    const files: RemoteFile[] = [];
    const list = listFiles({
      repo: { type: id.type, name: id.name },
      revision: id.revision,
      recursive,
      hubUrl: endpoint(),
      fetch: boundedFetch(),
      ...(folder === null ? {} : { path: folder.split('/').map(encodeURIComponent).join('/') }),
    });
    for await (const found of list) {
      if ((found as { type?: unknown } | null)?.type === 'directory') continue;
      files.push(remoteFile(what, found));
      if (files.length > MAX_FILES) throw malformed(what, `more than ${MAX_FILES} files`);
    }
    return files;
  });
}

function remoteFile(what: string, found: unknown): RemoteFile {
  const parsed = entry.safeParse(found);
  if (!parsed.success)
    throw malformed(what, `a file of its list is not as it should be (${z.prettifyError(parsed.error)})`);
  const { path, size: bytes, oid, lfs } = parsed.data;
  const fault = pathFault(path);
  if (fault) throw malformed(what, `the file name ${JSON.stringify(path)}: ${fault}`, { path });
  return lfs
    ? { path, bytes: lfs.size, etag: lfs.oid, checksum: 'sha256' }
    : { path, bytes, etag: oid, checksum: 'sha1' };
}
