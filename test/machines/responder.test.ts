import { describe, expect, it } from 'vitest';
import { machineRole } from '../../actors/role.js';
import { type ResponderInput, responderMachine } from '../../machines/responder.js';
import { episodeId, responseId, versionOf } from '../../src/protocol/ids.js';
import { bodies, failure, format, received, resultOf, sampling, types } from '../support/messages.js';

const responderOf = (retries = 1, change: Partial<ResponderInput> = {}) =>
  machineRole(responderMachine, {
    seed: 1,
    cast: { player: 'lagged', by: 1 },
    candidates: 3,
    sampling,
    format,
    retries,
    ...change,
  });
const request = (ask: number) =>
  received('responses.request', { episode: episodeId(2, ask), iteration: 2, prompt: `p${ask}` });
const result = (body: Parameters<typeof resultOf>[0]) =>
  received('model.result', resultOf(body, (_, c) => `answer ${c}`).body);

describe('the responder', () => {
  it('R1 answers with N candidates, from the version that is cast', () => {
    const responder = responderOf();
    const [body] = bodies(responder.receive(request(0)), 'model.request');
    expect(body).toMatchObject({ version: 'M1', sampling, items: [{ prompt: 'Q: p0\nA:' }] });
    const said = responder.receive(result(body!));
    expect(types(said)).toEqual(['responses.made > episode:2-0000']);
    expect(bodies(said, 'responses.made')[0]!.candidates.map(({ id, text }) => [id, text])).toEqual(
      [0, 1, 2].map((c) => [responseId(episodeId(2, 0), c), `answer ${c}`]),
    );
    expect(responder.snapshot.value).toEqual({ working: 'idle' });
  });

  describe('R4 beside a past version', () => {
    const anchored = (anchor: number) => responderOf(1, { anchor: versionOf(anchor) });

    it('R4 answers when both are in, the past version’s candidates counted on, whoever is first', () => {
      const responder = anchored(0);
      const [own, past] = bodies(responder.receive(request(0)), 'model.request');
      expect([own!.version, past!.version]).toEqual(['M1', 'M0']);
      expect(new Set([...own!.items[0]!.keys, ...past!.items[0]!.keys].map(String)).size).toBe(6);
      expect(responder.receive(result(past!))).toEqual([]);
      const [made] = bodies(responder.receive(result(own!)), 'responses.made');
      expect(made!.candidates.map(({ id }) => id)).toEqual(
        [0, 1, 2, 3, 4, 5].map((c) => responseId(episodeId(2, 0), c)),
      );
      expect(responder.snapshot.value).toEqual({ working: 'idle' });
    });

    it('R4 asks once where the past version is the one that is cast, and where a later one is to answer', () => {
      expect(bodies(anchored(1).receive(request(0)), 'model.request')).toHaveLength(1);
      const again = { version: versionOf(9), first: 6 };
      const body = { episode: episodeId(2, 0), iteration: 2, prompt: 'p0', again };
      const responder = anchored(0);
      const [asked, ...rest] = bodies(
        responder.receive(received('responses.request', body)),
        'model.request',
      );
      expect([asked!.version, rest.length]).toEqual(['M9', 0]);
      const [made] = bodies(responder.receive(result(asked!)), 'responses.made');
      expect(made!.candidates.map(({ id }) => id)).toEqual(
        [6, 7, 8].map((c) => responseId(episodeId(2, 0), c)),
      );
    });

    it('R4 fails once where either does, after the other has answered', () => {
      const responder = anchored(0);
      const [own, past] = bodies(responder.receive(request(0)), 'model.request');
      responder.receive(failure(own!.id));
      expect(responder.receive(failure(own!.id, 'no memory'))).toEqual([]);
      expect(bodies(responder.receive(result(past!)), 'responses.failed')).toEqual([
        { episode: '2-0000', reason: 'no memory' },
      ]);
    });
  });

  it('R1 answers in any order, each to its episode', () => {
    const responder = responderOf();
    const [one] = bodies(responder.receive(request(0)), 'model.request');
    const [two] = bodies(responder.receive(request(1)), 'model.request');
    expect(types(responder.receive(result(two!)))).toEqual(['responses.made > episode:2-0001']);
    expect(responder.snapshot.value).toEqual({ working: 'answering' });
    expect(types(responder.receive(result(one!)))).toEqual(['responses.made > episode:2-0000']);
  });

  it('R1 an answer that nobody waits for is refused, and breaks nothing', () => {
    const responder = responderOf();
    const [one] = bodies(responder.receive(request(0)), 'model.request');
    expect(types(responder.receive(failure('respond/9-9999')))).toEqual(['message.refused > record']);
    expect(types(responder.receive(result({ ...one!, id: 'respond/9-9999' })))).toEqual([
      'message.refused > record',
    ]);
    expect(types(responder.receive(result(one!)))).toEqual(['responses.made > episode:2-0000']);
  });

  it('R2 sends a failed request again, the same, up to the limit', () => {
    const responder = responderOf(2);
    const [body] = bodies(responder.receive(request(0)), 'model.request');
    for (let attempt = 0; attempt < 2; attempt++)
      expect(bodies(responder.receive(failure(body!.id)), 'model.request')).toEqual([body]);
    expect(bodies(responder.receive(failure(body!.id, 'no memory')), 'responses.failed')).toEqual([
      { episode: '2-0000', reason: 'no memory' },
    ]);
    expect(responder.snapshot.value).toEqual({ working: 'idle' });
  });

  it("R3 a key is the candidate's own, whatever was asked before", () => {
    const alone = bodies(responderOf().receive(request(1)), 'model.request')[0]!;
    const busy = responderOf();
    busy.receive(request(0));
    expect(bodies(busy.receive(request(1)), 'model.request')[0]).toEqual(alone);
    expect(new Set(alone.items[0]!.keys.map(String)).size).toBe(3);
  });
});
