/**
 * Compares judgements of one answer two by two, in both orders, and makes judgement pairs of the verdicts once an iteration is
 * over: Meta-Rewarding (src/stages/variants/meta-rewarding.ts), which alone writes to it. Only then is it known how often either
 * position wins. It says each verdict to itself, so that a pair can name the seqs behind it. Owns what is under way and the
 * verdicts of the running iteration.
 */
import { assign, enqueueActions, setup } from 'xstate';
import {
  addressOf,
  castText,
  isModelCast,
  type ModelCast,
  recordOf,
  versionFor,
} from '../src/protocol/cast.js';
import type { EpisodeId } from '../src/protocol/ids.js';
import type { Sampling } from '../src/protocol/lm.js';
import type { Received } from '../src/protocol/messages.js';
import type { MetaJudgeTemplate, PromptFormat } from '../src/protocol/records.js';
import {
  battlesOf,
  type MetaRequest,
  metaPrompt,
  verdictsIn,
  verdictTexts,
} from '../src/stages/meta-judge.js';
import { throughOf } from '../src/stages/reading.js';
import { judgementPairOf, type Met, positionWeights, winsOf } from '../src/stages/variants/meta-rewarding.js';
import type { Result } from '../src/stages/verdicts.js';
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

export interface MetaJudgeInput {
  readonly seed: number;
  readonly cast: ModelCast | { readonly player: 'oracle' | 'random' };
  /** How a model gives its verdict: in writing, or as the likelier of the two verdicts. */
  readonly reading: 'written' | 'likelier';
  readonly sampling: Sampling;
  readonly template: MetaJudgeTemplate;
  readonly format: PromptFormat;
  /** A longer chosen judgement makes no pair (characters); 0 = none is too long. */
  readonly maxChars: number;
  /** A failed request is sent again at most this often. */
  readonly retries: number;
}

/** One answer of the running iteration. */
interface Case {
  readonly request: MetaRequest;
  readonly met: readonly Met[];
  readonly failure: string | null;
}

interface Context extends Holding {
  readonly input: MetaJudgeInput;
  /** By request id. */
  readonly open: Readonly<Record<string, { readonly request: MetaRequest; readonly failures: number }>>;
  readonly cases: Readonly<Record<EpisodeId, Case>>;
  /** Verdicts that were said and have not come back. */
  readonly due: number;
  readonly iteration: number | null;
}

const requestId = (episode: string) => `meta/${episode}`;

function askFor({ seed, cast, reading, ...input }: MetaJudgeInput, request: MetaRequest): Said {
  const { episode, iteration, prompt, response } = request;
  const id = requestId(episode);
  const battles = battlesOf(request, seed);
  const { template } = input;
  if (!isModelCast(cast)) {
    const keyed = battles.map((battle) => ({ id: battle.id, text: response.text, keys: [battle.key] }));
    const items = cast.player === 'oracle' ? keyed.slice(0, 1) : keyed;
    return say('scorer', 'score.request', { id, player: castText(cast), prompt, items });
  }
  const version = versionFor(cast, iteration);
  if (reading === 'likelier') {
    const items = battles.flatMap((battle) =>
      verdictTexts(template).map((target) => ({
        id: battle.id,
        prompt: metaPrompt(template, request, battle),
        target,
      })),
    );
    return say('model', 'likelihood.request', {
      id,
      version,
      reference: null,
      ...throughOf(input.format),
      items,
    });
  }
  return say(addressOf(cast), 'model.request', {
    id,
    version,
    sampling: { ...input.sampling },
    stop: [...input.format.stop.judgement],
    ...throughOf(input.format),
    ...recordOf(cast),
    items: battles.map((battle) => ({
      id: battle.id,
      prompt: metaPrompt(template, request, battle),
      keys: [battle.key],
    })),
  });
}

function announced({ input }: Context, request: MetaRequest, event: Received): readonly Said[] {
  const made = verdictsIn(input, request, event as Result);
  const { episode, iteration } = request;
  return battlesOf(request, input.seed).map(({ id, first, second }, i) =>
    say('meta-judge', 'meta-judgement.made', {
      id,
      episode,
      iteration,
      first: first.id,
      second: second.id,
      player: castText(input.cast),
      ...made[i]!,
    }),
  );
}

