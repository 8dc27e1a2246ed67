/**
 * Owns: what a statechart drawing is made of, grouped from a machine's description: boxes, arrows, what stands inside a box.
 * Arrows between the same two states are one, with a label for each transition; a transition that leaves its state as it is
 * stands as a line inside the box. Pure; knows no coordinates.
 */

/** A machine as plain data; machines/describe.ts makes it. */
export interface ChartDescription {
  readonly name: string;
  readonly initial: string;
  readonly states: readonly ChartState[];
  readonly transitions: readonly ChartTransition[];
}

export interface ChartState {
  /** `working.iteration.training` */
  readonly name: string;
  readonly parent: string | null;
  readonly kind: 'atomic' | 'compound' | 'final' | 'history';
  readonly initial: string | null;
  readonly entry: readonly string[];
}

export interface ChartTransition {
  readonly from: string;
  /** A message type, `*` (any other), or null where it is taken without a message. */
  readonly on: string | null;
  readonly guard: string | null;
  /** Null: the state stays. */
  readonly to: string | null;
  readonly actions: readonly string[];
}

/** A transition with its place in the description's list, which names it. */
export interface Numbered extends ChartTransition {
  readonly number: number;
}

export interface Box {
  readonly state: ChartState;
  readonly title: string;
  readonly children: readonly Box[];
  /** Transitions that stay inside, in the machine's order. */
  readonly inner: readonly Numbered[];
}

export interface Arrow {
  /** `working.ready→working.training` */
  readonly id: string;
  /** Null: the dot that an initial state is entered from; its parent is that of `to`. */
  readonly from: string | null;
  readonly to: string;
  readonly transitions: readonly Numbered[];
}

export interface Chart {
  readonly name: string;
  readonly boxes: readonly Box[];
  readonly arrows: readonly Arrow[];
}

/** The dot from which a compound state (null: the whole machine) is entered. */
export const dotOf = (parent: string | null): string => `${parent ?? ''}#initial`;

export const parentOf = (state: string): string | null =>
  state.includes('.') ? state.slice(0, state.lastIndexOf('.')) : null;

const isInner = ({ to }: ChartTransition): boolean => to === null;

function boxesIn(
  { states }: ChartDescription,
  parent: string | null,
  inner: ReadonlyMap<string, readonly Numbered[]>,
  chart: ChartDescription,
): Box[] {
  return states
    .filter((state) => state.parent === parent)
    .map((state) => ({
      state,
      title: state.name.split('.').at(-1)!,
      children: boxesIn(chart, state.name, inner, chart),
      inner: inner.get(state.name) ?? [],
    }));
}

function grouped<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) groups.set(keyOf(item), [...(groups.get(keyOf(item)) ?? []), item]);
  return groups;
}

function initialArrows({ initial, states }: ChartDescription): Arrow[] {
  const entered = [
    initial,
    ...states.flatMap(({ name, initial: first }) => (first === null ? [] : [`${name}.${first}`])),
  ];
  return entered.map((to) => ({ id: `${dotOf(parentOf(to))}→${to}`, from: null, to, transitions: [] }));
}

export function chartOf(description: ChartDescription): Chart {
  const numbered = description.transitions.map((one, number) => ({ ...one, number }));
  const inner = grouped(numbered.filter(isInner), ({ from }) => from);
  const between = grouped(
    numbered.filter((one) => !isInner(one)),
    ({ from, to }) => `${from}→${to}`,
  );
  return {
    name: description.name,
    boxes: boxesIn(description, null, inner, description),
    arrows: [
      ...initialArrows(description),
      ...[...between].map(([id, transitions]) => ({
        id,
        from: transitions[0]!.from,
        to: transitions[0]!.to!,
        transitions,
      })),
    ],
  };
}

/** What a transition waits for. */
export const whenText = ({ on, guard }: ChartTransition): string =>
  [
    on === '*' ? 'any other message' : (on ?? (guard === null ? 'at once' : '')),
    guard === null ? '' : `[${guard}]`,
  ]
    .filter((part) => part !== '')
    .join(' ');

/** What is done on the way; nothing: ''. */
export const doesText = ({ actions, to, on }: ChartTransition): string =>
  actions.length > 0 ? `/ ${actions.join(', ')}` : to === null && on !== null ? '/ ignored' : '';
