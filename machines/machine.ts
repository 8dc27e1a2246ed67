/**
 * What all machines share: they take messages and emit what they say. No clock, no model, no randomness of their own.
 */
import type { Address, BodyOf, Message, MessageType, Outgoing, Received } from '../src/protocol/messages.js';

/** The only thing that a machine emits. */
export interface Said extends Outgoing {
  readonly type: 'said';
}

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

/** Narrows an event whose type the statechart has already fixed. */
export function as<T extends MessageType>(event: Received, type: T): Of<T> {
  if (event.type !== type) throw new Error(`expected ${type}, got ${event.type}`);
  return event as Of<T>;
}

/** A copy of a record without some keys. */
export function without<T>(record: Readonly<Record<string, T>>, key: string): Record<string, T> {
  const { [key]: _, ...rest } = record;
  return rest;
}
