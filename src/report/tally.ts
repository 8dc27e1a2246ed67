/**
 * What a run comes to, folded from its messages: lineage, measurements, and why episodes gave no pair. A view.
 */
import { endpointAddress, isEndpointAddress } from '../protocol/endpoints.js';
import type {
  Address,
  BodyOf,
  Envelope,
  FilterReason,
  Metric,
  Usage,
  WithheldReason,
} from '../protocol/messages.js';
import { addUsage } from '../stages/usage.js';

export interface IterationTally {
  readonly iteration: number;
  asks: number;
  prompts: number;
  pairs: number;
  judgements: number;
  unparseable: number;
  /** Verdicts on judgements, and the pairs of judgements that came of them (Meta-Rewarding). */
  metaJudgements: number;
  judgementPairs: number;
  readonly judgementsWithheld: Partial<Record<BodyOf<'judgement-pair.withheld'>['reason'], number>>;
  /** Pairs whose chosen answer is a future version's (Temporal Self-Rewarding). */
  futureChosen: number;
  readonly withheld: Partial<Record<WithheldReason, number>>;
  readonly filtered: Partial<Record<FilterReason, number>>;
  /** Sum and number of readable self-scores. */
  scoreSum: number;
  scores: number;
}

export interface Tally {
  readonly versions: BodyOf<'version.made'>[];
  readonly metrics: Map<string, Map<string, Metric>>;
  readonly iterations: Map<number, IterationTally>;
  readonly notes: string[];
  /** Answers taken from another run's log, and made here where it had none; by role, where a role was cast so. */
  readonly recorded: Map<string, { taken: number; made: number }>;
  /** What servers have cost: endpoint → what they were asked for (a role, or `evaluation`) → usage. */
  readonly usage: Map<string, Map<string, Usage>>;
  eft: BodyOf<'eft.made'> | null;
  demonstrations: number;
  crashes: number;
  messages: number;
}

export const emptyTally = (): Tally => ({
  versions: [],
  metrics: new Map(),
  iterations: new Map(),
  notes: [],
  recorded: new Map(),
  usage: new Map(),
  eft: null,
  demonstrations: 0,
  crashes: 0,
  messages: 0,
});

function iterationOf(tally: Tally, iteration: number): IterationTally {
  const known = tally.iterations.get(iteration);
  if (known) return known;
  const made: IterationTally = {
    iteration,
    asks: 0,
    prompts: 0,
    pairs: 0,
    judgements: 0,
    unparseable: 0,
    metaJudgements: 0,
    judgementPairs: 0,
    judgementsWithheld: {},
    futureChosen: 0,
    withheld: {},
    filtered: {},
    scoreSum: 0,
    scores: 0,
  };
  tally.iterations.set(iteration, made);
  return made;
}

const countIn = <K extends string>(counts: Partial<Record<K, number>>, key: K): void => {
  counts[key] = (counts[key] ?? 0) + 1;
};

/** Adds one message. */
export function tallyMessage(tally: Tally, { type, from, body }: Envelope): void {
  tally.messages++;
  switch (type) {
    case 'seed.ready': {
      const { notes, counts } = body as BodyOf<'seed.ready'>;
      tally.notes.push(...notes);
      tally.demonstrations = counts.ift ?? 0;
      return;
    }
    case 'eft.made':
      tally.eft = body as BodyOf<'eft.made'>;
      return;
    case 'version.made':
      tally.versions.push(body as BodyOf<'version.made'>);
      return;
    case 'evaluation.made': {
      const { version, metrics } = body as BodyOf<'evaluation.made'>;
      tally.metrics.set(version, new Map(metrics.map((metric) => [metric.name, metric])));
      return;
    }
    case 'worker.crashed':
      tally.crashes++;
      return;
    case 'model.request':
      tallyRecorded(tally, body as BodyOf<'model.request'>);
      return;
    case 'model.result':
      tallyTaken(tally, body as BodyOf<'model.result'>);
      tallyAnswered(tally, from, body as BodyOf<'model.result'>);
      return;
    case 'evaluation.billed': {
      const { endpoint, usage } = body as BodyOf<'evaluation.billed'>;
      tallyUsage(tally, endpoint, 'evaluation', usage);
      return;
    }
    case 'meta-judgement.made':
      iterationOf(tally, (body as BodyOf<'meta-judgement.made'>).iteration).metaJudgements++;
      return;
    case 'judgement-pair.made':
      iterationOf(tally, (body as BodyOf<'judgement-pair.made'>).iteration).judgementPairs++;
      return;
    case 'judgement-pair.withheld': {
      const { iteration, reason } = body as BodyOf<'judgement-pair.withheld'>;
      countIn(iterationOf(tally, iteration).judgementsWithheld, reason);
      return;
    }
    default:
      tallyEpisode(tally, type, body);
  }
}

