/**
 * A machine as a role: XState's pure `transition`, driven one message at a time, live and in a replay alike. Holds the
 * snapshot; runs no effects but what the machine says. XState ignores a message that no transition takes; here it is
 * refused, with the state that refused it.
 */
import {
  type AnyMachineSnapshot,
  type AnyStateMachine,
  initialTransition,
  type StateValue,
  transition,
} from 'xstate';
import type { Emitted } from '../machines/machine.js';
import { type TakenStep, takenIn } from '../machines/taken.js';
import type { Outgoing, Received } from '../src/protocol/messages.js';
import type { Role } from '../src/protocol/ports.js';

export interface MachineRole extends Role {
  readonly snapshot: AnyMachineSnapshot;
  /** `working.iteration.training` */
  readonly state: string;
  /** The transitions that the last message took, by their numbers in the machine's description; worked out when asked. */
  taken(): readonly number[];
  /** Goes on from the same state with another input: another player, another hyper-parameter. */
  recast(input: unknown): void;
  /** The snapshot as plain data, without the input. */
  freeze(): FrozenRole;
  /** Goes on from there, with the input that it has. */
  thaw(frozen: FrozenRole): void;
}

export interface FrozenRole {
  readonly value: StateValue;
  readonly context: Readonly<Record<string, unknown>>;
  /** Which states a history state recalls. */
  readonly history: Readonly<Record<string, readonly string[]>>;
}

/** What XState hands back for `emit`; our machines have no other effects. */
interface EmitAction {
  readonly type: string;
  readonly params?: { readonly event?: Emitted };
}

const emittedIn = (actions: readonly EmitAction[]): Emitted[] =>
  actions.flatMap(({ type, params }) => (type === 'xstate.emit' && params?.event ? [params.event] : []));

/** `working.iteration.training` */
export const stateText = (value: StateValue): string =>
  typeof value === 'string'
    ? value
    : Object.entries(value)
        .map(([key, inner]) => `${key}.${stateText(inner!)}`)
        .join(' ');

export function machineRole(machine: AnyStateMachine, input: unknown): MachineRole {
  /** Of the last message, and of what it had the machine tell itself. */
  let steps: TakenStep[] = [];
  let [snapshot] = initialTransition(machine, input) as [AnyMachineSnapshot, readonly EmitAction[]];
  const { id } = input as { readonly id?: string };
  const by = id === undefined ? machine.id : `${machine.id}:${id}`;

  const refusal = ({ type }: Received): Outgoing => ({
    to: 'record',
    message: { type: 'message.refused', body: { by, state: stateText(snapshot.value as StateValue), type } },
  });
  const take = (message: Received): readonly Emitted[] => {
    const [next, actions] = transition(machine, snapshot, message) as [
      AnyMachineSnapshot,
      readonly EmitAction[],
    ];
    if (next.status === 'error') throw next.error;
    snapshot = next;
    return emittedIn(actions);
  };
  return {
    get snapshot() {
      return snapshot;
    },
    get state() {
      return stateText(snapshot.value as StateValue);
    },
    taken: () => steps.flatMap((step) => takenIn(machine, step)),
    recast(next) {
      const { value, context, historyValue } = snapshot;
      snapshot = machine.resolveState({
        value,
        context: { ...context, input: next },
        historyValue,
      }) as AnyMachineSnapshot;
    },
    freeze() {
      const { value, context, historyValue } = snapshot;
      const { input: _, ...own } = context as Record<string, unknown>;
      const history = Object.entries(historyValue).map(([id, nodes]) => [id, nodes!.map((node) => node.id)]);
      return { value, context: own, history: Object.fromEntries(history) };
    },
    thaw({ value, context, history }) {
      const recalled = Object.entries(history).map(([id, nodes]) => [
        id,
        nodes.map((node) => machine.getStateNodeById(node)),
      ]);
      const { input } = snapshot.context as { readonly input: unknown };
      snapshot = machine.resolveState({
        value,
        context: { ...context, input },
        historyValue: Object.fromEntries(recalled),
      }) as AnyMachineSnapshot;
    },
    receive(message) {
      const said: Outgoing[] = [];
      const inbox: Received[] = [message];
      steps = [];
      for (let next = inbox.shift(); next; next = inbox.shift()) {
        steps.push({ before: snapshot, message: next });
        if (machine.getTransitionData(snapshot, next).length === 0) said.push(refusal(next));
        else
          for (const emitted of take(next))
            if (emitted.type === 'said') said.push({ to: emitted.to, message: emitted.message });
            else inbox.push(emitted.message);
      }
      return said;
    },
  };
}
