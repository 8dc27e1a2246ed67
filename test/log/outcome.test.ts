import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { outcomeHash } from '../../src/log/outcome.js';
import type { Envelope } from '../../src/protocol/messages.js';
import { runLoop } from '../support/loop.js';

const log = runLoop({ seed: 5, asks: 6 });
const digestOf = (envelopes: readonly Envelope[]) => {
  const hash = outcomeHash();
  for (const envelope of envelopes) hash.add(envelope);
  return hash.digest();
};
const whole = digestOf(log);

describe('the outcome hash', () => {
  it("doesn't depend on the order of the lines, their seqs or their times", () => {
    fc.assert(
      fc.property(fc.shuffledSubarray([...log], { minLength: log.length }), fc.nat(), (lines, at) => {
        expect(digestOf(lines.map((one, seq) => ({ ...one, seq, cause: 0, at })))).toBe(whole);
      }),
      { numRuns: 20 },
    );
  });

  it('leaves out what is no fact: crash notes, progress, pauses', () => {
    const note: Envelope = {
      ...log[0]!,
      type: 'worker.crashed',
      body: { task: 'sample', attempt: 0, reason: 'killed' },
    };
    expect(digestOf([note, ...log])).toBe(whole);
  });

  it('changes with any fact: one left out, one twice, one text or verdict changed', () => {
    const facts = log.filter(({ type }) =>
      [
        'prompt.made',
        'responses.made',
        'judgement.made',
        'pair.made',
        'pair.withheld',
        'version.made',
      ].includes(type),
    );
    expect(facts.length).toBeGreaterThan(10);
    for (const fact of facts) expect(digestOf(log.filter((one) => one !== fact)), fact.type).not.toBe(whole);
    expect(digestOf([...log, facts[0]!])).not.toBe(whole);
    const judged = log.find(({ type }) => type === 'judgement.made')!;
    const other = {
      ...judged,
      body: { ...judged.body, verdict: { status: 'score', score: 2.5 } },
    } as Envelope;
    expect(digestOf(log.map((one) => (one === judged ? other : one)))).not.toBe(whole);
  });

  it('can be asked more than once', () => {
    const hash = outcomeHash();
    for (const one of log) hash.add(one);
    expect(hash.digest()).toBe(hash.digest());
    expect(hash.facts).toBeGreaterThan(0);
  });
});
