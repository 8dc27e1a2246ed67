/** One server asked over real sockets, whatever it answers. Only time is an input: sleeps are kept and pass at once. */
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { createEndpoint, type EndpointOptions, seedOf } from '../../src/players/endpoint-client.js';
import { backOff } from '../../src/players/endpoint-retry.js';
import { endpointsSchema } from '../../src/protocol/endpoints.js';
import type { SoliloquyError } from '../../src/protocol/errors.js';
import type { RngKey } from '../../src/protocol/lm.js';
import type { EndpointQuestion, Timer } from '../../src/protocol/ports.js';
import { type Asked, completion, type Standin, sendJson, standin } from '../support/served.js';

const TIMEOUT = 7000;
const NOW = Date.UTC(2026, 10, 24, 12);
const keys: readonly RngKey[] = [
  [11, 12],
  [21, 22],
  [31, 32],
];

let servers: Standin[] = [];
afterEach(async () => {
  await Promise.all(servers.map((one) => one.close()));
  servers = [];
});

/** Pauses pass at once and move the clock; a request's time is over at once where `late`, else never. */
function handTime(late = false) {
  const pauses: number[] = [];
  let now = NOW;
  const timer: Timer = {
    async sleep(milliseconds, signal) {
      if (milliseconds !== TIMEOUT) {
        signal.throwIfAborted();
        pauses.push(milliseconds);
        now += milliseconds;
      } else if (!late)
        await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    },
  };
  return { pauses, timer, clock: { now: () => now } };
}

async function asking(
  answer: Parameters<typeof standin>[0],
  more: object = {},
  options: Partial<EndpointOptions> & { readonly late?: boolean } = {},
) {
  const server = await standin(answer);
  servers.push(server);
  const { pauses, timer, clock } = handTime(options.late);
  const { big } = endpointsSchema.parse({
    big: { url: server.url, model: 'big/model', timeoutSeconds: TIMEOUT / 1000, ...more },
  });
  const endpoint = createEndpoint({
    name: 'big',
    config: big!,
    key: null,
    clock,
    timer,
    signal: new AbortController().signal,
    ...options,
  });
  const ask = (question: Partial<EndpointQuestion> = {}) =>
    endpoint.ask({
      sampling: { temperature: 0.7, topP: 0.9, maxNewTokens: 8 },
      stop: ['END'],
      items: [{ prompt: 'once', keys }],
      ...question,
    });
  return { server, ask, pauses };
}
const one = { items: [{ prompt: 'once', keys: [keys[0]!] }] };
const well = (_: Asked, response: Parameters<typeof sendJson>[0]) =>
  sendJson(response, 200, completion(' well'));

