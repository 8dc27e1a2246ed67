/**
 * Where a run's time went, from the index alone: messages over time, and the time of each phase. Folded message by message; what
 * is kept doesn't grow with the log: when buckets become too many, neighbours are put together.
 */
import type { PhaseTime, Throughput } from './progress-facts.js';
import type { RunIndex } from './run-index.js';

/** No more buckets than these; at least half as many once a run is long enough. */
const BUCKETS = 192;

/** `measuring M1` is `measuring`. */
function kindOf(phase: string): string {
  if (phase === 'start' || phase === 'seed data') return 'seed data';
  const [first = ''] = phase.split(' ');
  return first === 'making' ? phase : first;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
type Phase = Mutable<PhaseTime> & { readonly kindId: number };

/** Neighbours together, kind by kind. */
const halved = (counts: readonly number[][]): number[][] =>
  Array.from({ length: Math.ceil(counts.length / 2) }, (_, i) => {
    const [a = [], b = []] = [counts[2 * i], counts[2 * i + 1]];
    return Array.from({ length: Math.max(a.length, b.length) }, (_, kind) => (a[kind] ?? 0) + (b[kind] ?? 0));
  });

export interface ThroughputFold {
  /** Messages `from` to `until` − 1, in order, each once. */
  take(index: RunIndex, from: number, until: number): void;
  told(): Throughput;
}

export function createThroughputFold(): ThroughputFold {
  const kinds: string[] = [];
  const phases = new Map<number, Phase>();
  let counts: number[][] = [];
  let bucketMs = 1;
  let begin: number | null = null;
  /** Milliseconds of work before the newest message, without the time in which nobody ran; its own time and phase. */
  let worked = 0;
  let last = 0;
  let current: Phase | undefined;

  const phaseOf = ({ columns, names }: RunIndex, seq: number): Phase => {
    const id = columns.get('phase', seq);
    const known = phases.get(id);
    if (known) return known;
    const name = names.nameOf(id);
    const kind = kindOf(name);
    if (!kinds.includes(kind)) kinds.push(kind);
    const made = { name, kind, kindId: kinds.indexOf(kind), messages: 0, ms: 0, seq };
    phases.set(id, made);
    return made;
  };
  const count = (kind: number): void => {
    while (worked / bucketMs >= BUCKETS) {
      bucketMs *= 2;
      counts = halved(counts);
    }
    const at = Math.floor(worked / bucketMs);
    while (counts.length <= at) counts.push([]);
    const bucket = counts[at]!;
    while (bucket.length <= kind) bucket.push(0);
    bucket[kind]!++;
  };
  return {
    take(index, from, until) {
      const { columns, names } = index;
      const resumed = names.find('run.resumed');
      for (let seq = from; seq < until; seq++) {
        const at = columns.get('at', seq);
        begin ??= at;
        const waited = seq === 0 || columns.get('type', seq) === resumed;
        const passed = waited ? 0 : Math.max(0, at - last);
        last = at;
        worked += passed;
        if (current) current.ms += passed;
        current = phaseOf(index, seq);
        current.messages++;
        count(current.kindId);
      }
    },
    told: () => ({
      from: begin,
      bucketMs,
      kinds,
      counts: counts.map((bucket) => kinds.map((_, kind) => bucket[kind] ?? 0)),
      phases: [...phases.values()].map(({ kindId: _, ...phase }) => phase),
    }),
  };
}
