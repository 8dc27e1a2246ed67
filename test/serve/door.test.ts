/** What may come in, what is turned away, and what is left when somebody goes. */
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import fc from 'fast-check';
import OpenAI from 'openai';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { SharedModel } from '../../src/pool/language-model.js';
import type { ServeOptions } from '../../src/serve/options.js';
import {
  chatFiles,
  type Held,
  holdable,
  NAME,
  post,
  randomCheckpoint,
  type Serving,
  serving,
  startModel,
} from '../support/serving.js';

let model: SharedModel;
const open: Serving[] = [];
beforeAll(async () => {
  model = await startModel(randomCheckpoint(chatFiles('llama3'), 269));
});
afterAll(() => model.close());
afterEach(async () => {
  for (const server of open.splice(0)) await server.close(0);
});

async function start(options: Partial<ServeOptions> = {}, held?: Held): Promise<Serving> {
  const server = await serving(held?.model ?? model, options);
  open.push(server);
  return server;
}

const body = { model: NAME, messages: [{ role: 'user' as const, content: 'hello' }], max_tokens: 8, seed: 1 };
const ask = ({ client }: Serving, more: object = {}) =>
  client.chat.completions.create({ ...body, ...more } as OpenAI.ChatCompletionCreateParamsNonStreaming);

/** Asks until the server says so. */
async function untilHealth(server: Serving, wanted: object): Promise<void> {
  for (;;) {
    const health = (await (await fetch(`${server.url}/health`)).json()) as object;
    if (Object.entries(wanted).every(([name, value]) => health[name as keyof object] === value)) return;
  }
}

/** Raw bytes to the server, and all that comes back. */
const raw = (port: number, text: string): Promise<string> =>
  new Promise((resolve, reject) => {
    let back = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(text));
    socket.on('data', (part) => (back += part));
    socket.on('close', () => resolve(back));
    socket.on('error', reject);
  });

describe('many at the same time', () => {
  it('20 requests without a seed are few batches, whatever their settings', async () => {
    const held = holdable(model);
    const server = await start({}, held);
    const settings = (i: number) => ({
      seed: null,
      temperature: (i % 4) / 2,
      top_p: i % 2 === 0 ? 1 : 0.5,
      max_tokens: 4,
    });
    const holding = held.hold();
    const first = ask(server, { max_tokens: 4 });
    await holding;
    const twenty = Array.from({ length: 20 }, (_, i) => ask(server, settings(i)));
    await untilHealth(server, { running: 21, waiting: 20 });
    held.release();
    await Promise.all(twenty);
    await first;
    expect(held.batches).toEqual([1, 20]);
  });

  it('a request with a seed stands alone with its own choices, and gets the same to the last bit', async () => {
    const held = holdable(model);
    const server = await start({}, held);
    const settings = (i: number) => ({ seed: i, n: 1 + (i % 3), max_tokens: 4, logprobs: true });
    const holding = held.hold();
    const first = ask(server, { seed: null, max_tokens: 4 });
    await holding;
    const nine = Array.from({ length: 9 }, (_, i) => ask(server, settings(i)));
    const others = [0, 1].map(() => ask(server, { seed: null, max_tokens: 4 }));
    await untilHealth(server, { running: 12, waiting: 20 });
    held.release();
    const together = await Promise.all(nine);
    await Promise.all([first, ...others]);
    expect([...held.batches].sort()).toEqual([1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3]);
    for (const i of [0, 4, 8]) expect((await ask(server, settings(i))).choices).toEqual(together[i]!.choices);
  });
});

describe('a request without a seed', () => {
  it('says something else each time, and the nth the same on every server of that seed', async () => {
    const texts = async (seed: number) => {
      const server = await start({ seed });
      const first = await ask(server, { seed: null });
      const second = await ask(server, {});
      const third = await ask(server, { seed: undefined });
      return [first, second, third].map(({ choices }) => choices[0]!.message.content);
    };
    const [a, b, c] = [await texts(1), await texts(1), await texts(2)];
    expect(b).toEqual(a);
    expect(a[0]).not.toBe(a[2]);
    expect(c[0]).not.toBe(a[0]);
    expect(c[1]).toBe(a[1]);
  });
});

