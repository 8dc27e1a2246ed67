/**
 * Folds a log's messages into what the Progress view shows. Memory grows with versions, iterations and training steps, not with
 * the log: no text is kept. What a judge's verdicts come to is told by the run's own measure (`ScoreOf`).
 */
import { versionOf } from '../protocol/ids.js';
import type { BodyOf, Envelope, Metric, Verdict } from '../protocol/messages.js';
import type {
  IterationFacts,
  MeasuredVersion,
  Progress,
  UsageFacts,
  VersionFacts,
} from './progress-facts.js';
import { createTrainingFold } from './progress-training.js';

/** The mean of the readable verdicts; null where none is readable. */
export type ScoreOf = (verdicts: readonly Verdict[]) => number | null;

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
type Counts = Partial<Record<string, number>>;
interface Iteration extends Mutable<Omit<IterationFacts, 'withheld' | 'filtered'>> {
  readonly withheld: Counts;
  readonly filtered: Counts;
}
interface Measured extends Mutable<Omit<MeasuredVersion, 'self' | 'truth' | 'metrics'>> {
  readonly self: Record<number, number>;
  readonly truth: Record<number, number>;
  metrics: readonly Metric[];
}

export interface ProgressFold {
  take(envelope: Envelope): void;
  told(): Omit<Progress, 'count' | 'folded' | 'throughput'>;
}

/** Messages that the fold takes; all others may be skipped unread. */
export const FOLDED: ReadonlySet<string> = new Set([
  ...['run.start', 'run.forked', 'run.finished', 'run.failed', 'version.made', 'model.train'],
  ...['evaluation.request', 'evaluation.answered', 'evaluation.made', 'training.stepped'],
  ...['prompts.request', 'prompt.made', 'prompt.filtered', 'prompt.failed'],
  ...['judgement.made', 'pair.made', 'pair.withheld'],
]);
/** Messages that may say what a server's answers have cost. */
export const BILLS: ReadonlySet<string> = new Set(['model.result', 'evaluation.billed']);

const countIn = (counts: Record<string | number, number | undefined>, key: string | number): void => {
  counts[key] = (counts[key] ?? 0) + 1;
};

interface State {
  readonly versions: Map<string, VersionFacts>;
  readonly measured: Map<string, Measured>;
  readonly iterations: Map<number, Iteration>;
  readonly usage: Map<string, Mutable<UsageFacts>>;
  readonly forks: { seq: number; parent: string }[];
  end: Progress['end'];
}

function iterationOf({ iterations }: State, iteration: number, seq: number): Iteration {
  const known = iterations.get(iteration);
  if (known) return known;
  const none = { asks: 0, prompts: 0, pairs: 0, judgements: 0, unparseable: 0, failed: 0 };
  const made: Iteration = { iteration, seq, ...none, withheld: {}, filtered: {} };
  iterations.set(iteration, made);
  return made;
}

/** The newest measuring of a version; facts of an older one are let go. */
function beginMeasuring({ measured }: State, { version, judge }: BodyOf<'evaluation.request'>, seq: number) {
  const none = { answers: 0, self: {}, truth: {}, unreadable: 0, metrics: [] };
  measured.delete(version);
  measured.set(version, { version, judge, request: seq, seq: null, ...none });
}

function takeAnswer(
  { measured }: State,
  { version, truth, selfScores }: BodyOf<'evaluation.answered'>,
  scoreOf: ScoreOf,
): void {
  const own = measured.get(version);
  if (!own) return;
  own.answers++;
  const self = scoreOf(selfScores);
  if (self === null) own.unreadable++;
  else countIn(own.self, Math.round(self));
  if (truth !== null) countIn(own.truth, Math.round(truth));
}