const roleIn = (id: string): string => id.slice(0, id.indexOf('/'));

/** Asked of a record: made here, until the answer says otherwise. */
function tallyRecorded(tally: Tally, { id, recorded, items }: BodyOf<'model.request'>): void {
  if (recorded === undefined) return;
  const own = tally.recorded.get(roleIn(id)) ?? { taken: 0, made: 0 };
  own.made += items.reduce((sum, { keys }) => sum + keys.length, 0);
  tally.recorded.set(roleIn(id), own);
}

function tallyTaken(tally: Tally, { id, items }: BodyOf<'model.result'>): void {
  const own = tally.recorded.get(roleIn(id));
  if (own === undefined) return;
  const taken = items
    .flatMap(({ outputs }) => outputs)
    .filter(({ recorded }) => recorded !== undefined).length;
  own.taken += taken;
  own.made -= taken;
}

function tallyAnswered(tally: Tally, from: Address, { id, usage }: BodyOf<'model.result'>): void {
  if (usage && isEndpointAddress(from))
    tallyUsage(tally, from.slice(endpointAddress('').length), ROLE_OF[roleIn(id)] ?? roleIn(id), usage);
}

/** The first part of a request's id → the role that asks. */
const ROLE_OF: Readonly<Record<string, string>> = {
  invent: 'generator',
  respond: 'responder',
  judge: 'judge',
};

function tallyUsage(tally: Tally, endpoint: string, by: string, usage: Usage): void {
  const own = tally.usage.get(endpoint) ?? new Map<string, Usage>();
  tally.usage.set(endpoint, own);
  own.set(by, addUsage(own.get(by), usage));
}

function tallyEpisode(tally: Tally, type: Envelope['type'], body: Envelope['body']): void {
  switch (type) {
    case 'prompts.request':
      iterationOf(tally, (body as BodyOf<'prompts.request'>).iteration).asks = (
        body as BodyOf<'prompts.request'>
      ).asks;
      return;
    case 'prompt.made':
      iterationOf(tally, (body as BodyOf<'prompt.made'>).iteration).prompts++;
      return;
    case 'prompt.filtered': {
      const { iteration, reason } = body as BodyOf<'prompt.filtered'>;
      countIn(iterationOf(tally, iteration).filtered, reason);
      return;
    }
    case 'judgement.made':
      tallyJudgement(tally, body as BodyOf<'judgement.made'>);
      return;
    case 'pair.made':
      iterationOf(tally, (body as BodyOf<'pair.made'>).iteration).pairs++;
      return;
    case 'pair.revised': {
      const { iteration, by } = body as BodyOf<'pair.revised'>;
      if (by === 'future') iterationOf(tally, iteration).futureChosen++;
      return;
    }
    case 'pair.withheld': {
      const { iteration, reason } = body as BodyOf<'pair.withheld'>;
      countIn(iterationOf(tally, iteration).withheld, reason);
      return;
    }
  }
}

function tallyJudgement(tally: Tally, { response, verdict }: BodyOf<'judgement.made'>): void {
  const own = iterationOf(tally, Number(response.split('-')[0]));
  own.judgements++;
  if (verdict.status === 'unparseable') own.unparseable++;
  else {
    own.scoreSum += verdict.score;
    own.scores++;
  }
}
