/** The Stately relay, against @statelyai/inspect's own client, receiver and server. */
import { createServer } from 'node:http';
import { join } from 'node:path';
import { createWebSocketInspector, createWebSocketReceiver } from '@statelyai/inspect';
import { createInspectorServer } from '@statelyai/inspect/server';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { createActor, createMachine } from 'xstate';
import { ROLES } from '../../actors/staging.js';
import { feedStately, openStately } from '../../src/cli/stately-feed.js';
import { inShort, type StatelyMessage } from '../../src/inspector/stately-messages.js';
import { type StatelyRelay, startRelay } from '../../src/inspector/stately-relay.js';
import type { Envelope } from '../../src/protocol/messages.js';
import { envelopesIn, recordScripted, scriptedConfig } from '../support/scripted-run.js';
import { temporaryFolder, writeTinyModel } from '../support/tiny-run.js';

const folder = temporaryFolder();
const run = join(folder.path, 'run');
let envelopes: readonly Envelope[];

beforeAll(async () => {
  const model = await writeTinyModel(join(folder.path, 'm0'));
  await recordScripted(scriptedConfig(model, { iterations: 1 }), run);
  envelopes = await envelopesIn(run);
});
afterAll(() => folder.remove());

const isActor = (address: string) =>
  (ROLES as readonly string[]).includes(address) || address.startsWith('episode:');

async function relay(): Promise<StatelyRelay> {
  const started = await startRelay(0);
  onTestFinished(() => started.close());
  return started;
}

/** Their receiver; resolves when `enough` says so. */
function received(port: number, enough: (all: readonly StatelyMessage[]) => boolean) {
  const all: StatelyMessage[] = [];
  return new Promise<readonly StatelyMessage[]>((resolve) => {
    createWebSocketReceiver({ server: `ws://127.0.0.1:${port}` }).subscribe((event) => {
      all.push(event as unknown as StatelyMessage);
      if (enough(all)) resolve(all);
    });
  });
}

/** Plays the run's log into a relay and waits until it has told all of it. */
async function played(to: StatelyRelay, redact = false): Promise<readonly StatelyMessage[]> {
  const last = envelopes.findLast((one) => isActor(one.to))!.seq;
  const stop = new AbortController();
  const done = received(to.port, (all) => (all.at(-1)?.event as { seq?: number })?.seq === last);
  await untilViewed(to);
  const fed = feedStately(to, { run, redact, signal: stop.signal });
  const all = await done;
  stop.abort();
  await fed;
  return all;
}
/** Until a viewer's socket is open on the relay's side: what is sent then reaches it. */
async function untilViewed(to: StatelyRelay): Promise<void> {
  const echo = new WebSocket(`ws://127.0.0.1:${to.port}`);
  await new Promise((resolve) => echo.once('open', resolve));
  echo.close();
}