/** Pairs and reasons in the order of the episodes' ids, then the sum. */
function reported({ input, cases, iteration }: Context): readonly Said[] {
  const all = Object.keys(cases)
    .sort()
    .map((id) => cases[id as EpisodeId]!);
  const wins = winsOf(all.flatMap(({ met }) => met));
  const weights = positionWeights(wins);
  const said = all.map(({ request, met, failure }) => {
    if (failure !== null) {
      const { episode, iteration } = request;
      const body = { episode, iteration, reason: 'failed', detail: failure } as const;
      return say('record', 'judgement-pair.withheld', body);
    }
    const result = judgementPairOf(request, met, weights, input.maxChars);
    return 'pair' in result
      ? say('record', 'judgement-pair.made', result.pair)
      : say('record', 'judgement-pair.withheld', result.withheld);
  });
  const pairs = said.filter(({ message }) => message.type === 'judgement-pair.made').length;
  const sum = { iteration: iteration!, pairs, withheld: said.length - pairs, wins: { ...wins } };
  return [...said, say('trainer', 'judgement-pairs.made', sum)];
}

const gathering = {
  'model.result': { guard: 'known', actions: 'settle' },
  'score.result': { guard: 'known', actions: 'settle' },
  'likelihood.result': { guard: 'known', actions: 'settle' },
  'request.failed': [
    { guard: 'mayRetry', actions: 'askAgain' },
    { guard: 'known', actions: 'giveUp' },
  ],
  'meta-judgement.made': { actions: 'keepVerdict' },
} as const;

export const metaJudgeMachine = setup({
  types: {} as { context: Context; events: Received; input: MetaJudgeInput; emitted: Emitted },
  guards: {
    settled: ({ context: { open, due } }) => Object.keys(open).length === 0 && due === 0,
    known: ({ context, event }) => answers(event, context.open),
    mayRetry: ({ context: { open, input }, event }) => {
      const work = open[as(event, 'request.failed').body.id];
      return work !== undefined && work.failures < input.retries;
    },
  },
  actions: {
    ask: enqueueActions(({ context, event, enqueue }) => {
      const request = as(event, 'meta-judgements.request').body;
      const { episode } = request;
      enqueue.assign({
        open: { ...context.open, [requestId(episode)]: { request, failures: 0 } },
        cases: { ...context.cases, [episode]: { request, met: [], failure: null } },
      });
      enqueue.emit(askFor(context.input, request));
    }),
    settle: enqueueActions(({ context, event, enqueue }) => {
      const { id } = event.body as { id: string };
      const said = announced(context, context.open[id]!.request, event);
      enqueue.assign({ open: without(context.open, id), due: context.due + said.length });
      for (const one of said) enqueue.emit(one);
    }),
    keepVerdict: assign(({ context, event }) => {
      const { seq, body } = as(event, 'meta-judgement.made');
      const { episode, first, second, verdict } = body;
      const own = context.cases[episode]!;
      const met = [...own.met, { first, second, verdict, seq }];
      return { due: context.due - 1, cases: { ...context.cases, [episode]: { ...own, met } } };
    }),
    askAgain: enqueueActions(({ context, event, enqueue }) => {
      const { id } = as(event, 'request.failed').body;
      const { request, failures } = context.open[id]!;
      enqueue.assign({ open: { ...context.open, [id]: { request, failures: failures + 1 } } });
      enqueue.emit(askFor(context.input, request));
    }),
    giveUp: assign(({ context, event }) => {
      const { id, reason } = as(event, 'request.failed').body;
      const { episode } = context.open[id]!.request;
      const failed = { ...context.cases[episode]!, failure: reason };
      return { open: without(context.open, id), cases: { ...context.cases, [episode]: failed } };
    }),
    keepIteration: assign(({ event }) => ({
      iteration: as(event, 'judgement-pairs.request').body.iteration,
    })),
    report: enqueueActions(({ context, enqueue }) => {
      for (const one of reported(context)) enqueue.emit(one);
      enqueue.assign({ cases: {}, iteration: null });
    }),
    ...pausing<Context>(),
  },
}).createMachine({
  id: 'meta-judge',
  context: ({ input }) => ({ input, open: {}, cases: {}, due: 0, iteration: null, held: [] }),
  initial: 'working',
  states: {
    working: {
      initial: 'comparing',
      on: { 'run.pause': 'paused', 'run.resume': {} },
      states: {
        comparing: {
          on: {
            ...gathering,
            'meta-judgements.request': { actions: 'ask' },
            'judgement-pairs.request': { target: 'closing', actions: 'keepIteration' },
          },
        },
        closing: {
          always: { guard: 'settled', target: 'comparing', actions: 'report' },
          on: gathering,
        },
        before: { type: 'history' },
      },
    },
    paused: PAUSED,
  },
});
