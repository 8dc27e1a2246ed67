/**
 * Answers each prompt N times. PAPER.md, "Self-instruction creation" 2. Owns what is asked of the model and not yet
 * answered; a failed request is sent again up to a limit. While paused it keeps messages for later.
 */
import { enqueueActions, setup } from 'xstate';
import { addressOf, type ModelCast, recordOf, versionFor } from '../src/protocol/cast.js';
import { type EpisodeId, responseId } from '../src/protocol/ids.js';
import type { Sampling } from '../src/protocol/lm.js';
import type { BodyOf, Received } from '../src/protocol/messages.js';
import type { PromptFormat } from '../src/protocol/records.js';
import { keys } from '../src/stages/keys.js';
import { throughOf } from '../src/stages/reading.js';
import { chatPrompt } from '../src/stages/templates.js';
import { answers, as, type Emitted, type Holding, pausing, say, without } from './machine.js';

export interface ResponderInput {
  readonly seed: number;
  readonly cast: ModelCast;
  readonly candidates: number;
  readonly sampling: Sampling;
  readonly format: PromptFormat;
  /** A failed request is sent again at most this often. */
  readonly retries: number;
}

type Request = BodyOf<'responses.request'>;

interface Context extends Holding {
  readonly input: ResponderInput;
  /** By request id. */
  readonly open: Readonly<Record<string, { readonly request: Request; readonly failures: number }>>;
}

const requestId = (episode: EpisodeId) => `respond/${episode}`;

function modelRequest(
  { seed, cast, candidates, sampling, format }: ResponderInput,
  request: Request,
): BodyOf<'model.request'> {
  const { episode, iteration, prompt } = request;
  return {
    id: requestId(episode),
    version: versionFor(cast, iteration),
    sampling: { ...sampling },
    stop: [...format.stop.response],
    ...throughOf(format),
    ...recordOf(cast),
    items: [
      {
        id: episode,
        prompt: chatPrompt(format, prompt),
        keys: Array.from(
          { length: candidates },
          (_, c) => [...keys.respond(seed, responseId(episode, c))] as [number, number],
        ),
      },
    ],
  };
}

export const responderMachine = setup({
  types: {} as { context: Context; events: Received; input: ResponderInput; emitted: Emitted },
  guards: {
    nothingOpen: ({ context }) => Object.keys(context.open).length === 0,
    known: ({ context, event }) => answers(event, context.open),
    mayRetry: ({ context, event }) => {
      const work = context.open[as(event, 'request.failed').body.id];
      return work !== undefined && work.failures < context.input.retries;
    },
  },
  actions: {
    ask: enqueueActions(({ context, event, enqueue }) => {
      const request = as(event, 'responses.request').body;
      enqueue.assign({ open: { ...context.open, [requestId(request.episode)]: { request, failures: 0 } } });
      enqueue.emit(say(addressOf(context.input.cast), 'model.request', modelRequest(context.input, request)));
    }),
    answer: enqueueActions(({ context, event, enqueue }) => {
      const { id, items } = as(event, 'model.result').body;
      const { episode } = context.open[id]!.request;
      const candidates = items[0]!.outputs.map((output, c) => ({ ...output, id: responseId(episode, c) }));
      enqueue.assign({ open: without(context.open, id) });
      enqueue.emit(say(`episode:${episode}`, 'responses.made', { episode, candidates }));
    }),
    askAgain: enqueueActions(({ context, event, enqueue }) => {
      const { id } = as(event, 'request.failed').body;
      const { request, failures } = context.open[id]!;
      enqueue.assign({ open: { ...context.open, [id]: { request, failures: failures + 1 } } });
      enqueue.emit(say(addressOf(context.input.cast), 'model.request', modelRequest(context.input, request)));
    }),
    giveUp: enqueueActions(({ context, event, enqueue }) => {
      const { id, reason } = as(event, 'request.failed').body;
      const { episode } = context.open[id]!.request;
      enqueue.assign({ open: without(context.open, id) });
      enqueue.emit(say(`episode:${episode}`, 'responses.failed', { episode, reason }));
    }),
    ...pausing<Context>(),
  },
}).createMachine({
  id: 'responder',
  context: ({ input }) => ({ input, open: {}, held: [] }),
  initial: 'working',
  states: {
    working: {
      initial: 'idle',
      on: { 'run.pause': 'paused', 'run.resume': {} },
      states: {
        idle: { on: { 'responses.request': { target: 'answering', actions: 'ask' } } },
        answering: {
          always: { guard: 'nothingOpen', target: 'idle' },
          on: {
            'responses.request': { actions: 'ask' },
            'model.result': { guard: 'known', actions: 'answer' },
            'request.failed': [
              { guard: 'mayRetry', actions: 'askAgain' },
              { guard: 'known', actions: 'giveUp' },
            ],
          },
        },
        before: { type: 'history' },
      },
    },
    paused: {
      on: {
        'run.resume': { target: 'working.before', actions: 'release' },
        'run.pause': {},
        '*': { actions: 'hold' },
      },
    },
  },
});
