/**
 * A real HTTP server that speaks as much of the Hub's interface as clients of files use: revisions, trees, and files with
 * ETags and ranges. It can be told to cut a connection, to send other bytes, and to want a token.
 */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly range: string | undefined;
  readonly token: string | undefined;
  /** Bytes of the answer's body that were sent. */
  sent: number;
}

export interface HubServer {
  readonly url: string;
  readonly asked: Asked[];
  /** `models/org/name` or `datasets/org/name` → files; the commit hangs on their content. */
  put(repo: string, files: Readonly<Record<string, string | Buffer>>): string;
  /** The next answer with this file ends after so many bytes. */
  cut(file: string, bytes: number): void;
  /** This file is sent with its first byte changed, as often as it is asked for. */
  corrupt(file: string, is: boolean): void;
  /** Replaces what a tree lists; a Buffer is sent as it is. */
  list(repo: string, entries: unknown): void;
  /** How ranges are answered: as asked, with the whole file, or with bytes from elsewhere. */
  ranges(how: 'kept' | 'ignored' | 'wrong'): void;
  want(token: string | null): void;
  close(): Promise<void>;
}

export const sha1OfBlob = (bytes: Buffer): string =>
  createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');
export const sha256Of = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

interface Repo {
  readonly commit: string;
  readonly files: ReadonlyMap<string, Buffer>;
}

const isLfs = (path: string): boolean => /\.(safetensors|parquet|bin)$/.test(path);
const etagOf = (path: string, bytes: Buffer): string => (isLfs(path) ? sha256Of(bytes) : sha1OfBlob(bytes));

function treeOf({ files }: Repo, folder: string, recursive: boolean): unknown[] {
  const under = folder === '' ? '' : `${folder}/`;
  return [...files].flatMap(([path, bytes]) => {
    if (!path.startsWith(under) || (!recursive && path.slice(under.length).includes('/'))) return [];
    const lfs = isLfs(path) && { lfs: { oid: sha256Of(bytes), size: bytes.length, pointerSize: 130 } };
    return [{ type: 'file', path, size: bytes.length, oid: sha1OfBlob(bytes), ...lfs }];
  });
}

export async function startHub(): Promise<HubServer> {
  const repos = new Map<string, Repo>();
  const trees = new Map<string, unknown>();
  const cuts = new Map<string, number>();
  const corrupted = new Set<string>();
  const asked: Asked[] = [];
  let token: string | null = null;
  let ranges: 'kept' | 'ignored' | 'wrong' = 'kept';

  const json = (response: ServerResponse, status: number, body: unknown, headers = {}) => {
    response.writeHead(status, { 'Content-Type': 'application/json', ...headers });
    response.end(Buffer.isBuffer(body) ? body : JSON.stringify(body));
  };
  const missing = (response: ServerResponse, code: string) =>
    json(response, 404, { error: 'not found' }, { 'X-Error-Code': code });

  const file = (one: Asked, response: ServerResponse, repo: Repo, path: string) => {
    const whole = repo.files.get(path);
    if (!whole) return missing(response, 'EntryNotFound');
    const etag = etagOf(path, whole);
    const wanted = ranges === 'ignored' ? undefined : one.range;
    const from = Number(/^bytes=(\d+)-/.exec(wanted ?? '')?.[1] ?? 0);
    const bytes = Buffer.from(whole.subarray(from));
    if (corrupted.has(path) && bytes.length > 0) bytes[0]! ^= 1;
    response.writeHead(wanted ? 206 : 200, {
      ETag: `"${etag}"`,
      'X-Linked-ETag': `"${etag}"`,
      'X-Linked-Size': String(whole.length),
      'X-Repo-Commit': repo.commit,
      'Accept-Ranges': 'bytes',
      'Content-Length': String(bytes.length),
      ...(wanted
        ? {
            'Content-Range': `bytes ${ranges === 'wrong' ? from + 1 : from}-${whole.length - 1}/${whole.length}`,
          }
        : {}),
    });
    if (one.method === 'HEAD') return response.end();
    const cut = cuts.get(path);
    cuts.delete(path);
    if (cut === undefined) {
      one.sent = bytes.length;
      return response.end(bytes);
    }
    one.sent = cut;
    return response.write(bytes.subarray(0, cut), () => setTimeout(() => response.destroy(), 50));
  };

  const answer = (request: IncomingMessage, response: ServerResponse) => {
    const url = new URL(request.url!, 'http://hub');
    const path = decodeURIComponent(url.pathname);
    const { range, authorization } = request.headers;
    const one: Asked = { method: request.method!, path, range, token: authorization, sent: 0 };
    asked.push(one);
    if (token !== null && authorization !== `Bearer ${token}`) return json(response, 401, { error: 'no' });
    const api = /^\/api\/((?:models|datasets)\/[^/]+\/[^/]+)\/(revision|tree)\/([^/]+)\/?(.*)$/.exec(path);
    const resolve = /^\/(datasets\/)?([^/]+\/[^/]+)\/resolve\/([^/]+)\/(.*)$/.exec(path);
    const name = api?.[1] ?? `${resolve?.[1] ?? 'models/'}${resolve?.[2]}`;
    const repo = repos.get(name);
    const revision = api?.[3] ?? resolve?.[3];
    if (!repo) return missing(response, 'RepoNotFound');
    if (revision !== 'main' && revision !== repo.commit) return missing(response, 'RevisionNotFound');
    if (resolve) return file(one, response, repo, resolve[4]!);
    if (api?.[2] === 'tree')
      return json(
        response,
        200,
        trees.get(name) ?? treeOf(repo, api[4]!, url.searchParams.get('recursive') === 'true'),
      );
    const siblings = [...repo.files.keys()].map((rfilename) => ({ rfilename }));
    const id = name.slice(name.indexOf('/') + 1);
    return json(response, 200, { _id: '1', id, sha: repo.commit, private: false, siblings });
  };

  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    put(name, contents) {
      const files = new Map(Object.entries(contents).map(([path, bytes]) => [path, Buffer.from(bytes)]));
      const all = [...files].map(([path, bytes]) => `${path} ${sha1OfBlob(bytes)}`).join('\n');
      const commit = createHash('sha1').update(all).digest('hex');
      repos.set(name, { commit, files });
      return commit;
    },
    cut: (path, bytes) => cuts.set(path, bytes),
    corrupt: (path, is) => (is ? corrupted.add(path) : corrupted.delete(path)),
    list: (name, entries) => trees.set(name, entries),
    ranges: (how) => {
      ranges = how;
    },
    want: (wanted) => {
      token = wanted;
    },
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
