/**
 * The OpenAI-compatible server of one model version over node:http. Owns the socket and the batches; the model is a port and
 * stays the caller's to close. After `close` nothing of it is left: no socket, no timer, no work under way.
 */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import type { SampleRow } from '../protocol/lm.js';
import { createBatcher } from './batcher.js';
import { createKeyCheck } from './door.js';
import type { ServeOptions } from './options.js';
import { errorAnswer, refusal } from './refusal.js';
import { stopping } from './respond.js';
import { type House, handle, refuse } from './routes.js';

const BODY_TIMEOUT = 30_000;
const GRACE = 5000;
const BATCH = { most: 64, waiting: 512 };
/** Of requests that bring no seed. */
const ANYBODY = {};

export interface RunningServer {
  readonly port: number;
  readonly url: string;
  /** No request is taken any more; what runs may take `grace` milliseconds to its end, then it is stopped. */
  close(grace?: number): Promise<void>;
}

function houseOf(options: ServeOptions): House {
  const { model, version } = options;
  const limits = { ...BATCH, atOnce: model.workers };
  const samples = createBatcher((rows: readonly SampleRow[]) => model.sample(version, rows), limits);
  const scores = createBatcher((rows: readonly (readonly number[])[]) => model.score(version, rows), limits);
  return {
    ...options,
    voiceOf(signal, beside) {
      const company = beside === 'anybody' ? ANYBODY : {};
      return {
        tokenizer: model.tokenizer(version),
        contextLength: model.contextLength(version),
        sample: (row) => samples.run(row, signal, beside === 'nobody' ? {} : company),
        score: (ids) => scores.run(ids, signal, beside === 'nobody' ? {} : company),
      };
    },
    batches: samples.counts,
    checkKey: createKeyCheck(options.key),
    started: options.clock.now(),
    counts: { requests: 0, unseeded: 0 },
    running: new Set(),
    state: 'open',
  };
}

const listening = (server: Server, port: number, host: string): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });

/** Malformed HTTP, and bodies that don't come. */
function onClientError(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (!socket.writable) return void socket.destroy();
  const late = error.code === 'ERR_HTTP_REQUEST_TIMEOUT';
  const status = late ? '408 Request Timeout' : '400 Bad Request';
  const { body } = errorAnswer(
    refusal(late ? 408 : 400, late ? 'the request took too long' : 'this is not HTTP'),
  );
  const text = JSON.stringify(body);
  socket.end(
    `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(text)}\r\nconnection: close\r\n\r\n${text}`,
  );
}

export async function startServer(options: ServeOptions): Promise<RunningServer> {
  const house = houseOf(options);
  const work = new Set<Promise<void>>();
  const server = createServer(
    { requestTimeout: BODY_TIMEOUT, headersTimeout: BODY_TIMEOUT },
    (request, response) => {
      const done = handle(house, request, response)
        .catch((error) => refuse(house, request, response, error))
        .finally(() => work.delete(done));
      work.add(done);
      response.on('close', () => {
        if (house.state === 'closing') server.closeIdleConnections();
      });
    },
  );
  server.on('clientError', onClientError);
  await listening(server, options.port, options.host);
  const { port } = server.address() as AddressInfo;
  const shown = options.host.includes(':') ? `[${options.host}]` : options.host;
  return {
    port,
    url: `http://${shown}:${port}`,
    async close(grace = GRACE) {
      house.state = 'closing';
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeIdleConnections();
      const timer = setTimeout(() => {
        for (const abort of house.running) abort.abort(stopping());
        server.closeAllConnections();
      }, grace);
      await closed;
      clearTimeout(timer);
      await Promise.all(work);
    },
  };
}
