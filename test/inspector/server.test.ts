/** The inspector's server over real sockets: who may ask, what is answered, and that a dropped connection loses nothing. */
import { request } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { machines } from '../../actors/machines.js';
import { type BoundHouse, createHouse } from '../../src/cli/inspector-house.js';
import type { Control } from '../../src/inspector/house.js';
import { type Inspector, startInspector } from '../../src/inspector/server.js';
import type { BodyOf, Envelope } from '../../src/protocol/messages.js';
import { envelopesIn, recordScripted, scriptedConfig } from '../support/scripted-run.js';
import { temporaryFolder, writeTinyModel } from '../support/tiny-run.js';

const folder = temporaryFolder();
const run = join(folder.path, 'runs', 'one');
const acts: string[] = [];
const act = (name: string) => () => void acts.push(name);
const control: Control = {
  hold: act('hold'),
  step: act('step'),
  release: act('release'),
  stop: act('stop'),
  held: false,
  ended: false,
};
let house: BoundHouse;
let inspector: Inspector;
let envelopes: readonly Envelope[];

beforeAll(async () => {
  const model = await writeTinyModel(join(folder.path, 'm0'));
  await recordScripted(scriptedConfig(model, { iterations: 1 }), run);
  await recordScripted(scriptedConfig(model, { iterations: 0 }), join(folder.path, 'runs', 'two'));
  envelopes = await envelopesIn(run);
  house = createHouse({ run, live: { control, from: envelopes.length } });
  inspector = await startInspector({ house, page: join(import.meta.dirname, '../../dist/page'), port: 0 });
});
afterAll(async () => {
  await inspector.close();
  house.close();
  folder.remove();
});

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: string;
}

/** As raw as a hostile caller's: any Host, Origin, path. */
function ask(
  path: string,
  headers: Record<string, string> = {},
  method = 'GET',
  content?: string,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request(
      { port: inspector.port, host: '127.0.0.1', path, method, headers },
      async (response) => {
        const parts: Buffer[] = [];
        for await (const part of response) parts.push(part as Buffer);
        resolve({
          status: response.statusCode!,
          headers: response.headers,
          body: Buffer.concat(parts).toString('utf8'),
        });
      },
    );
    asked.on('error', reject);
    asked.end(content);
  });
}
const json = async <T>(path: string) => JSON.parse((await ask(path)).body) as T;
interface Numbered {
  readonly seq: number;
}
const own = () => `http://127.0.0.1:${inspector.port}`;
const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
  ask(path, { 'content-type': 'application/json', ...headers }, 'POST', JSON.stringify(body));
const token = () => ({ 'x-soliloquy-token': house.token });

describe('the door', () => {
  it('is open on loopback only', () => {
    expect(inspector.url.startsWith('http://127.0.0.1:')).toBe(true);
  });

  it.each([
    ['another name that points here', { host: 'evil.example' }],
    ['a name that begins like ours', { host: 'localhost.evil.example' }],
    ['a page of another site', { origin: 'https://evil.example' }],
    ['a page of another port', { origin: 'http://127.0.0.1:1' }],
    ['a sandboxed page', { origin: 'null' }],
    ['a request that a browser calls cross-site', { 'sec-fetch-site': 'cross-site' }],
    ['a request that a browser calls same-site', { 'sec-fetch-site': 'same-site' }],
  ])('refuses %s, reading and writing', async (_name, headers) => {
    for (const path of ['/', '/api/runs', '/api/runs/one/messages', '/api/runs/one/events', '/api/charts'])
      expect((await ask(path, headers)).status).toBe(403);
    expect((await post('/api/runs/one/control', { action: 'stop' }, { ...token(), ...headers })).status).toBe(
      403,
    );
    expect(acts).toEqual([]);
  });

  it('takes our own page, by any of our names', async () => {
    for (const name of ['127.0.0.1', 'localhost', '[::1]'])
      expect((await ask('/api/runs', { host: `${name}:${inspector.port}` })).status).toBe(200);
    expect((await ask('/api/runs', { origin: own(), 'sec-fetch-site': 'same-origin' })).status).toBe(200);
  });

  it('lets a person follow a link to the page, as from a run to its fork, but to nothing else', async () => {
    const followed = {
      'sec-fetch-site': 'same-site',
      'sec-fetch-mode': 'navigate',
      'sec-fetch-dest': 'document',
    };
    expect((await ask('/one/stage', followed)).status).toBe(200);
    expect((await ask('/one/stage', { ...followed, host: 'evil.example' })).status).toBe(403);
    expect((await ask('/one/stage', { ...followed, origin: 'http://127.0.0.1:1' })).status).toBe(403);
    expect((await ask('/one/stage', { ...followed, 'sec-fetch-dest': 'iframe' })).status).toBe(403);
    expect((await ask('/api/runs', followed)).status).toBe(403);
    expect(
      (await post('/api/runs/one/control', { action: 'stop' }, { ...token(), ...followed })).status,
    ).toBe(403);
  });

  it('lets nothing be changed without the token', async () => {
    for (const headers of [
      {},
      { 'x-soliloquy-token': 'wrong' },
      { 'x-soliloquy-token': `${house.token}x` },
    ]) {
      expect((await post('/api/runs/one/control', { action: 'stop' }, headers)).status).toBe(403);
      expect((await post('/api/runs/one/fork', { at: 'M1' }, headers)).status).toBe(403);
    }
    expect(acts).toEqual([]);
    expect((await post('/api/runs/one/control', { action: 'hold' }, token())).status).toBe(200);
    expect(acts.splice(0)).toEqual(['hold']);
  });

  it('sends a policy that lets no foreign script, style, frame or connection in', async () => {
    for (const path of ['/', '/api/runs']) {
      const policy = String((await ask(path)).headers['content-security-policy']);
      expect(policy).toContain("default-src 'none'");
      expect(policy).toContain("script-src 'self'");
      expect(policy).not.toMatch(/script-src[^;]*unsafe|https?:/);
      expect(policy).toContain("frame-ancestors 'none'");
    }
  });

  it.each([
    '/../../../etc/passwd',
    '/assets/../../../package.json',
    '/%2e%2e/%2e%2e/package.json',
    '/api/runs/..%2f..%2fetc/messages',
    '/api/runs/%2e%2e/messages',
    '/api/runs/one/messages/..%2f..',
    '/api/runs/%E0%A4%A/messages',
  ])('gives nothing from outside for %s', async (path) => {
    const { status, body } = await ask(path);
    expect(body).not.toMatch(/root:|"dependencies"/);
    if (path.startsWith('/api/')) expect(status).toBeGreaterThanOrEqual(400);
  });
});

