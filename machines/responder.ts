/**
 * Answers each prompt N times. PAPER.md, "Self-instruction creation" 2. Owns what is asked of the model and not yet
 * answered; a failed request is sent again up to a limit. While paused it keeps messages for later.
 */
import { enqueueActions, setup } from 'xstate';
import { addressOf, type ModelCast, recordOf, versionFor } from '../src/protocol/cast.js';
import { type EpisodeId, responseId, type VersionId } from '../src/protocol/ids.js';
import type { Sampling } from '../src/protocol/lm.js';
import type { BodyOf, Candidate, Received } from '../src/protocol/messages.js';
import type { PromptFormat } from '../src/protocol/records.js';
import { keys } from '../src/stages/keys.js';
import { throughOf } from '../src/stages/reading.js';
import { chatPrompt } from '../src/stages/templates.js';
import {
  answers,
  as,
  type Emitted,
  type Holding,
  PAUSED,
  pausing,
  type Said,
  say,
  without,
} from './machine.js';

export interface ResponderInput {
  readonly seed: number;
  readonly cast: ModelCast;
  readonly candidates: number;
  readonly sampling: Sampling;
  readonly format: PromptFormat;
  /** A past version that answers as often beside whoever is cast (Temporal Self-Rewarding). */
  readonly anchor?: VersionId;
  /** A failed request is sent again at most this often. */
  readonly retries: number;
}

type Request = BodyOf<'responses.request'>;

/** What one request to the model asks for: N answers of one version. */
interface Part {
  readonly request: Request;
  readonly version: VersionId;
  /** Number of its first candidate. */
  readonly first: number;
  readonly failures: number;
}

/** What is in of an episode of which more is under way. */
interface Gathered {
  readonly candidates: readonly Candidate[];
  readonly failure: string | null;
}

interface Context extends Holding {
  readonly input: ResponderInput;
  /** By request id. */
  readonly open: Readonly<Record<string, Part>>;
  readonly gathered: Readonly<Record<EpisodeId, Gathered>>;
}

/** By request id: the cast version's answers, and the past version's where that is another. */
function partsOf({ cast, candidates, anchor }: ResponderInput, request: Request): Record<string, Part> {
  const { episode, iteration, again } = request;
  const id = `respond/${episode}`;
  if (again) return { [`${id}/again`]: { request, ...again, failures: 0 } };
  const version = versionFor(cast, iteration);
  const own: Part = { request, version, first: 0, failures: 0 };
  if (anchor === undefined || anchor === version) return { [id]: own };
  return { [id]: own, [`${id}/past`]: { ...own, version: anchor, first: candidates } };
}

function askFor({ seed, cast, candidates, sampling, format }: ResponderInput, id: string, part: Part): Said {
  const { version, first } = part;
  const { episode, iteration, prompt } = part.request;
  // A past or future version is one of ours, whoever is cast.
  const to = version === versionFor(cast, iteration) ? addressOf(cast) : 'model';
  return say(to, 'model.request', {
    id,
    version,
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
          (_, c) => [...keys.respond(seed, responseId(episode, first + c))] as [number, number],
        ),
      },
    ],
  });
}

/** One part is over: speaks for the episode once none is under way. */
function settle(
  { open, gathered }: Context,
  id: string,
  more: Gathered,
): { change: Partial<Context>; said: Said[] } {
  const { episode } = open[id]!.request;
  const rest = without(open, id);
  const before = gathered[episode] ?? { candidates: [], failure: null };
  const all: Gathered = {
    candidates: [...before.candidates, ...more.candidates],
    failure: before.failure ?? more.failure,
  };
  if (Object.values(rest).some(({ request }) => request.episode === episode))
    return { change: { open: rest, gathered: { ...gathered, [episode]: all } }, said: [] };
  const change = { open: rest, gathered: without(gathered, episode) };
  const to = `episode:${episode}` as const;
  if (all.failure !== null)
    return { change, said: [say(to, 'responses.failed', { episode, reason: all.failure })] };
  const number = ({ id: own }: Candidate) => Number(own.slice(own.lastIndexOf('/') + 1));
  const candidates = [...all.candidates].sort((a, b) => number(a) - number(b));
  return { change, said: [say(to, 'responses.made', { episode, candidates })] };
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
      const parts = partsOf(context.input, as(event, 'responses.request').body);
      enqueue.assign({ open: { ...context.open, ...parts } });
      for (const [id, part] of Object.entries(parts)) enqueue.emit(askFor(context.input, id, part));
    }),
    answer: enqueueActions(({ context, event, enqueue }) => {
      const { id, items } = as(event, 'model.result').body;
      const { request, first } = context.open[id]!;
      const candidates = items[0]!.outputs.map((output, c) => ({
        ...output,
        id: responseId(request.episode, first + c),
      }));
      const { change, said } = settle(context, id, { candidates, failure: null });
      enqueue.assign(change);
      for (const one of said) enqueue.emit(one);
    }),
    askAgain: enqueueActions(({ context, event, enqueue }) => {
      const { id } = as(event, 'request.failed').body;
      const part = context.open[id]!;
      enqueue.assign({ open: { ...context.open, [id]: { ...part, failures: part.failures + 1 } } });
      enqueue.emit(askFor(context.input, id, part));
    }),
    giveUp: enqueueActions(({ context, event, enqueue }) => {
      const { id, reason } = as(event, 'request.failed').body;
      const { change, said } = settle(context, id, { candidates: [], failure: reason });
      enqueue.assign(change);
      for (const one of said) enqueue.emit(one);
    }),
    ...pausing<Context>(),
  },
}).createMachine({
  id: 'responder',
  context: ({ input }) => ({ input, open: {}, gathered: {}, held: [] }),
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
    paused: PAUSED,
  },
});
