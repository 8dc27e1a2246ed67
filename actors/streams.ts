/**
 * The live stream of a run and the views derived from it. A view is never a second truth: each can be computed again
 * from the log.
 */
import { filter, map, type Observable, scan } from 'rxjs';
import type { Address, BodyOf, Envelope, MessageType } from '../src/protocol/messages.js';

export type Messages = Observable<Envelope>;

/** The bodies of one type of message. */
export const ofType = <T extends MessageType>(messages$: Messages, type: T): Observable<BodyOf<T>> =>
  messages$.pipe(
    filter((envelope) => envelope.type === type),
    map(({ body }) => body as BodyOf<T>),
  );

/** What an address said or heard. */
export const byRole = (messages$: Messages, address: Address): Messages =>
  messages$.pipe(filter(({ from, to }) => from === address || to === address));

/** What belongs to one iteration, as far as the message says so. */
export const byIteration = (messages$: Messages, iteration: number): Messages =>
  messages$.pipe(filter(({ body }) => 'iteration' in body && body.iteration === iteration));

/** Numbers of every version, as they are measured. */
export const metrics = (messages$: Messages): Observable<BodyOf<'evaluation.made'>> =>
  ofType(messages$, 'evaluation.made');

/** How far the run is. */
export interface Progress {
  readonly phase: string;
  /** Episodes of the running iteration. */
  readonly asks: number;
  readonly invented: number;
  readonly closed: number;
  /** Of the invented. */
  readonly filtered: number;
  readonly answered: number;
  readonly pairs: number;
  readonly judgements: number;
  readonly unparseable: number;
  /** Sum of the readable scores. */
  readonly scoreSum: number;
  /** Of the running training. */
  readonly step: number;
  readonly steps: number;
  readonly loss: number | null;
  /** The newest version that was measured, by the names of its metrics. */
  readonly measured: {
    readonly version: string;
    readonly metrics: Readonly<Record<string, number | null>>;
  } | null;
  readonly messages: number;
}

const NONE_YET = {
  invented: 0,
  closed: 0,
  filtered: 0,
  answered: 0,
  pairs: 0,
  judgements: 0,
  unparseable: 0,
  scoreSum: 0,
} as const;

/** Before the first message. */
export const START: Progress = {
  phase: 'start',
  asks: 0,
  ...NONE_YET,
  step: 0,
  steps: 0,
  loss: null,
  measured: null,
  messages: 0,
};

export function nextProgress(progress: Progress, { type, body }: Envelope): Progress {
  const next = { ...progress, messages: progress.messages + 1 };
  switch (type) {
    case 'seed.request':
      return { ...next, phase: 'seed data' };
    case 'evaluation.request':
      return { ...next, phase: `measuring ${(body as BodyOf<'evaluation.request'>).version}` };
    case 'eft.request':
      return { ...next, phase: 'making EFT' };
    case 'prompts.request': {
      const { iteration, asks } = body as BodyOf<'prompts.request'>;
      return { ...next, phase: `iteration ${iteration}`, asks, ...NONE_YET };
    }
    case 'prompt.filtered':
      return { ...next, invented: next.invented + 1, filtered: next.filtered + 1 };
    case 'prompt.made':
    case 'prompt.failed':
      return { ...next, invented: next.invented + 1 };
    case 'responses.made':
      return { ...next, answered: next.answered + 1 };
    case 'judgement.made': {
      const { verdict } = body as BodyOf<'judgement.made'>;
      const judgements = next.judgements + 1;
      return verdict.status === 'score'
        ? { ...next, judgements, scoreSum: next.scoreSum + verdict.score }
        : { ...next, judgements, unparseable: next.unparseable + 1 };
    }
    case 'evaluation.made': {
      const { version, metrics } = body as BodyOf<'evaluation.made'>;
      const named = Object.fromEntries(metrics.map(({ name, value }) => [name, value]));
      return { ...next, measured: { version, metrics: named } };
    }
    case 'pair.made':
      return { ...next, closed: next.closed + 1, pairs: next.pairs + 1 };
    case 'pair.withheld':
      return { ...next, closed: next.closed + 1 };
    case 'model.train':
      return {
        ...next,
        phase: `training ${(body as BodyOf<'model.train'>).to}`,
        step: 0,
        steps: 0,
        loss: null,
      };
    case 'training.stepped': {
      const { step, steps, loss } = body as BodyOf<'training.stepped'>;
      return { ...next, step, steps, loss };
    }
    case 'run.finished':
      return { ...next, phase: 'finished' };
    default:
      return next;
  }
}

/** `from`: how far it was before these messages. */
export const progress = (messages$: Messages, from: Progress = START): Observable<Progress> =>
  messages$.pipe(scan(nextProgress, from));
