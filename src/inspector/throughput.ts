/** Where a run's time went, from the index alone: messages over time, and the time of each phase. */
import type { PhaseTime, Throughput } from './progress-facts.js';
import type { RunIndex } from './run-index.js';

const BUCKETS = 96;

/** `measuring M1` is `measuring`. */
const kindOf = (phase: string): string => {
  const [first = ''] = phase.split(' ');
  if (phase === 'start') return 'seed data';
  return phase === 'seed data' ? phase : first === 'making' ? 'making EFT' : first;
};

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Milliseconds at which each message was said, less the time in which nobody ran; never back in time. */
function workingTimes({ columns, names }: RunIndex): Float64Array {
  const resumed = names.find('run.resumed');
  const times = new Float64Array(columns.count);
  for (let seq = 1; seq < columns.count; seq++) {
    const waited = columns.get('type', seq) === resumed;
    const passed = waited ? 0 : Math.max(0, columns.get('at', seq) - columns.get('at', seq - 1));
    times[seq] = times[seq - 1]! + passed;
  }
  return times;
}

/** A few nanoseconds a message. */
export function throughputOf(index: RunIndex): Throughput {
  const { columns, names, count } = index;
  if (count === 0) return { from: null, bucketMs: 1, kinds: [], counts: [], phases: [] };
  const times = workingTimes(index);
  const bucketMs = Math.max(1, times[count - 1]! / BUCKETS);
  const size = Math.floor(times[count - 1]! / bucketMs) + 1;
  const kinds: string[] = [];
  const counts = Array.from({ length: size }, (): number[] => []);
  const phases = new Map<number, Mutable<PhaseTime>>();
  const kindIds = new Map<number, number>();
  for (let seq = 0; seq < count; seq++) {
    const id = columns.get('phase', seq);
    let phase = phases.get(id);
    if (!phase) {
      const name = names.nameOf(id);
      const kind = kindOf(name);
      if (!kinds.includes(kind)) kinds.push(kind);
      phase = { name, kind, messages: 0, ms: 0, seq };
      phases.set(id, phase);
      kindIds.set(id, kinds.indexOf(kind));
    }
    phase.messages++;
    phase.ms += (times[seq + 1] ?? times[seq]!) - times[seq]!;
    const bucket = counts[Math.floor(times[seq]! / bucketMs)]!;
    const kind = kindIds.get(id)!;
    bucket[kind] = (bucket[kind] ?? 0) + 1;
  }
  return {
    from: columns.get('at', 0),
    bucketMs,
    kinds,
    counts: counts.map((bucket) => kinds.map((_, kind) => bucket[kind] ?? 0)),
    phases: [...phases.values()],
  };
}
