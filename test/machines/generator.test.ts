import { describe, expect, it } from 'vitest';
import { machineRole } from '../../actors/role.js';
import { type GeneratorInput, generatorMachine } from '../../machines/generator.js';
import { versionOf } from '../../src/protocol/ids.js';
import type { BodyOf, Outgoing } from '../../src/protocol/messages.js';
import { bodies, failure, format, received, resultOf, sampling, types } from '../support/messages.js';

const rules = { minWords: 1, maxWords: 4, keywords: ['image'], similarity: 0.8 };
const input: GeneratorInput = {
  seed: 1,
  cast: { player: 'live' },
  shots: { seedShots: 1, madeShots: 1 },
  rules,
  sampling,
  format,
  asksPerRequest: 2,
  retries: 1,
};
/** A generator that has been asked; returns what it says at once. */
function invited(asks: number, credit: number, change: Partial<GeneratorInput> = {}) {
  const generator = machineRole(generatorMachine, { ...input, ...change });
  generator.receive(
    received('prompts.known', { seed: ['name a cat', 'sort these'], heldOut: ['add one two'] }),
  );
  return {
    generator,
    said: generator.receive(
      received('prompts.request', { iteration: 1, version: versionOf(1), asks, credit }),
    ),
  };
}
const asked = (said: readonly Outgoing[]) => bodies(said, 'model.request');
const answer = (body: BodyOf<'model.request'>, ...texts: string[]) => {
  let at = 0;
  return received('model.result', resultOf(body, () => texts[at++]!).body);
};

