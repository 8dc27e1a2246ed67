/**
 * Our messages in the words of @statelyai/inspect (protocol 0.7): each machine is an actor under our own address, which is the
 * same on every thread and in every replay. Owns the form, sends nothing.
 */
import type { Envelope } from '../protocol/messages.js';

const PROTOCOL = '0.7.2';

export interface StatelyMessage {
  readonly type: '@xstate.actor' | '@xstate.event' | '@xstate.snapshot';
  readonly sessionId: string;
  readonly rootId: string;
  readonly id: null;
  readonly createdAt: string;
  readonly _version: string;
  readonly [more: string]: unknown;
}

/** The parent of all others. */
export const ROOT = 'coordinator';

/** A machine after a message. */
export interface ActorState {
  readonly address: string;
  /** `{ working: 'asking' }`, as XState writes it. */
  readonly value: unknown;
  readonly context: unknown;
  readonly isDone: boolean;
}

const base = (type: StatelyMessage['type'], address: string, at: number) => ({
  type,
  sessionId: address,
  rootId: ROOT,
  id: null,
  createdAt: String(at),
  _version: PROTOCOL,
});

const LONG_TEXT = 300;
const MANY = 20;
const DEEP = 5;

/** What a person can look at of a value: long texts cut, long lists and deep objects named by their size. */
export function inShort(value: unknown, depth = 0): unknown {
  if (typeof value === 'string')
    return value.length > LONG_TEXT ? `${value.slice(0, LONG_TEXT)}… (${value.length} characters)` : value;
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) {
    if (depth >= DEEP) return `list of ${value.length}`;
    const shown = value.slice(0, MANY).map((one) => inShort(one, depth + 1));
    return value.length > MANY ? [...shown, `… ${value.length} in all`] : shown;
  }
  const entries = Object.entries(value);
  if (depth >= DEEP) return `object of ${entries.length}`;
  const shown = entries.slice(0, MANY).map(([key, one]) => [key, inShort(one, depth + 1)]);
  if (entries.length > MANY) shown.push(['…', `${entries.length} in all`]);
  return Object.fromEntries(shown);
}

export interface Wording {
  /** No prompt, no text, no context leaves: only types, states and seqs. */
  readonly redact: boolean;
}

const snapshotOf = ({ value, context, isDone }: ActorState, { redact }: Wording) => ({
  status: isDone ? 'done' : 'active',
  value,
  context: redact ? {} : inShort(context),
  children: {},
  tags: [],
});

const eventOf = ({ type, seq, body }: Envelope, { redact }: Wording) =>
  redact ? { type, seq } : { ...(inShort(body) as object), type, seq };

/** That there is such a machine. `definition`: the machine's config as JSON. */
export const actorMessage = (
  state: ActorState,
  definition: string,
  at: number,
  wording: Wording,
): StatelyMessage => ({
  ...base('@xstate.actor', state.address, at),
  name: state.address,
  ...(state.address === ROOT ? {} : { parentId: ROOT }),
  definition,
  snapshot: snapshotOf(state, wording),
});

/** What it was told, and how that left it. */
export function takenMessages(
  envelope: Envelope,
  state: ActorState,
  isActor: (address: string) => boolean,
  wording: Wording,
): readonly StatelyMessage[] {
  const { at, from } = envelope;
  const event = eventOf(envelope, wording);
  return [
    {
      ...base('@xstate.event', state.address, at),
      event,
      ...(isActor(from) ? { sourceId: from } : {}),
    },
    { ...base('@xstate.snapshot', state.address, at), event, snapshot: snapshotOf(state, wording) },
  ];
}