function takeEpisode(state: State, { type, body, seq }: Envelope): void {
  if (type === 'judgement.made') {
    const { response, verdict } = body as BodyOf<'judgement.made'>;
    const own = iterationOf(state, Number(response.split('-')[0]), seq);
    own.judgements++;
    if (verdict.status === 'unparseable') own.unparseable++;
    return;
  }
  const own = iterationOf(state, (body as { readonly iteration: number }).iteration, seq);
  if (type === 'prompts.request') Object.assign(own, { seq, asks: (body as BodyOf<'prompts.request'>).asks });
  else if (type === 'prompt.made') own.prompts++;
  else if (type === 'prompt.failed') own.failed++;
  else if (type === 'prompt.filtered') countIn(own.filtered, (body as BodyOf<'prompt.filtered'>).reason);
  else if (type === 'pair.made') own.pairs++;
  else if (type === 'pair.withheld') countIn(own.withheld, (body as BodyOf<'pair.withheld'>).reason);
}

/** Who asked stands before the first `/` of a request's id: `judge/…`. */
function takeBill({ usage }: State, { body, seq }: Envelope): void {
  const said = body as BodyOf<'model.result' | 'evaluation.billed'>;
  if (!said.usage) return;
  const who = 'version' in said ? `measuring ${said.version}` : said.id.split('/')[0]!;
  const { requests, promptTokens, completionTokens, cost, currency } = said.usage;
  const own = usage.get(who);
  if (!own) {
    usage.set(who, { who, seq, requests, promptTokens, completionTokens, cost, currency });
    return;
  }
  own.seq = seq;
  own.requests += requests;
  own.promptTokens += promptTokens;
  own.completionTokens += completionTokens;
  own.cost = own.cost === null || cost === null ? null : own.cost + cost;
}

function takeRun(state: State, { type, body, seq }: Envelope): void {
  if (type === 'run.start') {
    const version = versionOf(0);
    const { baseHash: weightsHash } = body as BodyOf<'run.start'>;
    state.versions.set(version, { version, seq, weightsHash, made: null });
  } else if (type === 'run.forked') {
    state.forks.push({ seq, parent: (body as BodyOf<'run.forked'>).parent.run });
    state.end = null;
  } else if (type === 'version.made') {
    const { version, weightsHash, ...made } = body as BodyOf<'version.made'>;
    state.versions.set(version, { version, seq, weightsHash, made });
  } else if (type === 'run.finished' || type === 'run.failed') state.end = { seq, type };
}

export function createProgressFold(scoreOf: ScoreOf): ProgressFold {
  const state: State = {
    versions: new Map(),
    measured: new Map(),
    iterations: new Map(),
    usage: new Map(),
    forks: [],
    end: null,
  };
  const trainings = createTrainingFold();
  return {
    take(envelope) {
      const { type, body, seq } = envelope;
      if (BILLS.has(type)) return takeBill(state, envelope);
      switch (type) {
        case 'evaluation.request':
          return beginMeasuring(state, body as BodyOf<'evaluation.request'>, seq);
        case 'evaluation.answered':
          return takeAnswer(state, body as BodyOf<'evaluation.answered'>, scoreOf);
        case 'evaluation.made': {
          const { version, metrics } = body as BodyOf<'evaluation.made'>;
          const own = state.measured.get(version);
          if (own) Object.assign(own, { seq, metrics });
          return;
        }
        case 'model.train':
        case 'training.stepped':
          return trainings.take(envelope);
        case 'run.start':
        case 'run.forked':
        case 'run.finished':
        case 'run.failed':
        case 'version.made':
          return takeRun(state, envelope);
        default:
          if (FOLDED.has(type)) takeEpisode(state, envelope);
      }
    },
    told: () => ({
      end: state.end,
      forks: state.forks,
      versions: [...state.versions.values()],
      measured: [...state.measured.values()],
      iterations: [...state.iterations.values()].sort((a, b) => a.iteration - b.iteration),
      trainings: trainings.told(),
      usage: [...state.usage.values()],
    }),
  };
}
