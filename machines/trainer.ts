/**
 * Gathers the pairs of an iteration and has the next version made of them: PAPER.md, "Training". Gives the generator
 * credit back for each closed episode: that is the back-pressure of the loop. Owns counts, never texts: datasets are
 * derived from the log.
 */
import { assign, enqueueActions, setup } from 'xstate';
import type { PairId } from '../src/protocol/ids.js';
import type { BodyOf, Received } from '../src/protocol/messages.js';
import type { Demonstration } from '../src/protocol/records.js';
import { answeredIn } from '../src/stages/variants/spin.js';
import { answers, as, type Emitted, type Holding, PAUSED, pausing, say, without } from './machine.js';
import {
  announce,
  askAnswers,
  askDemonstrations,
  foreseen,
  order,
  type Request,
  reviseAll,
  type TrainerInput,
} from './training.js';

export type { TrainerInput } from './training.js';

interface Context extends Holding {
  readonly input: TrainerInput;
  /** Episodes of the running iteration that are over, with a pair or without. */
  readonly closed: number;
  /** Of those, how many the generator hasn't had back as credit. */
  readonly owed: number;
  /** How far two judges agreed, by episode, of those that say so (CREAM). */
  readonly consistencies: Readonly<Record<string, number>>;
  readonly request: Request | null;
  readonly failures: number;
  /** Demonstrations that the newest version is answering, by request id. */
  readonly asked: Readonly<Record<string, readonly Demonstration[]>>;
  /** Demonstrations that were given so far; null once they all are. */
  readonly given: number | null;
  /** Pairs of the running iteration, where a future version may change them (Temporal Self-Rewarding). */
  readonly paired: readonly PairId[];
  /** Of those, how many have been looked at again. */
  readonly revised: number;
  /** What is asked for, while a version on the way to it is made. */
  readonly after: Request | null;
}

