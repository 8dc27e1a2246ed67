/**
 * The inspector's server over node:http: the page's files and its questions. Loopback only. Owns the socket; the runs are the
 * house's.
 */
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { reasonOf, SoliloquyError } from '../protocol/errors.js';
import { readJson } from '../serve/door.js';
import { compare } from './compare.js';
import { act, startFork } from './control.js';
import { checkCaller, checkToken, refusal, setPolicy } from './door.js';
import { streamEvents } from './events.js';
import type { House, OpenRun } from './house.js';
import { listenHere } from './listen.js';
import { progress } from './progress.js';
import {
  context,
  episode,
  episodes,
  headOf,
  message,
  messages,
  moment,
  place,
  runPage,
  taken,
} from './reading.js';

const BODY_LIMIT = 1 << 20;

type Asked = { readonly query: URLSearchParams; readonly rest: string };
type Reader = (house: House, run: OpenRun, asked: Asked) => unknown;

/** GET /api/runs/NAME/<first part>[/<rest>] */
const READERS: Readonly<Record<string, Reader>> = {
  '': runPage,
  head: (_house, run) => headOf(run),
  messages: (_house, run, { rest, query }) => (rest === '' ? messages(run, query) : message(run, rest)),
  place: (_house, run, { query }) => place(run, query),
  moment: (_house, run, { query }) => moment(run, query),
  context: (_house, run, { query }) => context(run, query),
  taken: (_house, run, { query }) => taken(run, query),
  episodes: (_house, run, { rest, query }) => (rest === '' ? episodes(run, query) : episode(run, rest)),
  progress,
  compare: (house, run, { rest }) => compare(house, run, rest),
};

/** POST /api/runs/NAME/<part>, with the token. */
const WRITERS: Readonly<Record<string, (house: House, run: OpenRun, body: unknown) => unknown>> = {
  control: (_house, run, body) => act(run, body),
  fork: startFork,
};

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

function send(response: ServerResponse, status: number, body: unknown): void {
  const text = JSON.stringify(body);
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' });
  response.end(text);
}

/** A file of the page; whatever is no file is the page itself, which knows its own addresses. */
function sendFile(page: string, path: string, response: ServerResponse): void {
  const inside = normalize(path).replace(/^([/\\]|\.\.)+/, '');
  const type = TYPES[extname(inside)];
  const file = type === undefined || inside === '' ? 'index.html' : inside;
  try {
    const content = readFileSync(join(page, file));
    response.writeHead(200, { 'content-type': TYPES[extname(file)]! });
    response.end(content);
  } catch (cause) {
    throw new SoliloquyError('usage', `there is no ${file}`, { status: 404 }, { cause });
  }
}

async function answerApi(house: House, url: URL, request: IncomingMessage, response: ServerResponse) {
  const [, , , name, part = '', ...others] = url.pathname.split('/').map(decodeURIComponent);
  if (name === undefined) return send(response, 200, { home: house.home, runs: house.names() });
  const run = house.open(name);
  if (request.method === 'POST') {
    checkToken(request, house.token);
    const write = Object.hasOwn(WRITERS, part) ? WRITERS[part] : undefined;
    if (!write) throw refusal(404, `there is nothing to change at ${url.pathname}`);
    return send(response, 200, await write(house, run, await readJson(request, BODY_LIMIT)));
  }
  if (request.method !== 'GET') throw refusal(405, 'GET or POST');
  if (part === 'events') return streamEvents(run, response);
  const read = Object.hasOwn(READERS, part) ? READERS[part] : undefined;
  if (!read) throw refusal(404, `there is nothing at ${url.pathname}`);
  send(response, 200, await read(house, run, { query: url.searchParams, rest: others.join('/') }));
}

async function answer(house: House, page: string, request: IncomingMessage, response: ServerResponse) {
  setPolicy(response);
  const url = new URL(request.url ?? '/', 'http://localhost');
  checkCaller(request, !url.pathname.startsWith('/api/'));
  if (url.pathname === '/api/charts') return send(response, 200, await house.charts());
  if (url.pathname === '/api/runs' || url.pathname.startsWith('/api/runs/'))
    return answerApi(house, url, request, response);
  if (url.pathname.startsWith('/api/')) throw refusal(404, `there is nothing at ${url.pathname}`);
  if (request.method !== 'GET') throw refusal(405, 'GET');
  sendFile(page, url.pathname, response);
}

function refuse(request: IncomingMessage, response: ServerResponse, error: unknown): void {
  if (response.headersSent) return void response.destroy();
  // An unread body is let go, and its connection with it.
  if (!request.complete) {
    response.setHeader('connection', 'close');
    request.resume();
  }
  const known = error instanceof SoliloquyError ? error : null;
  const status =
    typeof known?.fields.status === 'number'
      ? known.fields.status
      : known?.code === 'run.missing'
        ? 404
        : 500;
  send(response, status, {
    error: { code: known?.code ?? 'internal', message: reasonOf(error), fix: known?.fields.fix ?? null },
  });
}

export interface Inspector {
  readonly port: number;
  /** With the token, for the person who started it. */
  readonly url: string;
  close(): Promise<void>;
}

export interface InspectorOptions {
  readonly house: House;
  /** Folder of the built page. */
  readonly page: string;
  /** 0: any that is free. */
  readonly port: number;
}

export async function startInspector({ house, page, port }: InspectorOptions): Promise<Inspector> {
  const server = createServer((request, response) => {
    answer(house, page, request, response).catch((error: unknown) => refuse(request, response, error));
  });
  const at = await listenHere(server, port, '--port');
  return {
    port: at,
    url: `http://127.0.0.1:${at}/#token=${house.token}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