describe('what is asked', () => {
  it('is one request a sample, its seed made of the sample’s key alone', async () => {
    const { server, ask } = await asking(well);
    const { outputs } = await ask();
    expect(server.asked.map(({ path, body }) => [path, body.seed])).toEqual(
      keys.map((key) => ['/v1/completions', seedOf(key)]),
    );
    expect(server.asked[0]!.body).toEqual({
      model: 'big/model',
      prompt: 'once',
      max_tokens: 8,
      temperature: 0.7,
      top_p: 0.9,
      stop: ['END'],
      seed: seedOf(keys[0]!),
      logprobs: 1,
    });
    expect(outputs[0]!.map(({ key, version, text }) => [key, version, text])).toEqual(
      keys.map((key) => [key, 'endpoint:big', ' well']),
    );
  });

  it('with n is one request a prompt; what the server leaves out of it is asked one by one', async () => {
    const { server, ask } = await asking(
      ({ body }, response) =>
        sendJson(
          response,
          200,
          completion('', {
            choices: [1, 0].slice(body.n === 3 ? 0 : 1).map((index) => ({
              index,
              text: `${body.seed}.${index}`,
              finish_reason: 'length',
            })),
          }),
        ),
      { n: true },
    );
    const { outputs, usage } = await ask();
    expect(server.asked.map(({ body }) => [body.n, body.seed])).toEqual([
      [3, seedOf(keys[0]!)],
      [undefined, seedOf(keys[2]!)],
    ]);
    const [first, third] = [seedOf(keys[0]!), seedOf(keys[2]!)];
    expect(outputs[0]!.map(({ text }) => text)).toEqual([`${first}.0`, `${first}.1`, `${third}.0`]);
    expect(outputs[0]![0]!.finish).toBe('length');
    expect(usage.requests).toBe(2);
  });

  it('goes to the chat page as a user’s message where the request says so, or the config', async () => {
    const chat = (_: Asked, response: Parameters<typeof sendJson>[0]) =>
      sendJson(response, 200, {
        choices: [
          {
            message: { role: 'assistant', content: 'hi' },
            finish_reason: 'stop',
            logprobs: {
              content: [
                { token: 'h', logprob: -1 },
                { token: 'i', logprob: -0.5 },
              ],
            },
          },
        ],
      });
    const { server, ask } = await asking(chat);
    const { outputs, usage } = await ask({ ...one, through: 'chat' });
    expect(server.asked[0]).toMatchObject({
      path: '/v1/chat/completions',
      body: { messages: [{ role: 'user', content: 'once' }], logprobs: true },
    });
    expect(server.asked[0]!.body).not.toHaveProperty('prompt');
    expect(outputs[0]![0]).toMatchObject({ text: 'hi', logprob: -1.5, ids: [] });
    expect(usage).toMatchObject({ requests: 1, untold: 1, promptTokens: 0 });
    const always = await asking(chat, { api: 'chat' });
    await always.ask(one);
    expect(always.server.asked[0]!.path).toBe('/v1/chat/completions');
  });

  it('leaves out seed, log-probs and further stop texts where the config says so, and cuts at those itself', async () => {
    const { server, ask } = await asking((_, response) => sendJson(response, 200, completion('a b END c')), {
      seed: false,
      logprobs: false,
      stops: 0,
    });
    const { outputs } = await ask(one);
    expect(Object.keys(server.asked[0]!.body).sort()).toEqual([
      'max_tokens',
      'model',
      'prompt',
      'temperature',
      'top_p',
    ]);
    expect(outputs[0]![0]).toMatchObject({ text: 'a b ', finish: 'stop', logprob: null });
  });

  it('says max_completion_tokens and no temperature to the chat of a model that takes no other', async () => {
    const said = { message: { role: 'assistant', content: 'hi' }, finish_reason: 'stop' };
    const { server, ask } = await asking((_, response) => sendJson(response, 200, { choices: [said] }), {
      api: 'chat',
      limit: 'max_completion_tokens',
      sampling: false,
      logprobs: false,
      stops: 0,
      seed: false,
    });
    const { outputs } = await ask(one);
    expect(server.asked[0]!.body).toEqual({
      model: 'big/model',
      messages: [{ role: 'user', content: 'once' }],
      max_completion_tokens: 8,
    });
    expect(outputs[0]![0]).toMatchObject({ text: 'hi', finish: 'stop' });
  });

  it('brings the key and nothing else of the environment; without a key, no authorization at all', async () => {
    process.env.OPENAI_API_KEY = 'sk-of-another-server';
    process.env.OPENAI_ORG_ID = 'org';
    try {
      const without = await asking(well);
      await without.ask(one);
      expect(without.server.asked[0]!.headers.authorization).toBeUndefined();
      expect(JSON.stringify(without.server.asked[0]!.headers)).not.toMatch(/sk-of|"org"/);
      const withKey = await asking(well, {}, { key: 'sk-1' });
      await withKey.ask(one);
      expect(withKey.server.asked[0]!.headers.authorization).toBe('Bearer sk-1');
    } finally {
      delete process.env.OPENAI_API_KEY;
      delete process.env.OPENAI_ORG_ID;
    }
  });

  it('is so many requests at once and no more', async () => {
    let [inside, most] = [0, 0];
    const { ask } = await asking(
      (_, response) => {
        most = Math.max(most, ++inside);
        setImmediate(() => {
          inside--;
          sendJson(response, 200, completion('x'));
        });
      },
      { concurrency: 2 },
    );
    await Promise.all(Array.from({ length: 6 }, () => ask()));
    expect(most).toBe(2);
  });
});

