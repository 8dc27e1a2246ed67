/**
 * A machine as a role: XState's pure `transition`, driven one message at a time, live and in a replay alike. Holds the
 * snapshot; runs no effects but what the machine says.
 */
import { type AnyMachineSnapshot, type AnyStateMachine, initialTransition, transition } from 'xstate';
import type { Said } from '../machines/machine.js';
import type { Outgoing, Received } from '../src/protocol/messages.js';
import type { Role } from './sequencer.js';

export interface MachineRole extends Role {
  readonly snapshot: AnyMachineSnapshot;
}

/** What XState hands back for `emit`; our machines have no other effects. */
interface EmitAction {
  readonly type: string;
  readonly params?: { readonly event?: Said };
}

function saidIn(actions: readonly EmitAction[]): Outgoing[] {
  return actions.flatMap(({ type, params }) =>
    type === 'xstate.emit' && params?.event ? [{ to: params.event.to, message: params.event.message }] : [],
  );
}

export function machineRole(machine: AnyStateMachine, input: unknown): MachineRole {
  let [snapshot] = initialTransition(machine, input) as [AnyMachineSnapshot, readonly EmitAction[]];
  return {
    get snapshot() {
      return snapshot;
    },
    receive(message: Received) {
      const [next, actions] = transition(machine, snapshot, message) as [AnyMachineSnapshot, readonly EmitAction[]];
      if (next.status === 'error') throw next.error;
      snapshot = next;
      return saidIn(actions);
    },
  };
}
