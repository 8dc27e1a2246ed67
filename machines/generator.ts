/**
 * Invents prompts from few-shot examples, filters them, opens an episode for each ask. PAPER.md, "Self-instruction
 * creation" 1. Owns the credit (how many more episodes may be open), the known prompts, and the asks without an answer.
 */
import { assign, enqueueActions, setup } from 'xstate';
import { addressOf, type ModelCast, recordOf, versionFor } from '../src/protocol/cast.js';
import { episodeId } from '../src/protocol/ids.js';
import type { Sampling } from '../src/protocol/lm.js';
import type { BodyOf, Received } from '../src/protocol/messages.js';
import type { PromptFormat } from '../src/protocol/records.js';
import { chooseShots, inventionPrompt, type PromptRules, type ShotCounts } from '../src/stages/invent.js';
import { keys } from '../src/stages/keys.js';
import { emptyPool } from '../src/stages/prompt-pool.js';
import { throughOf } from '../src/stages/reading.js';
import { answers, as, type Emitted, type Holding, PAUSED, pausing, type Said, say } from './machine.js';
import { type Ask, type Screening, settle } from './screening.js';

export interface GeneratorInput {
  readonly seed: number;
  readonly cast: ModelCast;
  readonly shots: ShotCounts;
  readonly rules: PromptRules;
  readonly sampling: Sampling;
  readonly format: PromptFormat;
  readonly asksPerRequest: number;
  readonly retries: number;
}

interface Context extends Holding, Screening {
  readonly input: GeneratorInput;
  readonly request: BodyOf<'prompts.request'> | null;
  readonly asked: number;
  readonly credit: number;
  /** Model-made prompts that may be shown: those of earlier iterations, so that no prompt hangs on timing. */
  readonly shown: readonly string[];
}

const requestId = (iteration: number, first: number) => `invent/${iteration}/${first}`;

function modelRequest({ input, request }: Context, id: string, asks: readonly Ask[]): Said {
  const { iteration } = request!;
  const items = asks.map(({ ask, shots }) => {
    const episode = episodeId(iteration, ask);
    const key = keys.invent(input.seed, episode);
    return {
      id: episode,
      prompt: inventionPrompt(input.format, shots),
      keys: [[key[0], key[1]] as [number, number]],
    };
  });
  const version = versionFor(input.cast, iteration);
  return say(addressOf(input.cast), 'model.request', {
    id,
    version,
    sampling: { ...input.sampling },
    stop: [...input.format.stop.prompt],
    ...throughOf(input.format),
    ...recordOf(input.cast),
    items,
  });
}

/**
 * How many asks go out now: a full request, or the rest, or none while the credit doesn't reach. A full request takes at
 * most half of all credit: the trainer gives it back in lots of less than that, so the other half always returns.
 */
function nextSize({ request, asked, credit, input }: Context): number {
  if (!request) return 0;
  const size = Math.min(input.asksPerRequest, Math.ceil(request.credit / 2), request.asks - asked);
  return size <= credit ? size : 0;
}

function nextAsks(context: Context): readonly Ask[] {
  const { request, asked, input, pool, shown } = context;
  return Array.from({ length: nextSize(context) }, (_, i) => {
    const ask = asked + i;
    const key = keys.shots(input.seed, episodeId(request!.iteration, ask));
    return { ask, shots: chooseShots(pool.seed, shown, input.shots, key) };
  });
}

export const generatorMachine = setup({
  types: {} as { context: Context; events: Received; input: GeneratorInput; emitted: Emitted },
  guards: {
    canAsk: ({ context }) => nextSize(context) > 0,
    allAnswered: ({ context }) => context.request !== null && context.answered === context.request.asks,
    known: ({ context, event }) => answers(event, context.open),
    mayRetry: ({ context, event }) => {
      const work = context.open[as(event, 'request.failed').body.id];
      return work !== undefined && work.attempt < context.input.retries;
    },
  },
  actions: {
    keepKnown: assign(({ event }) => ({ pool: { ...as(event, 'prompts.known').body, made: [] } })),
    keepRequest: assign(({ context, event }) => {
      const request = as(event, 'prompts.request').body;
      return {
        request,
        asked: 0,
        answered: 0,
        filtered: 0,
        failed: 0,
        credit: request.credit,
        shown: context.pool.made,
      };
    }),
    ask: enqueueActions(({ context, enqueue }) => {
      const asks = nextAsks(context);
      const id = requestId(context.request!.iteration, asks[0]!.ask);
      enqueue.assign({
        open: { ...context.open, [id]: { asks, attempt: 0, outcome: null } },
        asked: context.asked + asks.length,
        credit: context.credit - asks.length,
      });
      enqueue.emit(modelRequest(context, id, asks));
    }),
    screen: enqueueActions(({ context, event, enqueue }) => {
      const { id, items } = as(event, 'model.result').body;
      const { change, said } = settle(context, context.request!.iteration, id, items);
      enqueue.assign(change);
      for (const one of said) enqueue.emit(one);
    }),
    keepCredit: assign(({ context, event }) => ({
      credit: context.credit + as(event, 'prompts.credit').body.episodes,
    })),
    askAgain: enqueueActions(({ context, event, enqueue }) => {
      const { id } = as(event, 'request.failed').body;
      const { asks, attempt } = context.open[id]!;
      enqueue.assign({ open: { ...context.open, [id]: { asks, attempt: attempt + 1, outcome: null } } });
      enqueue.emit(modelRequest(context, id, asks));
    }),
    giveUp: enqueueActions(({ context, event, enqueue }) => {
      const { id, reason } = as(event, 'request.failed').body;
      const { change, said } = settle(context, context.request!.iteration, id, reason);
      enqueue.assign(change);
      for (const one of said) enqueue.emit(one);
    }),
    report: enqueueActions(({ context, enqueue }) => {
      const { request, filtered, failed } = context;
      enqueue.emit(
        say('coordinator', 'prompts.made', {
          iteration: request!.iteration,
          episodes: request!.asks,
          filtered,
          failed,
        }),
      );
      enqueue.assign({ request: null });
    }),
    ...pausing<Context>(),
  },
}).createMachine({
  id: 'generator',
  context: ({ input }) => ({
    input,
    pool: emptyPool,
    request: null,
    asked: 0,
    answered: 0,
    filtered: 0,
    failed: 0,
    credit: 0,
    shown: [],
    open: {},
    held: [],
  }),
  initial: 'working',
  states: {
    working: {
      initial: 'idle',
      on: { 'run.pause': 'paused', 'run.resume': {} },
      states: {
        idle: {
          on: {
            'prompts.known': { actions: 'keepKnown' },
            'prompts.request': { target: 'inventing', actions: 'keepRequest' },
            // the last episodes close after the last prompt was invented
            'prompts.credit': {},
          },
        },
        inventing: {
          initial: 'asking',
          always: { guard: 'allAnswered', target: 'idle', actions: 'report' },
          on: {
            'model.result': { guard: 'known', target: '.asking', actions: 'screen' },
            'prompts.credit': { target: '.asking', actions: 'keepCredit' },
            'request.failed': [
              { guard: 'mayRetry', actions: 'askAgain' },
              { guard: 'known', target: '.asking', actions: 'giveUp' },
            ],
          },
          states: {
            asking: {
              always: [
                { guard: 'canAsk', target: 'asking', reenter: true, actions: 'ask' },
                { target: 'waiting' },
              ],
            },
            waiting: {},
          },
        },
        before: { type: 'history', history: 'deep' },
      },
    },
    paused: PAUSED,
  },
});