describe('the relay', () => {
  it('tells their receiver of every machine, with its definition, and of all that it took, in order', async () => {
    const to = await relay();
    const all = await played(to);
    const taken = all.filter(({ type }) => type === '@xstate.event');
    const expected = envelopes.filter((one) => isActor(one.to));
    expect(taken.map(({ sessionId }) => sessionId)).toEqual(expected.map((one) => one.to));
    expect(taken.map(({ event }) => (event as { seq: number }).seq)).toEqual(expected.map(({ seq }) => seq));
    const actors = all.filter(({ type }) => type === '@xstate.actor');
    expect(new Set(actors.map(({ sessionId }) => sessionId))).toEqual(new Set(expected.map((one) => one.to)));
    for (const { definition, sessionId } of actors) {
      const machine = createMachine(JSON.parse(definition as string));
      expect(machine.id).toBe(sessionId.startsWith('episode:') ? 'episode' : sessionId);
    }
  });

  it('shows a late viewer every machine with its newest snapshot', async () => {
    const to = await relay();
    const all = await played(to);
    const late = await received(to.port, (seen) => seen.length === to.actors);
    expect(late.every(({ type }) => type === '@xstate.actor')).toBe(true);
    for (const { sessionId, snapshot, definition } of late) {
      const newest = all.findLast((one) => one.sessionId === sessionId && one.snapshot !== undefined)!;
      expect(snapshot).toEqual(newest.snapshot);
      expect(definition).toEqual(expect.any(String));
    }
  });

  it('with --redact tells types and states, and no text of a model or a prompt', async () => {
    const all = await played(await relay(), true);
    const text = JSON.stringify(all.filter(({ type }) => type !== '@xstate.actor'));
    const made = envelopes.flatMap(({ type, body }) =>
      type === 'prompt.made' ? [(body as { prompt: string }).prompt] : [],
    );
    expect(made.length).toBeGreaterThan(0);
    for (const prompt of made) expect(text).not.toContain(prompt);
    for (const { event, snapshot } of all) {
      if (event) expect(Object.keys(event).sort()).toEqual(['seq', 'type']);
      if (snapshot) expect((snapshot as { context: object }).context).toEqual({});
    }
  });

  it('takes in what their client says of other machines, and passes it on', async () => {
    const to = await relay();
    const seen = received(to.port, (all) => all.some(({ type }) => type === '@xstate.snapshot'));
    await untilViewed(to);
    const inspector = createWebSocketInspector({ url: `ws://127.0.0.1:${to.port}` });
    onTestFinished(() => inspector.stop());
    const machine = createMachine({
      id: 'lamp',
      initial: 'off',
      states: { off: { on: { press: 'on' } }, on: {} },
    });
    const actor = createActor(machine, { inspect: inspector.inspect });
    actor.start();
    actor.send({ type: 'press' });
    expect((await seen).map(({ type }) => type)).toContain('@xstate.actor');
    expect(to.actors).toBe(1);
  });

  it('speaks so that their own server passes it on as it is', async () => {
    const port = await freePort();
    const server = createInspectorServer({ port, autoOpen: false });
    onTestFinished(() => server.stop());
    const sender = new WebSocket(`ws://127.0.0.1:${port}`);
    await new Promise((resolve) => sender.once('open', resolve));
    const all = (await played(await relay())).slice(0, 100);
    const theirs = received(port, (seen) => seen.length === all.length);
    const echo = new WebSocket(`ws://127.0.0.1:${port}`);
    await new Promise((resolve) => echo.once('open', resolve));
    for (const message of all) sender.send(JSON.stringify(message));
    expect(await theirs).toEqual(all);
    sender.close();
    echo.close();
  });

  it.each([
    ['a page of another site', { origin: 'https://evil.example' }],
    ['another name that points here', { host: 'evil.example' }],
  ])('refuses %s', async (_name, headers) => {
    const to = await relay();
    const socket = new WebSocket(`ws://127.0.0.1:${to.port}`, { headers });
    const refused = await new Promise((resolve) => {
      socket.once('open', () => resolve('open'));
      socket.once('error', () => resolve('refused'));
    });
    expect(refused).toBe('refused');
    expect((await fetch(to.url, { headers: { 'sec-fetch-site': 'cross-site' } })).status).toBe(403);
  });

  it('frames stately.ai and nothing else', async () => {
    const policy = (await fetch((await relay()).url)).headers.get('content-security-policy');
    expect(policy).toContain('frame-src https://stately.ai;');
    expect(policy).toContain("script-src 'self'");
  });

  it('closes with all that it began', async () => {
    const opened = await openStately({ run, port: 0, redact: false, speed: 1e-3 });
    await opened.close();
    await expect(fetch(opened.url)).rejects.toThrow();
  });
});

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });

describe('a value in short', () => {
  it('keeps small values as they are and says how much of a large one is left out', () => {
    expect(inShort({ a: [1, 'x', null, { b: true }] })).toEqual({ a: [1, 'x', null, { b: true }] });
    expect(inShort('x'.repeat(1000))).toMatch(/… \(1000 characters\)$/);
    expect(inShort(Array.from({ length: 50 }, (_, i) => i))).toHaveLength(21);
    let deep: unknown = 'end';
    for (let i = 0; i < 100; i++) deep = { deep };
    expect(JSON.stringify(inShort(deep)).length).toBeLessThan(200);
  });
});