describe('a server that is away for a while', () => {
  const failing = (times: number, status: number, headers: Record<string, string> = {}) => {
    return (asked: Asked, response: Parameters<typeof sendJson>[0], nth: number) =>
      nth < times
        ? sendJson(response, status, { error: { message: 'busy' } }, headers)
        : well(asked, response);
  };

  it.each([429, 503, 502, 504, 500])(
    'is asked again after %i, with waits that grow, and the retries are told',
    async (status) => {
      const { ask, pauses, server } = await asking(failing(3, status));
      const { outputs, usage } = await ask(one);
      expect(outputs[0]![0]!.text).toBe(' well');
      expect(usage).toMatchObject({ requests: 1, retries: 3 });
      expect(pauses).toEqual([1, 2, 3].map((attempt) => backOff(keys[0]!, attempt)));
      expect(new Set(server.asked.map(({ body }) => JSON.stringify(body))).size).toBe(1);
    },
  );

  it('is asked again no sooner than it says: seconds, a date, milliseconds', async () => {
    for (const [headers, least] of [
      [{ 'retry-after': '17' }, 17_000],
      [{ 'retry-after': new Date(NOW + 90_000).toUTCString() }, 90_000],
      [{ 'retry-after-ms': '1234', 'retry-after': '99' }, 1234],
    ] as const) {
      const { ask, pauses } = await asking(failing(1, 429, headers));
      await ask(one);
      expect(pauses[0]).toBeGreaterThanOrEqual(least);
      expect(pauses[0]).toBeLessThan(least + 1000);
    }
  });

  it('for longer than there is patience, or that asks for more, is an error that says how to go on', async () => {
    const long = await asking(failing(99, 503), { patienceSeconds: 30 });
    await expect(long.ask(one)).rejects.toMatchObject({
      code: 'endpoint.away',
      message: expect.stringContaining('503'),
      fields: { endpoint: 'big', fix: expect.stringContaining('patienceSeconds') },
    });
    expect(long.pauses.reduce((a, b) => a + b)).toBeLessThanOrEqual(30_000);
    expect(long.pauses.length).toBeGreaterThan(4);
    const asks = await asking(failing(99, 429, { 'retry-after': '3600' }), { patienceSeconds: 30 });
    await expect(asks.ask(one)).rejects.toMatchObject({ code: 'endpoint.away' });
    expect(asks.server.asked).toHaveLength(1);
  });

  it('because nobody listens or it drops the connection is away too', async () => {
    const drops = await asking((asked, response, nth) =>
      nth === 0 ? response.destroy() : well(asked, response),
    );
    expect((await drops.ask(one)).usage.retries).toBe(1);
    await drops.server.close();
    await expect(drops.ask(one)).rejects.toMatchObject({
      code: 'endpoint.away',
      message: expect.stringContaining('ECONNREFUSED'),
    });
  });

  it('and never answers is asked again so often, then the question has failed', async () => {
    const { ask, server } = await asking(() => undefined, { retries: 2 }, { late: true });
    await expect(ask(one)).rejects.toMatchObject({
      code: 'endpoint.invalid',
      message: expect.stringContaining('no answer in time'),
    });
    expect(server.asked.length).toBeLessThanOrEqual(3);
  });
});

describe('a server that says no', () => {
  const saying = (status: number, error: object) => (_: Asked, response: Parameters<typeof sendJson>[0]) =>
    sendJson(response, status, { error });

  it.each([
    [401, {}, 'keyEnv'],
    [403, {}, 'keyEnv'],
    [404, { message: 'no such model' }, 'url'],
    [429, { code: 'insufficient_quota' }, 'endpoints.big'],
    [400, { message: 'no logprobs here', param: 'logprobs' }, 'endpoints.big'],
    [
      400,
      { message: "Use 'max_completion_tokens' instead.", param: 'max_tokens' },
      '--set endpoints.big.limit=max_completion_tokens',
    ],
    [
      400,
      { message: "'temperature' does not support 0.7", param: 'temperature' },
      '--set endpoints.big.sampling=false',
    ],
  ])('%i %j is not asked again: the run stops, and the fix names the setting', async (status, error, fix) => {
    const { ask, server } = await asking(saying(status, { message: 'no', ...error }));
    const failed = (await ask(one).catch((caught: unknown) => caught)) as SoliloquyError;
    expect(failed).toMatchObject({
      code: 'endpoint.refused',
      message: expect.stringContaining(`${server.url}/completions`),
      fields: { endpoint: 'big', status, fix: expect.stringContaining(fix) },
    });
    expect(failed.message).toContain(String(status));
    expect(server.asked).toHaveLength(1);
  });

  it('to one question fails that question alone', async () => {
    const { ask, server } = await asking(
      saying(400, { message: 'I will not talk of this', param: 'prompt' }),
    );
    await expect(ask(one)).rejects.toMatchObject({
      code: 'endpoint.invalid',
      message: expect.stringContaining('I will not talk of this'),
    });
    expect(server.asked).toHaveLength(1);
  });

  it('because the prompt is too long gives an empty answer without room, as the local model does', async () => {
    const { ask } = await asking(
      saying(400, { message: 'This model’s maximum context length is 10 tokens' }),
    );
    expect((await ask(one)).outputs[0]![0]).toMatchObject({ text: '', finish: 'no-room', ids: [] });
  });

  it('by sending elsewhere is not followed there, so the key stays', async () => {
    const other = await asking(well);
    const { ask } = await asking(
      (_, response) => response.writeHead(307, { location: other.server.url }).end(),
      {},
      { key: 'sk-1' },
    );
    await expect(ask(one)).rejects.toMatchObject({ code: 'endpoint.refused' });
    expect(other.server.asked).toEqual([]);
  });
});

