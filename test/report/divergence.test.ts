import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GENESIS, sealLine } from '../../src/log/chain.js';
import type { Envelope, Message } from '../../src/protocol/messages.js';
import { firstDivergence, firstOtherFacts, type LogToRead } from '../../src/report/divergence.js';
import { testFolder } from '../support/folder.js';

const filtered = (n: number): Message => ({
  type: 'pair.withheld',
  body: {
    episode: `1-${n}`,
    iteration: 1,
    reason: 'tie',
    detail: `no ${n} \u2028 é`,
    positives: [],
  } as never,
});
const start = (hash: string): Message => ({ type: 'run.start', body: { configHash: hash, baseHash: 'b' } });

function logOf(folder: string, name: string, said: readonly Message[], at = 1000): LogToRead {
  const log = join(folder, name);
  let head = GENESIS;
  const lines = said.map((message, seq) => {
    const envelope = { v: 1, seq, at: at + seq, from: 'judge', to: 'record', cause: seq - 1, ...message };
    const sealed = sealLine(head, envelope as Envelope);
    head = sealed.head;
    return `${sealed.line}\n`;
  });
  writeFileSync(log, lines.join(''));
  return { log, lines: lines.length };
}

const some = Array.from({ length: 30 }, (_, n) => filtered(n));

describe('the common prefix', () => {
  it('is up to the first changed message, wherever it stands, and both are told by their seq', async () => {
    const folder = testFolder();
    const a = logOf(folder, 'a', [start('x'), ...some]);
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: some.length }), async (at) => {
        const b = logOf(folder, 'b', [start('y'), ...some].with(at, filtered(999)), 5_000_000);
        const { common, a: saidA, b: saidB } = await firstDivergence(a, b);
        expect([common, saidA!.seq, saidB!.seq]).toEqual([at, at, at]);
        expect(saidB!.text).toContain('no 999');
        expect(await firstDivergence(b, a)).toEqual({ common, a: saidB, b: saidA });
      }),
      { numRuns: 15 },
    );
  });

  it('ends where one log ends; lines beyond the whole ones are not read', async () => {
    const folder = testFolder();
    const a = logOf(folder, 'a', some);
    const b = logOf(folder, 'b', some.slice(0, 10));
    expect(await firstDivergence(a, b)).toMatchObject({ common: 10, a: { seq: 10 }, b: null });
    writeFileSync(b.log, '{"torn', { flag: 'a' });
    expect(await firstDivergence(a, b)).toMatchObject({ common: 10, b: null });
    expect(await firstDivergence(a, { ...a })).toEqual({ common: 30, a: null, b: null });
  });
});

describe('the first fact that only one log holds', () => {
  it('does not see the order of the lines', async () => {
    const folder = testFolder();
    const a = logOf(folder, 'a', some);
    await fc.assert(
      fc.asyncProperty(fc.shuffledSubarray(some, { minLength: some.length }), async (shuffled) => {
        expect(await firstOtherFacts(a, logOf(folder, 'b', shuffled))).toEqual({ a: null, b: null });
      }),
      { numRuns: 15 },
    );
  });

  it('is found in each, though they stand at different places', async () => {
    const folder = testFolder();
    const a = logOf(folder, 'a', some.with(12, filtered(500)));
    const b = logOf(folder, 'b', [...some.slice(5), ...some.slice(0, 5)].with(20, filtered(600)));
    const { a: saidA, b: saidB } = await firstOtherFacts(a, b);
    expect(saidA).toMatchObject({ seq: 12 });
    // 12 of the first log stands at 7 in the second.
    expect(saidB).toMatchObject({ seq: 7 });
    expect(saidA!.text).toContain('no 500');
  });

  it('is none of what only names a cast or a place in the log', async () => {
    const folder = testFolder();
    const judged = (player: string, left: number): Message =>
      ({
        type: 'judgement.made',
        body: {
          id: 'j',
          response: 'r',
          player,
          verdict: { status: 'score', score: 3 },
          generation: null,
          left,
        },
      }) as unknown as Message;
    const [a, b] = [logOf(folder, 'a', [judged('live', 3)]), logOf(folder, 'b', [judged('frozen:M1', 1)])];
    expect(await firstOtherFacts(a, b)).toEqual({ a: null, b: null });
    expect((await firstDivergence(a, b)).common).toBe(0);
  });
});
