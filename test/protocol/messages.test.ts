import { describe, expect, it } from 'vitest';
import { messageSchema } from '../../src/protocol/messages.js';
import { runLoop } from '../support/loop.js';

const log = [
  ...runLoop({ seed: 1, asks: 8, judge: 'ensemble:[live,random]', babble: 0.4, pauses: 2 }),
  ...runLoop({ seed: 2, asks: 8, failing: 0.6, retries: 0 }),
];
const oneOf = (type: string) => log.find((one) => one.type === type)!;

describe('messages', () => {
  it('whatever the machines say is valid, and JSON-safe', () => {
    for (const { type, body } of log) {
      const parsed = messageSchema.parse(JSON.parse(JSON.stringify({ type, body })));
      expect(parsed).toEqual({ type, body });
    }
  });

  it('an unknown type is none', () => {
    expect(messageSchema.safeParse({ type: 'judgement.guessed', body: {} }).success).toBe(false);
  });

  it.each(['judgement.made', 'pair.withheld', 'model.request', 'responses.made'])(
    '%s without a field of its body is none',
    (type) => {
      const { body } = oneOf(type);
      for (const key of Object.keys(body)) {
        const { [key as never]: _, ...rest } = body as Record<string, unknown>;
        expect(messageSchema.safeParse({ type, body: rest }).success, key).toBe(false);
      }
    },
  );

  it('an unparseable verdict carries no score: there is no −1', () => {
    const { body } = oneOf('judgement.made');
    const parsed = messageSchema.parse({
      type: 'judgement.made',
      body: { ...body, verdict: { status: 'unparseable', reason: 'no-marker', score: -1 } },
    });
    expect(parsed.body).toMatchObject({ verdict: { status: 'unparseable', reason: 'no-marker' } });
    expect('score' in (parsed.body as { verdict: object }).verdict).toBe(false);
  });

  it('facts carry what a researcher would ask for: text, token ids, key, version, and the judgements of a pair', () => {
    expect(oneOf('judgement.made').body).toMatchObject({
      generation: {
        text: expect.any(String),
        ids: expect.any(Array),
        key: expect.any(Array),
        version: expect.any(String),
      },
    });
    const pair = log.find((one) => one.type === 'pair.made')!.body as { chosen: { judgements: number[] } };
    expect(pair.chosen.judgements.length).toBeGreaterThan(0);
  });
});