describe('a key that the server says back', () => {
  const KEY = 'sk-"odd\\key/+1';
  it.each([
    [401, { error: { message: `Incorrect API key provided: ${KEY}` } }],
    [400, { error: { message: `bad ${KEY}`, param: 'prompt' } }],
    [200, completion(` your key is ${KEY}`)],
    [200, { [KEY]: KEY }],
    [503, KEY],
  ])('with %i stands in no answer and no error', async (status, body) => {
    const { ask } = await asking(
      (_, response) => sendJson(response, status, body),
      { patienceSeconds: 1 },
      { key: KEY },
    );
    const told = await ask(one).catch((caught: SoliloquyError) => {
      const chain: unknown[] = [];
      for (let error: unknown = caught; error instanceof Error; error = error.cause)
        chain.push(error.message, error.stack, (error as SoliloquyError).fields);
      return chain;
    });
    const text = JSON.stringify(told);
    expect(text).not.toContain('odd');
    expect(text).not.toContain('key/+1');
  });
});

describe('an odd answer', () => {
  const odd = fc.oneof(fc.json(), fc.string());
  const likely = fc
    .record(
      {
        choices: fc.oneof(
          fc.array(
            fc.record(
              {
                index: fc.anything({ maxDepth: 1 }),
                text: fc.oneof(
                  { weight: 4, arbitrary: fc.string() },
                  { weight: 1, arbitrary: fc.anything({ maxDepth: 1 }) },
                ),
                message: fc.oneof(
                  { weight: 4, arbitrary: fc.record({ content: fc.string() }) },
                  { weight: 1, arbitrary: fc.anything({ maxDepth: 2 }) },
                ),
                finish_reason: fc.anything({ maxDepth: 1 }),
                logprobs: fc.anything({ maxDepth: 2 }),
              },
              { requiredKeys: ['text', 'message'] },
            ),
            { maxLength: 2 },
          ),
          fc.anything({ maxDepth: 1 }),
        ),
        usage: fc.anything({ maxDepth: 2 }),
      },
      { requiredKeys: ['choices'] },
    )
    .map(
      (value) =>
        JSON.stringify(value, (_, inner) => (typeof inner === 'bigint' ? String(inner) : inner)) ?? '',
    );
  const bodies = fc.oneof({ weight: 1, arbitrary: odd }, { weight: 4, arbitrary: likely });

  it('of any kind is an answer or a failure of its question with a reason: nothing else, and no crash', async () => {
    let body = '';
    let type = '';
    let served: 'answered' | 'failed';
    const counts = { answered: 0, failed: 0 };
    const { ask } = await asking((_, response) => {
      response.writeHead(200, { 'content-type': type });
      response.end(body);
    });
    await fc.assert(
      fc.asyncProperty(
        bodies,
        fc.constantFrom('application/json', 'application/json', 'application/json', 'text/html'),
        fc.constantFrom('chat', undefined),
        async (text, as, through) => {
          [body, type] = [text, as];
          try {
            const { outputs } = await ask({
              ...one,
              ...(through === 'chat' ? { through } : {}),
            } as Partial<EndpointQuestion>);
            expect(typeof outputs[0]![0]!.text).toBe('string');
            served = 'answered';
          } catch (error) {
            expect(error).toMatchObject({
              code: 'endpoint.invalid',
              message: expect.stringMatching(/^endpoint big: http.*: ./),
            });
            served = 'failed';
          }
          counts[served]++;
        },
      ),
      { numRuns: 300, seed: Number(process.env.ENDPOINT_SEED ?? 1), endOnFailure: true },
    );
    expect(Math.min(counts.failed, counts.answered)).toBeGreaterThan(20);
  });

  it.each([
    ['no choices', '{"choices":[]}', 'choices'],
    ['no text', '{"choices":[{"index":0}]}', 'choices.0.text'],
    ['no JSON', '<html>proxy</html>', 'object'],
    ['half a JSON', '{"choices":[{"text":"a', 'JSON'],
    ['nothing', '', 'JSON'],
  ])('with %s says what is missing', async (_, body, named) => {
    const { ask } = await asking((_asked, response) => {
      response
        .writeHead(200, { 'content-type': body.startsWith('<') ? 'text/html' : 'application/json' })
        .end(body);
    });
    await expect(ask(one)).rejects.toMatchObject({
      code: 'endpoint.invalid',
      message: expect.stringContaining(named),
    });
  });

  it('that is huge is let go at the limit', async () => {
    let sent = 0;
    const { ask } = await asking(
      (_, response) => {
        response.writeHead(200, { 'content-type': 'application/json' });
        const part = Buffer.alloc(1 << 16, 32);
        const more = (): void => {
          while (!response.destroyed && response.write(part)) sent += part.length;
          if (!response.destroyed) response.once('drain', more);
        };
        more();
      },
      {},
      { bodyLimit: 1 << 20 },
    );
    await expect(ask(one)).rejects.toMatchObject({
      code: 'endpoint.invalid',
      message: expect.stringContaining('longer than'),
    });
    expect(sent).toBeLessThan(64 << 20);
  });
});
