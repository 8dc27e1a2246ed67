/**
 * A statechart as plain data, read off the machine itself: states, messages, transitions, the full table. For SPEC.md,
 * the `machines` command and its drawings; nothing here runs.
 */
import type { AnyStateMachine } from 'xstate';

export interface StateDescription {
  /** `working.iteration.training` */
  readonly name: string;
  readonly parent: string | null;
  readonly kind: 'atomic' | 'compound' | 'final' | 'history';
  readonly initial: string | null;
  readonly entry: readonly string[];
}

export interface TransitionDescription {
  readonly from: string;
  /** A message type, `*` (any other), or null where it is taken without a message. */
  readonly on: string | null;
  readonly guard: string | null;
  /** Null: the state stays. */
  readonly to: string | null;
  readonly actions: readonly string[];
}

export interface MachineDescription {
  readonly name: string;
  readonly initial: string;
  /** Messages that it can get. */
  readonly events: readonly string[];
  readonly states: readonly StateDescription[];
  readonly transitions: readonly TransitionDescription[];
}

/** What is read of XState's state nodes. */
interface Node {
  readonly path: readonly string[];
  readonly type: string;
  readonly config: { readonly initial?: unknown };
  readonly entry: readonly unknown[];
  readonly states: Readonly<Record<string, Node>>;
  readonly parent?: Node | undefined;
  readonly transitions: ReadonlyMap<string, readonly Edge[]>;
  readonly always?: readonly Edge[] | undefined;
}

interface Edge {
  readonly target: readonly Node[] | undefined;
  readonly guard?: unknown;
  readonly actions: readonly unknown[];
}

const nameOf = ({ path }: Node): string => path.join('.');

/** `ask`, or `withhold(tie)`. */
function actionText(action: unknown): string {
  if (typeof action === 'string') return action;
  const { type, params } = action as {
    readonly type: string;
    readonly params?: Readonly<Record<string, unknown>>;
  };
  return params ? `${type}(${Object.values(params).join(', ')})` : type;
}

const edge = (from: Node, on: string | null, { target, guard, actions }: Edge): TransitionDescription => ({
  from: nameOf(from),
  on,
  guard: guard === undefined ? null : actionText(guard),
  to: target?.[0] ? nameOf(target[0]) : null,
  actions: actions.map(actionText),
});

const nodesUnder = (node: Node): Node[] =>
  Object.values(node.states).flatMap((child) => [child, ...nodesUnder(child)]);

export function describeMachine(machine: AnyStateMachine): MachineDescription {
  const root = machine.root as unknown as Node;
  const nodes = nodesUnder(root);
  const transitions = [root, ...nodes].flatMap((node) => [
    ...[...node.transitions].flatMap(([on, edges]) => edges.map((one) => edge(node, on, one))),
    ...(node.always ?? []).map((one) => edge(node, null, one)),
  ]);
  return {
    name: machine.id,
    initial: String(root.config.initial),
    events: [...new Set(transitions.flatMap(({ on }) => (on === null || on === '*' ? [] : [on])))],
    states: nodes.map((node) => ({
      name: nameOf(node),
      parent: node.parent && node.parent !== root ? nameOf(node.parent) : null,
      kind: node.type as StateDescription['kind'],
      initial: node.type === 'compound' ? String(node.config.initial) : null,
      entry: node.entry.map(actionText),
    })),
    transitions,
  };
}

const ancestry = (state: string): string[] => {
  const parts = state.split('.');
  return parts.map((_, i) => parts.slice(0, parts.length - i).join('.'));
};

/** What a state does with a message: the innermost transitions first, up to the first without a guard. */
export function cellOf(
  { transitions }: MachineDescription,
  state: string,
  event: string,
): readonly TransitionDescription[] {
  const found = ancestry(state).flatMap((name) => {
    const own = transitions.filter(({ from }) => from === name);
    return [...own.filter(({ on }) => on === event), ...own.filter(({ on }) => on === '*')];
  });
  const last = found.findIndex(({ guard }) => guard === null);
  return last < 0 ? found : found.slice(0, last + 1);
}

