import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { GENESIS, sealLine } from '../../src/log/chain.js';
import { indexLog } from '../../src/log/log-index.js';
import type { Envelope } from '../../src/protocol/messages.js';
import { testFolder } from '../support/folder.js';
import { runLoop } from '../support/loop.js';

const log = runLoop({ seed: 3, asks: 6, babble: 0.3 }).map((envelope): Envelope => {
  if (envelope.type !== 'prompt.made') return envelope;
  const prompt = 'größer \u2028 als 🐄?\u0000';
  return { ...envelope, body: { ...envelope.body, prompt } as Envelope['body'] };
});

function write(envelopes: readonly Envelope[]): string {
  const file = join(testFolder(), 'messages.jsonl');
  let head = GENESIS;
  const lines = envelopes.map((envelope) => {
    const sealed = sealLine(head, envelope);
    head = sealed.head;
    return `${sealed.line}\n`;
  });
  writeFileSync(file, lines.join(''));
  return file;
}

describe('an indexed log', () => {
  it('gives every message by its seq, whatever characters stand before it', async () => {
    const seen: Envelope[] = [];
    const index = await indexLog(write(log), (envelope) => seen.push(envelope));
    expect(seen).toEqual(log);
    expect(index.count).toBe(log.length);
    for (const { seq } of [...log].reverse()) expect(index.read(seq)).toEqual(log[seq]);
    index.close();
  });

  it('knows what a message answers and what it caused', async () => {
    const index = await indexLog(write(log));
    for (const { seq, cause, type } of log) {
      expect([index.causeOf(seq), index.typeOf(seq)]).toEqual([cause, type]);
      if (cause >= 0) expect(index.effectsOf(cause)).toContain(seq);
    }
    expect(index.seqsOf('pair.made')).toEqual(
      log.filter(({ type }) => type === 'pair.made').map(({ seq }) => seq),
    );
    index.close();
  });

  it('ends before a torn line and says so', async () => {
    const file = write(log);
    writeFileSync(file, readFileSync(file).subarray(0, -30));
    const index = await indexLog(file);
    expect([index.count, index.torn]).toEqual([log.length - 1, true]);
    expect(index.read(log.length - 2)).toEqual(log[log.length - 2]);
    index.close();
  });

  it('refuses a log that was changed', async () => {
    const file = write(log);
    writeFileSync(file, readFileSync(file, 'utf8').replace('"seq":4,', '"seq":4 ,'));
    await expect(indexLog(file)).rejects.toMatchObject({ code: 'log.invalid' });
  });
});
