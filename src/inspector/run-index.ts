/**
 * Random access to a log that may be growing: columns of what each message is known by, kept up with the file. Made in one pass
 * without parsing bodies; the states of those who take the messages come from a fold (states.ts) or from the live run.
 */
import type { Envelope } from '../protocol/messages.js';
import { type Columns, createColumns, createNames, type Names } from './columns.js';
import { envelopeIn, headOf } from './line-head.js';
import { openTail, type Tail, type TailStart } from './lines.js';

export interface Row {
  readonly seq: number;
  readonly at: number;
  readonly from: string;
  readonly to: string;
  readonly cause: number;
  readonly type: string;
  readonly phase: string;
  readonly episode: string | null;
  /** Of the recipient, after it took the message; null where nobody with states took it, or where it isn't known yet. */
  readonly state: string | null;
}

export interface RunIndex {
  readonly columns: Columns;
  /** Types, addresses, phases, episodes, states: one numbering for all. */
  readonly names: Names;
  readonly count: number;
  /** Messages whose recipient's state is known: all with a lower seq are. */
  readonly stated: number;
  readonly tail: Tail;
  /** Takes new lines, about a megabyte of them; false if there are none. */
  grow(): boolean;
  row(seq: number): Row;
  read(seq: number): Envelope;
  effectsOf(seq: number): number[];
  /** Messages of an episode, ascending. */
  episode(id: string): number[];
  /** Messages to an address with seq ≤ `until`, ascending. */
  mailOf(address: string, until: number): number[];
  /** States must come in the order of seqs; null: nobody with states takes it. */
  setState(seq: number, state: string | null): void;
  close(): void;
}

export interface StoredIndex {
  readonly start: TailStart;
  readonly columns: Buffer;
  readonly names: readonly string[];
  readonly stated: number;
}

/** The last message to each address and of each episode. */
function lastOnes(columns: Columns) {
  const to: number[] = [];
  const episode: number[] = [];
  for (let seq = 0; seq < columns.count; seq++) {
    to[columns.get('to', seq)] = seq;
    const own = columns.get('episode', seq);
    if (own >= 0) episode[own] = seq;
  }
  return { to, episode };
}

export function openIndex(file: string, stored?: StoredIndex): RunIndex {
  const tail = openTail(file, stored?.start);
  const columns = createColumns(stored && { count: stored.start.count, bytes: stored.columns });
  const names = createNames(stored?.names);
  const last = lastOnes(columns);
  let phase = columns.count > 0 ? columns.get('phase', columns.count - 1) : names.idOf('start');
  let stated = stored?.stated ?? 0;

  const link = (seq: number, cause: number): void => {
    if (cause < 0 || cause >= seq) return;
    const before = columns.get('lastEffect', cause);
    if (before < 0) columns.set('firstEffect', cause, seq);
    else columns.set('nextEffect', before, seq);
    columns.set('lastEffect', cause, seq);
  };
  const take = (line: Buffer, offset: number): void => {
    const head = headOf(line);
    if (head.phase !== null) phase = names.idOf(head.phase);
    const to = names.idOf(head.to);
    const episode = head.episode === null ? -1 : names.idOf(head.episode);
    const seq = columns.push({
      offset,
      at: head.at,
      bytes: line.length,
      cause: head.cause,
      type: names.idOf(head.type),
      from: names.idOf(head.from),
      to,
      phase,
      episode,
      before: last.to[to] ?? -1,
      beforeInEpisode: episode < 0 ? -1 : (last.episode[episode] ?? -1),
    });
    last.to[to] = seq;
    if (episode >= 0) last.episode[episode] = seq;
    link(seq, head.cause);
  };
  const name = (column: 'from' | 'to' | 'type' | 'phase' | 'episode' | 'state', seq: number): string =>
    names.nameOf(columns.get(column, seq));
  const lineAt = (seq: number): Buffer => tail.read(columns.get('offset', seq), columns.get('bytes', seq));
  const chain = (newest: number, column: 'before' | 'beforeInEpisode'): number[] => {
    const found: number[] = [];
    for (let seq = newest; seq >= 0; seq = columns.get(column, seq)) found.push(seq);
    return found.reverse();
  };
  return {
    columns,
    names,
    tail,
    get count() {
      return columns.count;
    },
    get stated() {
      return stated;
    },
    grow: () => tail.next(take),
    row: (seq) => ({
      seq,
      at: columns.get('at', seq),
      from: name('from', seq),
      to: name('to', seq),
      cause: columns.get('cause', seq),
      type: name('type', seq),
      phase: name('phase', seq),
      episode: name('episode', seq) || null,
      state: name('state', seq) || null,
    }),
    read: (seq) => envelopeIn(lineAt(seq)),
    effectsOf(seq) {
      const found: number[] = [];
      for (let at = columns.get('firstEffect', seq); at >= 0; at = columns.get('nextEffect', at))
        found.push(at);
      return found;
    },
    episode: (id) => chain(last.episode[names.find(id)] ?? -1, 'beforeInEpisode'),
    mailOf(address, until) {
      let newest = last.to[names.find(address)] ?? -1;
      while (newest > until) newest = columns.get('before', newest);
      return chain(newest, 'before');
    },
    setState(seq, state) {
      if (state !== null) columns.set('state', seq, names.idOf(state));
      stated = seq + 1;
    },
    close: tail.close,
  };
}