/** States in which a machine can rest or pass through: no compound ones, no history. */
export const leavesOf = ({ states }: MachineDescription): readonly StateDescription[] =>
  states.filter(({ kind }) => kind === 'atomic' || kind === 'final');

function stepText({ guard, to, actions }: TransitionDescription): string {
  const act = [...actions, ...(to === null ? [] : [`→ ${to}`])].join(', ') || 'ignored';
  return guard === null ? act : `if ${guard}: ${act}`;
}

function cellText(description: MachineDescription, state: string, event: string): string {
  const cell = cellOf(description, state, event);
  const steps = cell.map((one) => (one.on === '*' && one.actions.join() === 'hold' ? 'held' : stepText(one)));
  if (cell.at(-1)?.guard !== null) steps.push(steps.length === 0 ? 'refused' : 'else refused');
  return steps.join('; ');
}

/** One row a message, one column a state, no cell empty; then what happens without a message. */
export function tableOf(description: MachineDescription): string {
  const leaves = leavesOf(description);
  const row = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const lines = [
    row(['state', ...description.events.map((event) => `\`${event}\``)]),
    row(['---', ...description.events.map(() => '---')]),
    ...leaves.map(({ name }) =>
      row([`**${name}**`, ...description.events.map((event) => cellText(description, name, event))]),
    ),
  ];
  const silent = [
    ...description.states
      .filter(({ entry }) => entry.length > 0)
      .map(({ name, entry }) => `- on entry to **${name}**: ${entry.join(', ')}`),
    ...description.transitions
      .filter(({ on }) => on === null)
      .map((one) => `- at once in **${one.from}**: ${stepText(one)}`),
  ];
  return [...lines, ...(silent.length > 0 ? ['', ...silent] : [])].join('\n');
}

const mermaidId = (state: string): string => state.replaceAll('.', '_');

function mermaidStates(
  { states, initial }: MachineDescription,
  parent: string | null,
  indent: string,
): string[] {
  const own = states.filter((state) => state.parent === parent && state.kind !== 'history');
  const first = parent === null ? initial : states.find(({ name }) => name === parent)!.initial!;
  const start = parent === null ? first : `${parent}.${first}`;
  return [
    `${indent}[*] --> ${mermaidId(start)}`,
    ...own.flatMap(({ name, kind }) => {
      const label = name.split('.').at(-1)!;
      if (kind === 'compound')
        return [
          `${indent}state "${label}" as ${mermaidId(name)} {`,
          ...mermaidStates({ states, initial } as MachineDescription, name, `${indent}  `),
          `${indent}}`,
        ];
      return [
        `${indent}state "${label}" as ${mermaidId(name)}`,
        ...(kind === 'final' ? [`${indent}${mermaidId(name)} --> [*]`] : []),
      ];
    }),
  ];
}

/** A drawing in Mermaid's stateDiagram-v2. A history state is drawn as the state whose past it recalls. */
export function mermaidOf(description: MachineDescription): string {
  const { states, transitions } = description;
  const drawn = (name: string) => {
    const state = states.find((one) => one.name === name);
    return mermaidId(state?.kind === 'history' ? state.parent! : name);
  };
  const arrows = transitions.map(({ from, on, guard, to, actions }) => {
    const when = [
      ...(on === null ? [] : [on === '*' ? 'any other' : on]),
      ...(guard === null ? [] : [`[${guard}]`]),
    ].join(' ');
    const act = actions.length > 0 ? ` / ${actions.join(', ')}` : '';
    const label = `${when}${act}`.trim();
    return `  ${drawn(from)} --> ${drawn(to ?? from)}${label === '' ? '' : ` : ${label}`}`;
  });
  return ['stateDiagram-v2', ...mermaidStates(description, null, '  '), ...arrows, ''].join('\n');
}
