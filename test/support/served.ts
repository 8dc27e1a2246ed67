/**
 * Real `soliloquy serve` processes from dist/, killed and started again on the same port; and small servers that answer as they are
 * told to, over real sockets.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

const main = join(import.meta.dirname, '../../dist/src/cli/main.js');

export interface Served {
  readonly url: string;
  readonly model: string;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
  /** On the same port; resolves when it answers. */
  restart(): Promise<void>;
}

async function spawned(
  dir: string,
  name: string,
  port: number,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
) {
  const child = spawn(
    process.execPath,
    [main, 'serve', dir, '--name', name, '--port', String(port), '--workers', '1', '--json', ...args],
    { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } },
  );
  let said = '';
  const started = new Promise<{ readonly url: string; readonly port: number }>((resolve, reject) => {
    child.stdout.on('data', (chunk) => {
      said += chunk;
      if (said.includes('\n')) resolve(JSON.parse(said.split('\n')[0]!));
    });
    child.stderr.on('data', (chunk) => {
      said += chunk;
    });
    child.on('close', (code) => reject(new Error(`serve ended with ${code}: ${said}`)));
  });
  return { child, ...(await started) };
}

const gone = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve();
    else child.on('close', () => resolve());
  });

export async function serveProcess(
  dir: string,
  name: string,
  args: readonly string[] = [],
  env: NodeJS.ProcessEnv = {},
): Promise<Served> {
  let running = await spawned(dir, name, 0, args, env);
  const { port, url } = running;
  return {
    url: `${url}/v1`,
    model: name,
    async kill() {
      running.child.kill('SIGKILL');
      await gone(running.child);
    },
    async restart() {
      running = await spawned(dir, name, port, args, env);
    },
  };
}

export interface Asked {
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: Readonly<Record<string, unknown>>;
}

export interface Standin {
  readonly url: string;
  readonly asked: Asked[];
  close(): Promise<void>;
}

/** A server of one's own: real HTTP, any answer. */
export async function standin(
  answer: (asked: Asked, response: ServerResponse, nth: number) => unknown,
): Promise<Standin> {
  const asked: Asked[] = [];
  const server = createServer((request, response) => {
    let text = '';
    request.on('data', (chunk) => {
      text += chunk;
    });
    request.on('end', () => {
      const one = { path: request.url!, headers: request.headers, body: JSON.parse(text || '{}') };
      asked.push(one);
      answer(one, response, asked.length - 1);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/v1`,
    asked,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

export const sendJson = (
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void => {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(body));
};

/** A completion as OpenAI has it. */
export const completion = (text: string, more: object = {}) => ({
  id: 'cmpl-1',
  object: 'text_completion',
  model: 'any',
  choices: [{ index: 0, text, finish_reason: 'stop', logprobs: null }],
  usage: { prompt_tokens: 10, completion_tokens: 2, total_tokens: 12 },
  ...more,
});
