/**
 * Facts changed by hand: `judgement@1234.score=2` names a message by type and seq in the parent's log, a field, and its new value.
 * In the fork the same fact may stand at another seq, so it is known again by its id.
 */
import { z } from 'zod';
import { SoliloquyError } from '../protocol/errors.js';
import {
  type Envelope,
  MESSAGE_TYPES,
  type Message,
  type MessageType,
  messageSchema,
} from '../protocol/messages.js';

/** As asked for on a command line or in a file. */
export interface OverrideRequest {
  readonly type: MessageType;
  readonly seq: number;
  readonly path: string;
  readonly value: unknown;
}

const SHORT: Readonly<Record<string, MessageType>> = {
  prompt: 'prompt.made',
  responses: 'responses.made',
  judgement: 'judgement.made',
  pair: 'pair.made',
};

const wrong = (text: string, why: string) =>
  new SoliloquyError('usage', `--override ${text}: ${why}`, {
    override: text,
    fix: 'TYPE@SEQ.path=value, such as judgement@1234.score=2 or responses@80.candidates.0.text="yes"',
  });

export function parseOverride(text: string): OverrideRequest {
  const found = /^([\w.-]+)@(\d+)\.([\w.]+)=(.*)$/s.exec(text);
  if (!found) throw wrong(text, 'can’t be read');
  const [, name, seq, path, value] = found as unknown as [string, string, string, string, string];
  const type = SHORT[name] ?? name;
  if (!MESSAGE_TYPES.has(type)) throw wrong(text, `there is no message type ${name}`);
  let parsed: unknown = value;
  try {
    parsed = JSON.parse(value);
  } catch {
    // a text without quotes
  }
  return { type: type as MessageType, seq: Number(seq), path, value: parsed };
}

const fileSchema = z.array(
  z.strictObject({ type: z.string(), seq: z.number().int().min(0), path: z.string(), value: z.unknown() }),
);

/** A JSON file: a list of `{"type", "seq", "path", "value"}`. */
export function parseOverrides(file: string, content: string): readonly OverrideRequest[] {
  let raw: unknown;
  try {
    raw = JSON.parse(content);
  } catch {
    throw wrong(file, 'is not JSON');
  }
  const list = fileSchema.safeParse(raw);
  if (!list.success) throw wrong(file, z.prettifyError(list.error));
  return list.data.map(({ type, seq, path, value }) => {
    const name = SHORT[type] ?? type;
    if (!MESSAGE_TYPES.has(name)) throw wrong(file, `there is no message type ${type}`);
    return { type: name as MessageType, seq, path, value };
  });
}

/** What tells a fact from others of its type, or null. */
export function identityOf({ type, body }: Pick<Envelope, 'type' | 'body'>): string | null {
  const { id, episode, version } = body as { id?: string; episode?: string; version?: string };
  const name = id ?? laterAnswers(body) ?? episode;
  if (name === undefined) return version === undefined ? null : `${type} ${version}`;
  return version === undefined ? `${type} ${name}` : `${type} ${version} ${name}`;
}

/** An episode may be answered twice (Temporal Self-Rewarding): the second time is known by its first candidate. */
function laterAnswers(body: object): string | undefined {
  const first = (body as { candidates?: readonly { readonly id: string }[] }).candidates?.[0]?.id;
  return first?.endsWith('/0') ? undefined : first;
}

/** `score` of a judgement is its verdict, whether or not it could be read. */
const placeOf = (type: MessageType, path: string, value: unknown): readonly [string, unknown] =>
  type === 'judgement.made' && path === 'score'
    ? ['verdict', { status: 'score', score: value }]
    : [path, value];

function changed(
  value: unknown,
  keys: readonly string[],
  to: unknown,
): { readonly was: unknown; readonly now: unknown } {
  const [key, ...rest] = keys;
  if (key === undefined) return { was: value, now: to };
  if (typeof value !== 'object' || value === null || !(key in value))
    throw new SoliloquyError('usage', `there is no field ${key}`, { field: key });
  const inner = changed((value as Record<string, unknown>)[key], rest, to);
  if (Array.isArray(value))
    return { was: inner.was, now: value.map((one, i) => (String(i) === key ? inner.now : one)) };
  return { was: inner.was, now: { ...value, [key]: inner.now } };
}

/** The message with the field changed, and what stood there. Throws where that is no message any more. */
export function overridden(
  message: Message,
  path: string,
  value: unknown,
): { readonly message: Message; readonly was: unknown } {
  const [place, to] = placeOf(message.type, path, value);
  const { was, now } = changed(message.body, place.split('.'), to);
  const parsed = messageSchema.safeParse({ type: message.type, body: now });
  if (!parsed.success)
    throw new SoliloquyError(
      'usage',
      `${path} can't be ${JSON.stringify(value)}: ${z.prettifyError(parsed.error)}`,
      { path },
    );
  return { message: { type: message.type, body: now } as Message, was };
}

export interface Overrides {
  patch(message: Message): Message;
  add(identity: string, path: string, value: unknown): void;
}

/** Those that are in force; a fact is changed whenever it is said. */
export function createOverrides(): Overrides {
  const byFact = new Map<string, { readonly path: string; readonly value: unknown }[]>();
  return {
    patch(message) {
      if (byFact.size === 0) return message;
      const own = byFact.get(identityOf(message) ?? '') ?? [];
      return own.reduce((said, { path, value }) => overridden(said, path, value).message, message);
    },
    add(identity, path, value) {
      byFact.set(identity, [...(byFact.get(identity) ?? []), { path, value }]);
    },
  };
}