describe('the key', () => {
  const key = 'secret-7f3a';

  it('opens the server; no key, another key or another scheme doesn’t', async () => {
    const server = await start({ key });
    expect((await ask(server)).choices).toHaveLength(1);
    const strangers = [undefined, 'Bearer wrong', `Basic ${key}`, 'Bearer ', `Bearer ${key}x`];
    for (const authorization of strangers) {
      const headers: Record<string, string> = authorization === undefined ? {} : { authorization };
      const { status, body: said } = await post(
        `${server.url}/v1/chat/completions`,
        JSON.stringify(body),
        headers,
      );
      expect([status, said.error!.code]).toEqual([401, 'invalid_api_key']);
    }
    const wrong = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'wrong', maxRetries: 0 });
    await expect(wrong.models.list()).rejects.toBeInstanceOf(OpenAI.AuthenticationError);
    expect((await fetch(`${server.url}/health`)).status).toBe(200);
    expect(server.lines.join()).not.toContain(key);
  });

  it('is needed by whoever comes under another name than this machine’s: a web page can’t get in', async () => {
    const server = await start();
    const said = await raw(
      server.port,
      'GET /v1/models HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n',
    );
    expect(said).toMatch(/^HTTP\/1\.1 403/);
    expect(said).toContain('wrong_host');
  });
});

describe('a bad request', () => {
  it('of any body is an error of OpenAI’s JSON, and the server goes on', async () => {
    const server = await start();
    const odd = fc.oneof(fc.string(), fc.json(), fc.constant('{"model":'));
    const value = fc.jsonValue({ maxDepth: 2 });
    const wrong = fc
      .record(
        {
          model: fc.constantFrom(NAME, 'x', 3),
          messages: fc.oneof(
            value,
            fc.array(fc.record({ role: fc.constantFrom('user', 'system', 'x'), content: value })),
          ),
          prompt: value,
          max_tokens: fc.oneof(fc.constant(1), value),
          n: fc.oneof(fc.constant(1), value),
          stop: value,
          seed: value,
          temperature: value,
          stream: fc.constantFrom(false, null, 'x'),
          logprobs: value,
          echo: value,
          tools: value,
        },
        { requiredKeys: [] },
      )
      .map((one) => JSON.stringify(one));
    const page = fc.constantFrom('/v1/chat/completions', '/v1/completions');
    await fc.assert(
      fc.asyncProperty(page, fc.oneof(odd, wrong), async (path, text) => {
        const { status, body: said } = await post(server.url + path, text);
        expect([200, 400, 404]).toContain(status);
        if (status !== 200)
          expect(said.error).toMatchObject({ message: expect.any(String), type: 'invalid_request_error' });
      }),
      { numRuns: 300 },
    );
    expect((await ask(server)).choices).toHaveLength(1);
    expect(server.lines).toEqual([]);
  });

  it.each([
    ['POST', '/v1/nothing', 404],
    ['GET', '/v1/chat/completions', 405],
    ['DELETE', '/v1/models', 405],
    ['GET', '/__proto__', 404],
    ['GET', '/v1/models/constructor', 404],
  ] as const)('%s %s is %i', async (method, path, status) => {
    const server = await start();
    const response = await fetch(server.url + path, { method });
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({ error: { type: 'invalid_request_error' } });
  });

  it('too large is 413, whether its length is said or not', async () => {
    const server = await start({ bodyLimit: 1000 });
    const url = `${server.url}/v1/completions`;
    const said = await post(url, 'x'.repeat(5000));
    expect([said.status, said.body.error!.code]).toEqual([413, 'request_too_large']);
    const status = await new Promise((resolve, reject) => {
      const sent = httpRequest(url, { method: 'POST' }, (response) => {
        response.resume();
        resolve(response.statusCode);
      });
      sent.on('error', reject);
      for (let i = 0; i < 5; i++) sent.write('x'.repeat(1000));
      sent.end();
    });
    expect(status).toBe(413);
  });

  it('that is no HTTP gets an answer that is', async () => {
    const server = await start();
    const said = await raw(server.port, 'hello\r\n\r\n');
    expect(said).toMatch(/^HTTP\/1\.1 400/);
    expect(JSON.parse(said.split('\r\n\r\n')[1]!)).toMatchObject({
      error: { type: 'invalid_request_error' },
    });
  });
});

