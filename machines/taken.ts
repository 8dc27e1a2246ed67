/**
 * Which transitions of a statechart a message took: numbers in the order of machines/describe.ts, which drawings carry as
 * `data-transition`. Asks XState again what it chose, guards and all; nothing is guessed from states.
 */
import { type AnyMachineSnapshot, type AnyStateMachine, getMicrosteps } from 'xstate';
import type { Received } from '../src/protocol/messages.js';
import { describeMachine } from './describe.js';

/** A message, and what the machine was when it took it. */
export interface TakenStep {
  readonly before: AnyMachineSnapshot;
  readonly message: Received;
}

/** What is read of XState's state nodes. */
interface Node {
  readonly path: readonly string[];
  readonly states: Readonly<Record<string, Node>>;
  readonly transitions: ReadonlyMap<string, readonly object[]>;
  readonly always?: readonly Silent[] | undefined;
}
interface Silent {
  readonly target: readonly Node[] | undefined;
}

const nodesUnder = (node: Node): Node[] =>
  Object.values(node.states).flatMap((child) => [child, ...nodesUnder(child)]);

interface Numbers {
  readonly of: ReadonlyMap<object, number>;
  readonly silent: readonly { readonly from: Node; readonly edge: Silent }[];
}

const known = new WeakMap<AnyStateMachine, Numbers>();

/** In describeMachine's order. */
function numbersOf(machine: AnyStateMachine): Numbers {
  const found = known.get(machine);
  if (found) return found;
  const root = machine.root as unknown as Node;
  const nodes = [root, ...nodesUnder(root)];
  const edges = nodes.flatMap((node) => [...[...node.transitions.values()].flat(), ...(node.always ?? [])]);
  if (edges.length !== describeMachine(machine).transitions.length)
    throw new Error(`the transitions of ${machine.id} are counted in two ways`);
  const numbers = {
    of: new Map(edges.map((edge, number) => [edge as object, number])),
    silent: nodes.flatMap((from) => (from.always ?? []).map((edge) => ({ from, edge }))),
  };
  known.set(machine, numbers);
  return numbers;
}

const isIn = (snapshot: AnyMachineSnapshot, { path }: Node): boolean => {
  let value: unknown = snapshot.value;
  for (const [i, key] of path.entries()) {
    if (typeof value === 'string') return value === key && i === path.length - 1;
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return false;
    value = (value as Readonly<Record<string, unknown>>)[key];
  }
  return true;
};

/** No machine has two silent transitions between the same states, so where one led says which it was (tested). */
function silentBetween(
  { of, silent }: Numbers,
  before: AnyMachineSnapshot,
  after: AnyMachineSnapshot,
): number[] {
  const found = silent.find(
    ({ from, edge }) => isIn(before, from) && edge.target?.[0] !== undefined && isIn(after, edge.target[0]),
  );
  return found ? [of.get(found.edge)!] : [];
}

/** In the order in which they were taken. */
export function takenIn(machine: AnyStateMachine, { before, message }: TakenStep): readonly number[] {
  const numbers = numbersOf(machine);
  const chosen = machine.getTransitionData(before, message).map((edge) => numbers.of.get(edge)!);
  if (chosen.length === 0) return [];
  const snapshots = getMicrosteps(machine, before, message).map(
    ([snapshot]) => snapshot as AnyMachineSnapshot,
  );
  const silent = snapshots.slice(1).flatMap((after, i) => silentBetween(numbers, snapshots[i]!, after));
  return [...chosen, ...silent];
}