describe('the generator', () => {
  it('G1 opens an episode for each ask and reports when the last is answered', () => {
    const { generator, said } = invited(3, 9);
    const [one, two] = asked(said);
    expect(asked(said).map(({ id, items }) => [id, items.map((item) => item.id)])).toEqual([
      ['invent/1/0', ['1-0000', '1-0001']],
      ['invent/1/2', ['1-0002']],
    ]);
    expect(types(generator.receive(answer(one!, 'draw an image', 'what is new')))).toEqual([
      'prompt.filtered > episode:1-0000',
      'prompt.made > episode:1-0001',
    ]);
    const end = generator.receive(answer(two!, 'count the dogs'));
    expect(types(end)).toEqual(['prompt.made > episode:1-0002', 'prompts.made > coordinator']);
    expect(bodies(end, 'prompts.made')).toEqual([{ iteration: 1, episodes: 3, filtered: 1, failed: 0 }]);
    expect(generator.snapshot.value).toEqual({ working: 'idle' });
  });

  it.each([
    ['', 'empty'],
    ['one two three four five', 'too-long'],
    ['an image please', 'keyword'],
    ['Name a cat!', 'duplicate'],
    ['add one two', 'held-out'],
  ])('G1 filters %j as %s', (text, reason) => {
    const { generator, said } = invited(1, 9);
    expect(bodies(generator.receive(answer(asked(said)[0]!, text)), 'prompt.filtered')).toMatchObject([
      { episode: '1-0000', reason },
    ]);
  });

  it('G2 waits where the credit is used up, and goes on when it comes back', () => {
    const { generator, said } = invited(8, 4);
    expect(asked(said)).toHaveLength(2);
    expect(asked(generator.receive(answer(asked(said)[0]!, 'a b', 'c d')))).toEqual([]);
    expect(generator.receive(received('prompts.credit', { iteration: 1, episodes: 1 }))).toEqual([]);
    expect(asked(generator.receive(received('prompts.credit', { iteration: 1, episodes: 1 })))).toHaveLength(
      1,
    );
    expect(generator.snapshot.value).toEqual({ working: { inventing: 'waiting' } });
  });

  it('G2 credit that comes back after the last prompt is let go', () => {
    const { generator, said } = invited(1, 4);
    generator.receive(answer(asked(said)[0]!, 'a b'));
    expect(generator.receive(received('prompts.credit', { iteration: 1, episodes: 1 }))).toEqual([]);
    expect(
      asked(
        generator.receive(
          received('prompts.request', { iteration: 2, version: versionOf(2), asks: 4, credit: 2 }),
        ),
      ),
    ).toHaveLength(2);
  });

  it('G3 sends a failed request again, the same, then fails its asks', () => {
    const { generator, said } = invited(2, 4);
    const [body] = asked(said);
    expect(asked(generator.receive(failure(body!.id)))).toEqual([body]);
    const end = generator.receive(failure(body!.id, 'no memory'));
    expect(types(end)).toEqual([
      'prompt.failed > episode:1-0000',
      'prompt.failed > episode:1-0001',
      'prompts.made > coordinator',
    ]);
    expect(bodies(end, 'prompts.made')[0]).toMatchObject({ filtered: 0, failed: 2 });
  });

  it('G3 an answer that nobody waits for is refused', () => {
    const { generator, said } = invited(4, 4);
    const [body] = asked(said);
    for (const stray of [failure('invent/9/9'), answer({ ...body!, id: 'invent/9/9' }, 'a', 'b')])
      expect(types(generator.receive(stray))).toEqual(['message.refused > record']);
  });

  it('G4 of two equal prompts in one answer the first is made; later ones know all before', () => {
    const { generator, said } = invited(4, 8);
    const [one, two] = asked(said);
    const first = generator.receive(answer(one!, 'count dogs', 'Count dogs.'));
    expect(types(first)).toEqual(['prompt.made > episode:1-0000', 'prompt.filtered > episode:1-0001']);
    expect(bodies(generator.receive(answer(two!, 'count dogs', 'new one')), 'prompt.filtered')).toMatchObject(
      [{ reason: 'duplicate', detail: 'count dogs' }],
    );
  });

  it('G4 knows the prompts of earlier iterations, and shows them as shots', () => {
    const { generator, said } = invited(1, 4);
    generator.receive(answer(asked(said)[0]!, 'count dogs'));
    const [next] = asked(
      generator.receive(
        received('prompts.request', { iteration: 2, version: versionOf(2), asks: 1, credit: 4 }),
      ),
    );
    expect(next).toMatchObject({ version: 'M2' });
    expect(next!.items[0]!.prompt).toContain('- count dogs\n');
    expect(bodies(generator.receive(answer(next!, 'count dogs')), 'prompt.filtered')).toMatchObject([
      { reason: 'duplicate' },
    ]);
  });

  it('G6 screens in the order of the asks, whichever answer comes first', () => {
    const { generator, said } = invited(4, 8);
    const [one, two] = asked(said);
    expect(generator.receive(answer(two!, 'count dogs', 'new one'))).toEqual([]);
    expect(types(generator.receive(answer(one!, 'count dogs', 'other one')))).toEqual([
      'prompt.made > episode:1-0000',
      'prompt.made > episode:1-0001',
      'prompt.filtered > episode:1-0002',
      'prompt.made > episode:1-0003',
      'prompts.made > coordinator',
    ]);
  });

  it('G6 a request that fails for good lets those behind it go on', () => {
    const { generator, said } = invited(4, 8, { retries: 0 });
    const [one, two] = asked(said);
    expect(generator.receive(answer(two!, 'count dogs', 'new one'))).toEqual([]);
    expect(types(generator.receive(failure(one!.id))).slice(0, 3)).toEqual([
      'prompt.failed > episode:1-0000',
      'prompt.failed > episode:1-0001',
      'prompt.made > episode:1-0002',
    ]);
  });

  it('G5 a request larger than the credit still goes out', () => {
    for (const credit of [1, 2, 3, 5, 23]) {
      const { said } = invited(40, credit, { asksPerRequest: 16 });
      const sizes = asked(said).map(({ items }) => items.length);
      expect(sizes.length).toBeGreaterThan(0);
      expect(sizes.reduce((a, b) => a + b, 0)).toBeLessThanOrEqual(credit);
    }
  });

  it('G5 what is left over of a lot never starves it: credit 24 in lots of 3, requests of 23', () => {
    const { generator, said } = invited(60, 24, { asksPerRequest: 23 });
    let closed = 0;
    let owed = 0;
    const queue = [...asked(said)];
    for (let body = queue.shift(); body; body = queue.shift()) {
      queue.push(...asked(generator.receive(answer(body, ...body.items.map(() => '')))));
      for (const _ of body.items) {
        closed++;
        if (++owed < 3) continue;
        owed = 0;
        if (closed < 60)
          queue.push(...asked(generator.receive(received('prompts.credit', { iteration: 1, episodes: 3 }))));
      }
    }
    expect(closed).toBe(60);
  });
});