describe('the end', () => {
  it('of a reader in mid-stream is the end of the work for it', async () => {
    const held = holdable(model);
    const server = await start({}, held);
    const stream = await server.client.chat.completions.create({ ...body, max_tokens: 200, stream: true });
    const reader = stream[Symbol.asyncIterator]();
    await reader.next();
    const holding = held.hold();
    await holding;
    const before = held.batches.length;
    stream.controller.abort();
    await untilHealth(server, { running: 0 });
    held.release();
    await ask(server, { max_tokens: 1 });
    expect(held.batches.length - before).toBe(1);
    expect(server.lines).toEqual([]);
  });

  it('of one who waits takes its row out of the queue', async () => {
    const held = holdable(model);
    const server = await start({}, held);
    const holding = held.hold();
    const running = ask(server, { max_tokens: 4 });
    await holding;
    const leaving = new AbortController();
    const waiting = server.client.chat.completions
      .create(body, { signal: leaving.signal })
      .catch((error: unknown) => error);
    await untilHealth(server, { running: 2, waiting: 1 });
    leaving.abort();
    expect(await waiting).toBeInstanceOf(OpenAI.APIUserAbortError);
    await untilHealth(server, { running: 1 });
    held.release();
    await running;
    await untilHealth(server, { running: 0, waiting: 0 });
    expect(held.batches).toEqual([1]);
  });

  it('of readers at any moment of a request or an answer harms nobody else', async () => {
    const server = await start();
    const text = JSON.stringify({ ...body, stream: true, n: 3, max_tokens: 100 });
    const whole = `POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: ${text.length}\r\n\r\n${text}`;
    /** Sends so much of it, takes so many parts of the answer, and goes. */
    const goAway = (sent: number, taken: number) =>
      new Promise<void>((resolve) => {
        const socket = connect(server.port, '127.0.0.1', () => {
          socket.write(whole.slice(0, sent), () => taken === 0 && socket.destroy());
        });
        let parts = 0;
        socket.on('data', () => ++parts >= taken && socket.destroy());
        socket.on('close', () => resolve());
      });
    const cuts = [1, 30, whole.length - text.length, whole.length - 5].map((sent) => goAway(sent, 0));
    const leaving = [0, 1, 2, 3, 5, 8].map((taken) => goAway(whole.length, taken));
    const [answer] = await Promise.all([ask(server), ...cuts, ...leaving]);
    expect(answer.choices[0]!.message).toEqual((await ask(server)).choices[0]!.message);
    await untilHealth(server, { running: 0 });
    expect(server.lines).toEqual([]);
  });

  it('of the server waits for what runs and takes nothing new', async () => {
    const held = holdable(model);
    const server = await start({}, held);
    const holding = held.hold();
    const running = ask(server);
    await holding;
    const closing = server.close();
    await expect(ask(server)).rejects.toThrow();
    held.release();
    expect((await running).choices[0]!.finish_reason).toBe('length');
    await closing;
  });

  it('of the server doesn’t wait for ever: what still runs is cut off', async () => {
    const held = holdable(model);
    const server = await start({}, held);
    const holding = held.hold();
    const running = ask(server).catch((error: unknown) => error);
    await holding;
    const closing = server.close(0);
    expect(await running).toBeInstanceOf(OpenAI.APIConnectionError);
    held.release();
    await closing;
  });

  it('of an answer’s time is 504', async () => {
    const held = holdable(model);
    const server = await start({ answerTimeout: 1 }, held);
    expect(await ask(server, { max_tokens: 200 }).catch((error: unknown) => error)).toMatchObject({
      status: 504,
      code: 'timeout',
    });
  });

  it('of the model is 500 without its reason, which the log has; within a stream, an error event', async () => {
    const broken = { ...model, sample: () => Promise.reject(new Error('the reason')) };
    const server = await serving(broken);
    open.push(server);
    const error = await ask(server).catch((error: unknown) => error);
    expect(error).toMatchObject({ status: 500, type: 'server_error' });
    expect(String(error)).not.toContain('the reason');
    expect(server.lines.join()).toContain('the reason');
    const stream = await server.client.chat.completions.create({ ...body, stream: true });
    const all = async () => {
      for await (const _ of stream);
    };
    await expect(all()).rejects.toBeInstanceOf(OpenAI.APIError);
  });
});
