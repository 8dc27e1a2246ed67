/** Short ways to write messages and what models say, for tests of machines and the loop. */

import { versionOf } from '../../src/protocol/ids.js';
import type {
  BodyOf,
  Generation,
  Message,
  MessageType,
  Outgoing,
  Received,
  Verdict,
} from '../../src/protocol/messages.js';
import type { PromptFormat } from '../../src/protocol/records.js';
import { additive } from '../../src/protocol/templates.js';

export const format: PromptFormat = {
  chat: 'Q: {{prompt}}\nA:',
  invent: { header: 'List\n', item: '- {{prompt}}\n', tail: '-' },
  stop: { response: [], judgement: [], prompt: [] },
};

export const template = additive;
export const sampling = { temperature: 1, topP: 1, maxNewTokens: 8 };

export const generationOf = (text: string, key: readonly number[] = [1, 2]): Generation => ({
  text,
  ids: [1],
  logprob: -1,
  finish: 'stop',
  key: [key[0]!, key[1]!],
  version: versionOf(1),
});

export const score = (value: number): Verdict => ({ status: 'score', score: value });
export const unread: Verdict = { status: 'unparseable', reason: 'no-marker' };

let last = 0;
/** A message as a machine gets it, each with a seq of its own. */
export const received = <T extends MessageType>(type: T, body: BodyOf<T>, seq = last++): Received =>
  ({ type, body, seq }) as unknown as Received;

/** The bodies of one type among what was said. */
export const bodies = <T extends MessageType>(said: readonly Outgoing[], type: T): BodyOf<T>[] =>
  said.flatMap(({ message }) => (message.type === type ? [message.body as BodyOf<T>] : []));

export const types = (said: readonly Outgoing[]): string[] =>
  said.map(({ to, message }) => `${message.type} > ${to}`);

export const failure = (id: string, reason = 'broken'): Received =>
  received('request.failed', { id, reason });

/** The answer of a model to a request: `text(item, sample)` says what it writes. */
export function resultOf(
  request: BodyOf<'model.request'>,
  text: (item: string, sample: number) => string,
): Extract<Message, { type: 'model.result' }> {
  const items = request.items.map(({ id, keys }) => ({
    id,
    outputs: keys.map((key, sample) => generationOf(text(id, sample), key)),
  }));
  return { type: 'model.result', body: { id: request.id, items } };
}
