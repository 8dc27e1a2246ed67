/**
 * The state of everybody after any message, read from the index alone: no fold, no model. A scan over numbers: some 20 ms for
 * a million messages.
 */
import type { Row, RunIndex } from './run-index.js';

/** What a role did last. */
export interface RoleMoment {
  readonly role: string;
  /** Null before its first message. */
  readonly state: string | null;
  /** The message it took last, its type, and the state it took it in (null: the initial one). */
  readonly seq: number | null;
  readonly event: string | null;
  readonly before: string | null;
}

export interface Moment {
  readonly seq: number;
  readonly at: number;
  readonly phase: string;
  /** The message itself; null before the first. */
  readonly message: Row | null;
  /** For whom the model worked last; null where nobody has asked it for anything. */
  readonly playing: string | null;
  readonly roles: readonly RoleMoment[];
  /** Episodes by their state; those that are over stay in their last one. */
  readonly episodes: Readonly<Record<string, number>>;
  /** The episode that was written to last. */
  readonly episode: (RoleMoment & { readonly id: string }) | null;
}

function roleMoment({ columns, names }: RunIndex, role: string, seq: number): RoleMoment {
  if (seq < 0) return { role, state: null, seq: null, event: null, before: null };
  const before = columns.get('before', seq);
  return {
    role,
    state: names.nameOf(columns.get('state', seq)) || null,
    seq,
    event: names.nameOf(columns.get('type', seq)),
    before: before < 0 ? null : names.nameOf(columns.get('state', before)) || null,
  };
}

/** What a scan from the first message on knows after message `seq`. */
interface Scan {
  seq: number;
  /** By address: whether it is an episode's. */
  readonly isEpisode: boolean[];
  /** Episodes by state. */
  readonly counts: number[];
  /** The last message to each address that is no episode's. */
  readonly newest: Map<number, number>;
  /** The last message to any episode. */
  episode: number;
}

const beginning = (): Scan => ({ seq: -1, isEpisode: [], counts: [], newest: new Map(), episode: -1 });

function scanTo({ columns, names }: RunIndex, scan: Scan, seq: number): void {
  const { isEpisode, counts, newest } = scan;
  const stateOf = (at: number) => columns.get('state', at);
  for (let at = scan.seq + 1; at <= seq; at++) {
    const to = columns.get('to', at);
    isEpisode[to] ??= names.nameOf(to).startsWith('episode:');
    if (!isEpisode[to]) {
      newest.set(to, at);
      continue;
    }
    scan.episode = at;
    const state = stateOf(at);
    const before = columns.get('before', at);
    if (before >= 0 && stateOf(before) >= 0) counts[stateOf(before)]!--;
    if (state >= 0) counts[state] = (counts[state] ?? 0) + 1;
  }
  scan.seq = Math.max(scan.seq, seq);
}

function momentOf(index: RunIndex, { seq, counts, newest, episode }: Scan, roles: readonly string[]): Moment {
  const { columns, names } = index;
  const lastOf = (role: string) => newest.get(names.find(role)) ?? -1;
  const asked = lastOf('model');
  return {
    seq,
    message: seq < 0 ? null : index.row(seq),
    playing: asked < 0 ? null : names.nameOf(columns.get('from', asked)),
    at: seq < 0 ? 0 : columns.get('at', seq),
    phase: seq < 0 ? 'start' : names.nameOf(columns.get('phase', seq)),
    roles: roles.map((role) => roleMoment(index, role, lastOf(role))),
    episodes: Object.fromEntries(
      counts.flatMap((count, state) => (count > 0 ? [[names.nameOf(state), count]] : [])),
    ),
    episode:
      episode < 0
        ? null
        : {
            ...roleMoment(index, 'episode', episode),
            id: names.nameOf(columns.get('to', episode)).slice('episode:'.length),
          },
  };
}

/**
 * Moments of a log that grows, of messages whose states are known. After message `seq`; −1 is before the first. Whoever follows the
 * newest message costs only what is new: the furthest scan goes on.
 */
export function createMoments(index: RunIndex, roles: readonly string[]): (seq: number) => Moment {
  const furthest = beginning();
  return (seq) => {
    const scan = seq >= furthest.seq ? furthest : beginning();
    scanTo(index, scan, seq);
    return momentOf(index, scan, roles);
  };
}
