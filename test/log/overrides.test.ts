import { describe, expect, it } from 'vitest';
import { createOverrides, identityOf } from '../../src/log/overrides.js';
import { episodeId, responseId } from '../../src/protocol/ids.js';
import type { Message } from '../../src/protocol/messages.js';
import { generationOf } from '../support/messages.js';

const id = episodeId(1, 7);
const answers = (first: number): Extract<Message, { type: 'responses.made' }> => ({
  type: 'responses.made',
  body: {
    episode: id,
    candidates: [0, 1].map((c) => ({ ...generationOf('so'), id: responseId(id, first + c) })),
  },
});

describe('a fact changed by hand', () => {
  it('is known by type and episode, a later version’s answers by their first candidate', () => {
    expect(identityOf(answers(0))).toBe('responses.made 1-0007');
    expect(identityOf(answers(4))).toBe('responses.made 1-0007/4');
    expect(identityOf({ type: 'responses.made', body: { episode: id, candidates: [] } })).toBe(
      'responses.made 1-0007',
    );
  });

  it('does not change the other answers of its episode', () => {
    const overrides = createOverrides();
    overrides.add('responses.made 1-0007', 'candidates.0.text', 'other');
    const textOf = (message: Message) =>
      message.type === 'responses.made' ? message.body.candidates.map(({ text }) => text) : [];
    expect(textOf(overrides.patch(answers(0)))).toEqual(['other', 'so']);
    expect(textOf(overrides.patch(answers(4)))).toEqual(['so', 'so']);
  });
});
