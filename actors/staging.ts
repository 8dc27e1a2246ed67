/**
 * The machines as somebody who watches them needs them: folded over a log's messages, with no delivery, no addressee and no
 * check (that is replay.ts). Says in which state each message leaves who takes it; can be set down anywhere in a log.
 */
import { type Config, configSchema } from '../src/protocol/config.js';
import type { Address, BodyOf, Envelope, Received } from '../src/protocol/messages.js';
import type { FrozenRole } from './role.js';
import { createRoles } from './roles.js';
import { createWorld, templateFor } from './worlds.js';

export type { FrozenRole } from './role.js';

export interface Held {
  readonly state: string;
  readonly context: unknown;
  /** Transitions that its last message took, by number. */
  readonly taken: readonly number[];
}

export interface Staging {
  /** The recipient's state after it took the message; null if it has none. */
  take(envelope: Envelope): string | null;
  freeze(address: string): FrozenRole | null;
  thaw(address: string, frozen: FrozenRole): void;
  /** What the machine of an address holds now, without its input; an episode that is over, if it was the last to be. */
  contextOf(address: string): Held | null;
  /** The same in XState's form. */
  snapshotOf(
    address: string,
  ): { readonly value: unknown; readonly context: unknown; readonly isDone: boolean } | null;
}

/** The machines that stand for the whole run; an episode has one of its own. */
export const ROLES = ['coordinator', 'generator', 'responder', 'judge', 'meta-judge', 'trainer'] as const;

/** `config`: of the log's beginning; a `run.forked` on the log recasts. */
export function createStaging(config: Config): Staging {
  const world = createWorld(config);
  const roles = createRoles({ config, world, template: templateFor(config, world) });
  const recast = ({ body }: Envelope): void => {
    const next = configSchema.parse((body as BodyOf<'run.forked'>).config);
    roles.recast({ config: next, world, template: templateFor(next, world) });
  };
  return {
    take(envelope) {
      const { to, type, body, seq } = envelope;
      if (type === 'run.forked') recast(envelope);
      roles.role(to)?.receive({ type, body, seq } as Received);
      return roles.left(to)?.state ?? null;
    },
    freeze: (address) =>
      roles
        .living()
        .get(address as Address)
        ?.freeze() ?? null,
    thaw: (address, frozen) => roles.role(address as Address)?.thaw(frozen),
    contextOf(address) {
      const role = roles.left(address as Address) ?? roles.role(address as Address);
      if (!role) return null;
      return { state: role.state, context: role.freeze().context, taken: role.taken() };
    },
    snapshotOf(address) {
      const role = roles.left(address as Address);
      if (!role) return null;
      const { value, context } = role.freeze();
      return { value, context, isDone: role.snapshot.status === 'done' };
    },
  };
}