export const trainerMachine = setup({
  types: {} as { context: Context; events: Received; input: TrainerInput; emitted: Emitted },
  guards: {
    unasked: ({ context }) => context.request === null,
    complete: ({ context }) => context.request !== null && context.closed >= context.request.episodes,
    needsAnswers: ({ context: { input, request } }) =>
      request?.stage === 'iteration' && input.player === 'spin' && input.spin !== undefined,
    needsJudgementPairs: ({ context: { input, request } }) =>
      request?.stage === 'iteration' && input.player === 'meta-rewarding',
    needsFuture: ({ context: { input, request, paired } }) =>
      request?.stage === 'iteration' && input.player === 'temporal' && paired.length > 0,
    allRevised: ({ context: { paired, revised } }) => revised === paired.length,
    known: ({ context, event }) => answers(event, context.asked),
    allAnswered: ({ context }) => context.given === null && Object.keys(context.asked).length === 0,
    mayAskAgain: ({ context, event }) =>
      answers(event, context.asked) && context.failures < (context.input.spin?.retries ?? 0),
    mayRetry: ({ context }) => context.failures < context.input.retries,
  },
  actions: {
    count: enqueueActions(({ context, event, enqueue }) => {
      const { iteration, consistency } = event.body as BodyOf<'pair.made' | 'pair.withheld'>;
      const owed = context.owed + 1;
      const due = owed >= context.input.creditLot;
      enqueue.assign({ closed: context.closed + 1, owed: due ? 0 : owed });
      if (consistency !== undefined) {
        const id = event.type === 'pair.made' ? event.body.id : as(event, 'pair.withheld').body.episode;
        enqueue.assign({ consistencies: { ...context.consistencies, [id]: consistency } });
      }
      if (event.type === 'pair.made' && context.input.player === 'temporal')
        enqueue.assign({ paired: [...context.paired, event.body.id] });
      if (due) enqueue.emit(say('generator', 'prompts.credit', { iteration, episodes: owed }));
    }),
    keepRequest: assign(({ event }) => ({ request: as(event, 'training.request').body, failures: 0 })),
    order: enqueueActions(({ context, enqueue }) => enqueue.emit(order(context))),
    orderAgain: enqueueActions(({ context, enqueue }) => {
      enqueue.assign({ failures: context.failures + 1 });
      enqueue.emit(order(context));
    }),
    announce: enqueueActions(({ context, event, enqueue }) => {
      enqueue.emit(announce(context, as(event, 'model.trained')));
      enqueue.assign({ request: null, closed: 0, owed: 0, consistencies: {}, paired: [], revised: 0 });
    }),
    fail: enqueueActions(({ context, event, enqueue }) => {
      enqueue.emit(
        say('coordinator', 'training.failed', {
          to: context.request!.to,
          reason: as(event, 'request.failed').body.reason,
        }),
      );
    }),
    foresee: enqueueActions(({ context, enqueue }) => {
      const request = foreseen(context.request!);
      enqueue.assign({ request, after: context.request });
      enqueue.emit(order({ ...context, request }));
    }),
    revise: enqueueActions(({ context, event, enqueue }) => {
      enqueue.emit(announce(context, as(event, 'model.trained'), 'record'));
      for (const one of reviseAll(context.request!, context.paired)) enqueue.emit(one);
      enqueue.assign({ request: context.after, after: null, failures: 0 });
    }),
    countRevised: assign(({ context }) => ({ revised: context.revised + 1 })),
    askJudgementPairs: enqueueActions(({ context, enqueue }) => {
      const { iteration } = context.request!;
      enqueue.emit(say('meta-judge', 'judgement-pairs.request', { iteration }));
    }),
    askDemonstrations: enqueueActions(({ context, enqueue }) => {
      enqueue.assign({ asked: {}, given: 0 });
      enqueue.emit(askDemonstrations(context, 0));
    }),
    askAnswers: enqueueActions(({ context, event, enqueue }) => {
      const { rows, left } = as(event, 'demonstrations.given').body;
      const { asked, given, request } = context;
      const id = `demonstrate/${request!.to}/${given}`;
      const next = given! + rows.length;
      enqueue.assign({ given: left === 0 ? null : next });
      if (left > 0) enqueue.emit(askDemonstrations(context, next));
      if (rows.length === 0) return;
      enqueue.assign({ asked: { ...asked, [id]: rows } });
      enqueue.emit(askAnswers(context, id, rows));
    }),
    askAnswersAgain: enqueueActions(({ context, event, enqueue }) => {
      const { id } = as(event, 'request.failed').body;
      enqueue.assign({ failures: context.failures + 1 });
      enqueue.emit(askAnswers(context, id, context.asked[id]!));
    }),
    keepAnswers: enqueueActions(({ context, event, enqueue }) => {
      const { body } = as(event, 'model.result');
      const { asked, request } = context;
      for (const fact of answeredIn(body, asked[body.id]!, request!.iteration))
        enqueue.emit(say('record', 'demonstration.answered', fact));
      enqueue.assign({ asked: without(asked, body.id), failures: 0 });
    }),
    ...pausing<Context>(),
  },
}).createMachine({
  id: 'trainer',
  context: ({ input }) => ({
    input,
    closed: 0,
    owed: 0,
    consistencies: {},
    request: null,
    failures: 0,
    asked: {},
    given: null,
    paired: [],
    revised: 0,
    after: null,
    held: [],
  }),
  initial: 'working',
  states: {
    working: {
      initial: 'collecting',
      on: { 'run.pause': 'paused', 'run.resume': {} },
      states: {
        collecting: {
          always: { guard: 'complete', target: 'ready' },
          on: {
            'pair.made': { actions: 'count' },
            'pair.withheld': { actions: 'count' },
            'training.request': { guard: 'unasked', actions: 'keepRequest' },
          },
        },
        ready: {
          always: [
            { guard: 'needsAnswers', target: 'answering', actions: 'askDemonstrations' },
            { guard: 'needsFuture', target: 'foreseeing', actions: 'foresee' },
            { guard: 'needsJudgementPairs', target: 'pairing', actions: 'askJudgementPairs' },
            { target: 'training', actions: 'order' },
          ],
        },
        foreseeing: {
          on: {
            'model.trained': { target: 'revising', actions: 'revise' },
            'request.failed': [
              { guard: 'mayRetry', actions: 'orderAgain' },
              { target: 'failed', actions: 'fail' },
            ],
          },
        },
        revising: {
          always: { guard: 'allRevised', target: 'training', actions: 'order' },
          on: { 'pair.revised': { actions: 'countRevised' } },
        },
        pairing: { on: { 'judgement-pairs.made': { target: 'training', actions: 'order' } } },
        answering: {
          always: { guard: 'allAnswered', target: 'training', actions: 'order' },
          on: {
            'demonstrations.given': { actions: 'askAnswers' },
            'model.result': { guard: 'known', actions: 'keepAnswers' },
            'request.failed': [
              { guard: 'mayAskAgain', actions: 'askAnswersAgain' },
              { target: 'failed', actions: 'fail' },
            ],
          },
        },
        training: {
          on: {
            'model.trained': { target: 'collecting', actions: 'announce' },
            'request.failed': [
              { guard: 'mayRetry', actions: 'orderAgain' },
              { target: 'failed', actions: 'fail' },
            ],
          },
        },
        failed: {},
        before: { type: 'history' },
      },
    },
    paused: PAUSED,
  },
});
