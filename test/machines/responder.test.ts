import { describe, expect, it } from 'vitest';
import { machineRole } from '../../actors/role.js';
import { responderMachine } from '../../machines/responder.js';
import { episodeId, responseId } from '../../src/protocol/ids.js';
import { bodies, failure, format, received, resultOf, sampling, types } from '../support/messages.js';

const responderOf = (retries = 1) =>
  machineRole(responderMachine, {
    seed: 1,
    cast: { player: 'lagged', by: 1 },
    candidates: 3,
    sampling,
    format,
    retries,
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
