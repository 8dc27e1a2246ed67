/** What a person and a program are told while a run goes on: made of its real messages. */
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { Subject } from 'rxjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { showProgress } from '../../src/cli/progress.js';
import type { Config } from '../../src/protocol/config.js';
import type { VersionId } from '../../src/protocol/ids.js';
import type { Envelope } from '../../src/protocol/messages.js';
import { envelopesIn, recordScripted, scriptedConfig } from '../support/scripted-run.js';
import { temporaryFolder, writeTinyModel } from '../support/tiny-run.js';
import { soliloquy } from './command.js';

const folder = temporaryFolder();
let config: Config;
let envelopes: readonly Envelope[];
beforeAll(async () => {
  config = scriptedConfig(await writeTinyModel(join(folder.path, 'm0')), { iterations: 1 });
  await recordScripted(config, join(folder.path, 'run'));
  envelopes = await envelopesIn(join(folder.path, 'run'));
});
afterAll(() => folder.remove());

/** Plays the messages, a second apart, and gives all that was written. */
function shown(isTTY: boolean): string {
  let text = '';
  const out = Object.assign(
    new Writable({
      write(chunk, _encoding, done) {
        text += String(chunk);
        done();
      },
    }),
    { isTTY, columns: 100, rows: 40 },
  );
  const messages$ = new Subject<Envelope>();
  const measuring$ = new Subject<{ version: VersionId; share: number }>();
  let now = 0;
  const stop = showProgress({ messages$, measuring$ }, config, out, { now: () => now });
  for (const envelope of envelopes) {
    now += 1000;
    messages$.next(envelope);
  }
  stop();
  return text;
}
// biome-ignore lint/suspicious/noControlCharactersInRegex: terminals are spoken to by escapes
const plain = (text: string) => text.replace(/\u001b\[[0-9;?]*[A-Za-z]/g, '');

describe('progress of a run', () => {
  it('on a terminal is a panel with a line for each role and the newest scores, counted as the log counts', () => {
    const text = plain(shown(true));
    const count = (type: string) => envelopes.filter((one) => one.type === type).length;
    const panels = text.split('%  ').filter((panel) => panel.startsWith('iteration 1'));
    const last = panels.at(-1)!;
    expect(last).toContain(`of ${config.invent.asks} prompts, ${count('prompt.filtered')} filtered out`);
    expect(text).toContain(`${count('responses.made')} prompts answered`);
    expect(text).toContain(`${count('judgement.made')} judgements`);
    expect(text).toMatch(/trainer {4}M2: step \d+ of \d+, loss/);
    expect(text).toMatch(/M1 {9}true \d\.\d\d · self \d\.\d\d/);
    expect(text).toMatch(/100 % {2}finished/);
    expect(text).toMatch(/about \d+:\d\d left/);
  });

  it('elsewhere is a plain line now and then, and for each new phase', () => {
    const text = shown(false);
    expect(text).toBe(plain(text));
    const phases = text.split('\n').map((line) => /% {2}([a-zA-Z0-9 ]+?)(?::| {2}\()/.exec(line)?.[1]);
    for (const phase of [
      'seed data',
      'measuring M0',
      'training SFT',
      'iteration 1',
      'training M2',
      'finished',
    ])
      expect(phases).toContain(phase);
    expect(text.split('\n').length).toBeLessThan(envelopes.length / 10 + 30);
  });
});

describe('soliloquy run --json', () => {
  const small = (out: string) => [
    ...['run', '--quick', '--iterations', '1', '--out', join(folder.path, out)],
    ...['--set', 'world.demonstrations=16', '--set', 'world.evaluations=16', '--set', 'world.heldOut=4'],
    ...['--set', 'world.probes=2', '--set', 'invent.asks=4', '--set', 'sft.epochs=1', '--json'],
  ];
  const eventsOf = (out: string) =>
    out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { event: string; share?: number; version?: string });

  it('tells what happens as events, the last of which is the end', async () => {
    const { code, out, err } = await soliloquy(...small('events'));
    expect([code, err]).toEqual([0, '']);
    const events = eventsOf(out);
    expect(events[0]!.event).toBe('started');
    expect(events.at(-1)!).toMatchObject({ event: 'ended', status: 'finished' });
    const measured = events.filter(({ event }) => event === 'measured').map(({ version }) => version);
    expect(measured).toEqual(['M0', 'SFT', 'M1', 'M2']);
    const shares = events.flatMap(({ share }) => (share === undefined ? [] : [share]));
    expect(shares).toEqual([...shares].sort((a, b) => a - b));
  });

  it('with --quiet tells the end alone', async () => {
    const { out } = await soliloquy(...small('end'), '--quiet');
    expect(eventsOf(out).map(({ event }) => event)).toEqual(['ended']);
  });
});