describe('the answers', () => {
  it('name the runs beside it', async () => {
    expect(await json<object>('/api/runs')).toEqual({
      home: 'one',
      runs: expect.arrayContaining(['one', 'two']),
    });
  });

  it('hold the phases and versions with the first seq of each, and where the run lies', async () => {
    const {
      phases,
      versions,
      folder: path,
    } = await json<{
      phases: { name: string; first: number; count: number }[];
      versions: { name: string; seq: number }[];
      folder: string;
    }>('/api/runs/one');
    expect(path).toBe(run);
    expect(phases.reduce((sum, { count }) => sum + count, 0)).toBe(envelopes.length);
    expect(phases.find(({ name }) => name === 'iteration 1')!.first).toBe(
      envelopes.find(({ type }) => type === 'prompts.request')!.seq,
    );
    const made = envelopes.filter(({ type }) => type === 'version.made');
    expect(versions).toEqual(
      made.map(({ seq, body }) => ({ seq, name: (body as { version: string }).version })),
    );
  });

  it('hold the message of a moment, and for whom the model worked last', async () => {
    const asked = envelopes.findLast(({ to, from }) => to === 'model' && from === 'judge')!;
    const { message, playing } = await json<{ message: Numbered; playing: string }>(
      `/api/runs/one/moment?seq=${asked.seq}`,
    );
    expect(message.seq).toBe(asked.seq);
    expect(playing).toBe('judge');
  });

  it('hold the transitions that a message took, without the context', async () => {
    const paired = envelopes.find(({ type }) => type === 'pair.made')!;
    const answer = await json<object>(`/api/runs/one/taken?address=${paired.from}&seq=${paired.cause}`);
    const { transitions } = machines.episode.describe();
    expect(Object.keys(answer).sort()).toEqual(['address', 'seq', 'state', 'taken']);
    const { taken } = answer as { taken: number[] };
    expect(transitions[taken.at(-1)!]!.to).toBe('paired');
  });

  it('hold the messages, a window at a time', async () => {
    const { total, rows } = await json<{ total: number; rows: Numbered[] }>(
      '/api/runs/one/messages?from=10&count=5',
    );
    expect(total).toBe(envelopes.length);
    expect(rows.map(({ seq }) => seq)).toEqual([10, 11, 12, 13, 14]);
  });

  it('hold each message whole, with its cause and effects', async () => {
    const said = envelopes.find(({ type }) => type === 'responses.made')!;
    const { envelope, cause, effects } = await json<{
      envelope: Envelope;
      cause: Numbered;
      effects: Numbered[];
    }>(`/api/runs/one/messages/${said.seq}`);
    expect(envelope).toEqual(said);
    expect(cause.seq).toBe(said.cause);
    expect(effects.map(({ seq }) => seq)).toEqual(
      envelopes.filter((one) => one.cause === said.seq).map(({ seq }) => seq),
    );
  });

  it('hold an episode with the true score of each answer', async () => {
    const { rows } = await json<{ rows: { id: string }[] }>('/api/runs/one/episodes?end=paired&count=1');
    const episode = await json<{ envelopes: Envelope[]; truths: object }>(
      `/api/runs/one/episodes/${rows[0]!.id}`,
    );
    const answered = episode.envelopes.find(({ type }) => type === 'responses.made')!;
    const { candidates } = answered.body as { candidates: { id: string; text: string }[] };
    expect(Object.keys(episode.truths)).toEqual(candidates.map((one) => one.id));
  });

  it('hold the place of each verdict in the judge’s words, and an episode’s place in the list', async () => {
    const { rows } = await json<{ rows: { id: string }[] }>('/api/runs/one/episodes?from=2&count=1');
    const { place } = await json<{ place: number }>(`/api/runs/one/episodes?find=${rows[0]!.id}&count=0`);
    expect(place).toBe(2);
    const said = envelopes.find(
      ({ type, body }) =>
        type === 'judgement.made' && (body as BodyOf<'judgement.made'>).verdict.status === 'score',
    )!;
    const { id, generation } = said.body as BodyOf<'judgement.made'>;
    const { places, scale } = await json<{
      places: Record<string, { marker: [number, number]; score: [number, number] }>;
      scale: { marker: string };
    }>(`/api/runs/one/episodes/${id.split('/')[0]}`);
    expect(generation!.text.slice(...places[id]!.marker).toLowerCase()).toBe(scale.marker.toLowerCase());
    expect(generation!.text.slice(...places[id]!.score)).not.toBe('');
  });

  it.each([
    ['/api/runs/none/messages', 404],
    ['/api/runs/one/messages/999999', 404],
    ['/api/runs/one/messages/x', 400],
    ['/api/runs/one/messages?count=100000', 400],
    ['/api/runs/one/messages?from=-1', 400],
    ['/api/runs/one/context?address=model', 404],
    ['/api/runs/one/episodes/9-9', 404],
    ['/api/runs/one/constructor', 404],
    ['/api/nothing', 404],
  ])('refuse %s with a reason', async (path, status) => {
    const answer = await ask(path);
    expect(answer.status).toBe(status);
    expect(JSON.parse(answer.body).error.message).toBeTruthy();
  });

  it.each([{ action: 'explode' }, { action: 'stop', more: 1 }, [], null])('refuse to do %j', async (body) => {
    expect((await post('/api/runs/one/control', body, token())).status).toBe(400);
    expect(acts).toEqual([]);
  });

  it.each([
    { at: '--help' },
    { at: 'M1', cast: { judge: 5 } },
    { at: 'M1', cast: { king: 'live' } },
    { at: 'M1', set: ['--out=/etc'] },
    { at: 'M1', override: ['nonsense'] },
  ])('refuse to fork at %j', async (body) => {
    expect((await post('/api/runs/one/fork', body, token())).status).toBe(400);
  });

  it('refuse a body that is too large or no JSON', async () => {
    expect((await post('/api/runs/one/control', { action: 'x'.repeat(2 << 20) }, token())).status).toBe(413);
    expect((await ask('/api/runs/one/control', token(), 'POST', '{')).status).toBe(400);
  });
});

describe('the events', () => {
  /** The first event of a new connection. */
  const firstEvent = (headers: Record<string, string> = {}) =>
    new Promise<{ id: string; data: { head: { count: number } } }>((resolve, reject) => {
      const asked = request(
        { port: inspector.port, host: '127.0.0.1', path: '/api/runs/two/events', headers },
        (response) => {
          let text = '';
          response.setEncoding('utf8');
          response.on('data', (part: string) => {
            text += part;
            const found = /id: (\d+)\nevent: head\ndata: (.*)\n\n/.exec(text);
            if (!found) return;
            asked.destroy();
            resolve({ id: found[1]!, data: JSON.parse(found[2]!) });
          });
        },
      );
      asked.on('error', reject);
      asked.end();
    });

  it('tell how far the log is, to whoever comes and comes again', async () => {
    const count = (await envelopesIn(join(folder.path, 'runs', 'two'))).length;
    house.open('two');
    for (;;) {
      const { data } = await firstEvent();
      if (data.head.count === count) break;
    }
    const again = await firstEvent({ 'last-event-id': String(count - 5) });
    expect(Number(again.id)).toBe(count);
    expect(again.data.head.count).toBe(count);
  });
});
