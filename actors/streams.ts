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
  readonly pairs: number;
  readonly judgements: number;
  /** Of the running training. */
  readonly step: number;
  readonly steps: number;
  readonly loss: number | null;
  readonly messages: number;
}

/** Before the first message. */
export const START: Progress = {
  phase: 'start',
  asks: 0,
  invented: 0,
  closed: 0,
  pairs: 0,
  judgements: 0,
  step: 0,
  steps: 0,
  loss: null,
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
      return {
        ...next,
        phase: `iteration ${iteration}`,
        asks,
        invented: 0,
        closed: 0,
        pairs: 0,
        judgements: 0,
      };
    }
    case 'prompt.made':
    case 'prompt.filtered':
    case 'prompt.failed':
      return { ...next, invented: next.invented + 1 };
    case 'judgement.made':
      return { ...next, judgements: next.judgements + 1 };
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
