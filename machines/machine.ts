/**
 * What all machines share: they take messages and emit what they say. No clock, no model, no randomness of their own.
 * A message that a state has no transition for is refused by whoever drives the machine (actors/role.ts), which knows the
 * state; a paused machine holds messages and hands them back, in order, when it goes on.
 */
import { enqueueActions } from 'xstate';
import type { Address, BodyOf, Message, MessageType, Outgoing, Received } from '../src/protocol/messages.js';

/** Something to be put on the log and delivered. */
export interface Said extends Outgoing {
  readonly type: 'said';
}

/** A message that was held during a pause, to be taken now as if it came now. */
export interface Released {
  readonly type: 'released';
  readonly message: Received;
}

/** The only things that a machine emits. */
export type Emitted = Said | Released;

export const say = <T extends MessageType>(to: Address, type: T, body: BodyOf<T>): Said => ({
  type: 'said',
  to,
  message: { type, body } as Message,
});

/** The received message of one type. */
export type Of<T extends MessageType> = Extract<Received, { type: T }>;

/** Messages a paused machine keeps for later, in order. */
export interface Holding {
  readonly held: readonly Received[];
}

/** What a machine with a `paused` state does: `hold` on any message, `release` when it goes on. */
export const pausing = <C extends Holding>() => ({
  hold: enqueueActions<C, Received, undefined, Received, never, never, never, never, Emitted>(
    ({ context, event, enqueue }) => {
      enqueue.assign(heldNow<C>([...context.held, event]));
    },
  ),
  release: enqueueActions<C, Received, undefined, Received, never, never, never, never, Emitted>(
    ({ context, enqueue }) => {
      for (const message of context.held) enqueue.emit({ type: 'released', message });
      enqueue.assign(heldNow<C>([]));
    },
  ),
});

/** The state of a pause, for a machine whose `working` has the history state `before`. */
export const PAUSED = {
  on: {
    'run.resume': { target: 'working.before', actions: 'release' },
    'run.pause': {},
    '*': { actions: 'hold' },
  },
} as const;

const heldNow = <C extends Holding>(held: readonly Received[]) => ({ held }) as Partial<C>;

/** Narrows an event whose type the statechart has already fixed. */
export function as<T extends MessageType>(event: Received, type: T): Of<T> {
  if (event.type !== type) throw new Error(`expected ${type}, got ${event.type}`);
  return event as Of<T>;
}

/** Whether a message answers work that is still open. */
export const answers = ({ body }: Received, open: Readonly<Record<string, unknown>>): boolean =>
  'id' in body && Object.hasOwn(open, body.id);

/** A copy of a record without some keys. */
export function without<T>(record: Readonly<Record<string, T>>, key: string): Record<string, T> {
  const { [key]: _, ...rest } = record;
  return rest;
}
