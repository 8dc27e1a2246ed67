/**
 * A run as a trace that https://ui.perfetto.dev and chrome://tracing open (Chrome's JSON trace events). Each role and addressee has a
 * track on which the messages that it says stand; an arrow goes from each message to those that answer it. The first track has
 * iterations, trainings and evaluations; model calls and episodes are async slices, as they overlap.
 * Messages of one millisecond are set one microsecond apart, in the order of the log, so that each is a slice of its own.
 */
import { readLog } from '../log/reader.js';
import type { Address, BodyOf, Envelope } from '../protocol/messages.js';
import { exportFile, type Written } from './export-file.js';

export const PERFETTO_FILES = ['trace.json'] as const;

const PID = 1;
const PHASES = 1;
/** Tracks in the order in which they are shown; episodes share one. */
const TRACKS = [
  'user',
  'coordinator',
  'world',
  'generator',
  'episode',
  'responder',
  'judge',
  'trainer',
  'model',
  'scorer',
  'evaluator',
  'record',
];

/** What stands on no known track stands on the last. */
const trackOf = (address: Address): number => {
  const known = TRACKS.indexOf(address.split(':')[0]!);
  return (known < 0 ? TRACKS.length - 1 : known) + PHASES + 1;
};

interface TraceEvent {
  readonly ph: 'M' | 'X' | 'B' | 'E' | 'b' | 'e' | 's' | 'f' | 'C';
  readonly name: string;
  readonly cat?: string;
  readonly tid?: number;
  /** Microseconds. */
  readonly ts?: number;
  readonly dur?: number;
  readonly id?: number | string;
  readonly bp?: 'e';
  readonly args?: object;
}

type Timed = TraceEvent & { readonly ts: number };

const named = (tid: number, name: string): TraceEvent[] => [
  { ph: 'M', name: 'thread_name', tid, args: { name } },
  { ph: 'M', name: 'thread_sort_index', tid, args: { sort_index: tid } },
];

/** What stands on the first track: begins with one message, ends with another. */
function phaseEvents({ type, body }: Envelope, ts: number): Timed[] {
  const event = (ph: 'B' | 'E', name: string): Timed => ({ ph, name, cat: 'phase', tid: PHASES, ts });
  switch (type) {
    case 'prompts.request':
      return [event('B', `iteration ${(body as BodyOf<'prompts.request'>).iteration}`)];
    case 'model.train':
      return [event('B', `train ${(body as BodyOf<'model.train'>).to}`)];
    case 'model.trained':
      return [event('E', `train ${(body as BodyOf<'model.trained'>).to}`)];
    case 'request.failed': {
      const [, version] = /^train\/(.*)$/.exec((body as BodyOf<'request.failed'>).id) ?? [];
      return version === undefined ? [] : [event('E', `train ${version}`)];
    }
    case 'version.made': {
      const { stage, iteration } = body as BodyOf<'version.made'>;
      return stage === 'iteration' ? [event('E', `iteration ${iteration}`)] : [];
    }
    case 'evaluation.request':
      return [event('B', `evaluate ${(body as BodyOf<'evaluation.request'>).version}`)];
    case 'evaluation.made':
    case 'evaluation.failed':
      return [event('E', `evaluate ${(body as BodyOf<'evaluation.made'>).version}`)];
    default:
      return [];
  }
}

/** Model calls by the seq that asks, episodes by their id. */
function asyncEvents(
  { seq, cause, type, body, to, from }: Envelope,
  ts: number,
  waiting: Map<number, string>,
): Timed[] {
  const call = (ph: 'b' | 'e', id: number, name: string): Timed => ({
    ph,
    name,
    cat: 'model call',
    tid: trackOf('model'),
    id,
    ts,
  });
  const life = (ph: 'b' | 'e', id: string): Timed => ({
    ph,
    name: `episode ${id}`,
    cat: 'episode',
    tid: trackOf('episode:'),
    id,
    ts,
  });
  const episode = (address: Address) => address.slice('episode:'.length);
  if (type === 'model.request') {
    const { id, version } = body as BodyOf<'model.request'>;
    const name = `${id.split('/')[0]} ${version}`;
    waiting.set(seq, name);
    return [call('b', seq, name)];
  }
  const name = waiting.get(cause);
  if (name !== undefined && (type === 'model.result' || type === 'request.failed')) {
    waiting.delete(cause);
    return [call('e', cause, name)];
  }
  if (type === 'prompt.made' || type === 'prompt.filtered' || type === 'prompt.failed')
    return [life('b', episode(to))];
  if (type === 'pair.made' || type === 'pair.withheld') return [life('e', episode(from))];
  return [];
}

function counterEvents({ type, body }: Envelope, ts: number): Timed[] {
  if (type !== 'training.stepped') return [];
  const { to, loss } = body as BodyOf<'training.stepped'>;
  return [{ ph: 'C', name: `loss ${to}`, tid: PHASES, ts, args: { loss } }];
}

/** The few fields of a body that say what a message is about. */
function aboutOf(body: object): object {
  const short = Object.entries(body).filter(
    ([, value]) => typeof value === 'number' || (typeof value === 'string' && value.length <= 200),
  );
  return Object.fromEntries(short);
}

export async function exportPerfetto(
  run: { readonly name: string; readonly log: string },
  dir: string,
): Promise<readonly Written[]> {
  const file = exportFile(dir, PERFETTO_FILES[0]);
  let first = true;
  const put = (event: TraceEvent) => {
    file.write(`${first ? '' : ',\n'}${JSON.stringify({ pid: PID, tid: PHASES, ...event })}`, 1);
    first = false;
  };
  file.write('{"displayTimeUnit":"ms","traceEvents":[\n');
  put({ ph: 'M', name: 'process_name', args: { name: `soliloquy ${run.name}` } });
  for (const event of named(PHASES, 'phases')) put(event);
  for (const [i, name] of TRACKS.entries()) for (const event of named(i + PHASES + 1, name)) put(event);
  /** Of each message: when and on which track it stands, for the arrows. */
  const times: number[] = [];
  const tracks: number[] = [];
  const waiting = new Map<number, string>();
  let last = 0;
  for await (const envelope of readLog(run.log)) {
    const { seq, at, from, to, cause, type, body } = envelope;
    const ts = Math.max(last + 1, Math.round(at * 1000));
    const tid = trackOf(from);
    last = ts;
    times.push(ts);
    tracks.push(tid);
    for (const event of phaseEvents(envelope, ts)) put(event);
    put({
      ph: 'X',
      name: type,
      cat: 'message',
      tid,
      ts,
      dur: 1,
      args: { seq, from, to, cause, body: aboutOf(body) },
    });
    if (cause >= 0) {
      put({ ph: 's', name: 'cause', cat: 'cause', id: seq, tid: tracks[cause]!, ts: times[cause]! });
      put({ ph: 'f', bp: 'e', name: 'cause', cat: 'cause', id: seq, tid, ts });
    }
    for (const event of [...asyncEvents(envelope, ts, waiting), ...counterEvents(envelope, ts)]) put(event);
  }
  file.write('\n]}\n');
  return [file.close()];
}
