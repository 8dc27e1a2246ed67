/**
 * Scores each response k times by each member of the bench, 0–5 with a written justification (LLM-as-a-Judge).
 * PAPER.md, "Self-instruction creation" 3. Verdicts are read by stages/judge.ts from the completion alone; what can't be
 * read is drawn again up to a limit and else stays "unparseable", which is no score. Owns the open work of all episodes.
 */
import { enqueueActions, setup } from 'xstate';
import {
  addressOf,
  castText,
  isModelCast,
  type JudgeMember,
  recordOf,
  versionFor,
} from '../src/protocol/cast.js';
import { type EpisodeId, judgementId } from '../src/protocol/ids.js';
import type { Sampling } from '../src/protocol/lm.js';
import type { BodyOf, Received } from '../src/protocol/messages.js';
import type { JudgeTemplate, PromptFormat } from '../src/protocol/records.js';
import {
  drawsOf,
  inOrder,
  type Judged,
  type Seat,
  samplesOf,
  seatsOf,
  withRedraws,
} from '../src/stages/bench.js';
import { throughOf } from '../src/stages/reading.js';
import { judgePrompt } from '../src/stages/templates.js';
import { likelihoodRequest } from '../src/stages/variants/cream.js';
import { groupStart } from '../src/stages/variants/online-dpo.js';
import { judgementsIn, type Result } from '../src/stages/verdicts.js';
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

export interface JudgeInput {
  readonly seed: number;
  readonly members: readonly JudgeMember[];
  readonly samples: number;
  /** Iterations in a row that are judged by the versions at the first one's start (online DPO); absent = 1. */
  readonly rounds?: number;
  readonly sampling: Sampling;
  readonly template: JudgeTemplate;
  readonly format: PromptFormat;
  /** An unparseable judgement is drawn again at most this often. */
  readonly redraws: number;
  /** A failed request is sent again at most this often. */
  readonly retries: number;
}

type Request = BodyOf<'judgements.request'>;

/** Seats of one member that one request asks for. */
interface Open {
  readonly request: Request;
  readonly seats: readonly Seat[];
  readonly failures: number;
}

interface Context extends Holding {
  readonly input: JudgeInput;
  /** By request id. */
  readonly open: Readonly<Record<string, Open>>;
  /** Judgements of episodes whose work isn't finished. */
  readonly made: Readonly<Record<EpisodeId, readonly Judged[]>>;
}

const requestId = (episode: EpisodeId, { member, attempt }: Pick<Seat, 'member' | 'attempt'>) =>
  `judge/${episode}/${member}.${attempt}`;

function askFor(input: JudgeInput, id: string, { request, seats }: Open): Said {
  const member = input.members[seats[0]!.member]!;
  const iteration = groupStart(request.iteration, input.rounds ?? 1);
  const draws = drawsOf(input.seed, seats);
  if (member.player === 'implicit') {
    const body = likelihoodRequest(id, { iteration, by: member.by }, input.format, request.prompt, draws);
    return say('model', 'likelihood.request', body);
  }
  if (!isModelCast(member)) {
    const items = draws.map(({ response, text, keys }) => ({ id: response, text, keys }));
    return say('scorer', 'score.request', { id, player: castText(member), prompt: request.prompt, items });
  }
  const items = draws.map(({ response, text, keys }) => ({
    id: response,
    prompt: judgePrompt(input.template, request.prompt, text),
    keys,
  }));
  return say(addressOf(member), 'model.request', {
    id,
    version: versionFor(member, iteration),
    sampling: { ...input.sampling },
    stop: [...input.format.stop.judgement],
    ...throughOf(input.format),
    ...recordOf(member),
    items,
  });
}

const announce = (
  { members }: JudgeInput,
  { episode, responses }: Request,
  made: readonly Judged[],
): Said[] =>
  inOrder(made, responses).map(({ response, member, sample, verdict, generation }, i) =>
    say(`episode:${episode}`, 'judgement.made', {
      id: judgementId(response, member, sample),
      response,
      player: castText(members[member]!),
      verdict,
      generation,
      left: made.length - 1 - i,
    }),
  );

const isOf = (episode: EpisodeId, { request }: Open): boolean => request.episode === episode;

interface Step {
  readonly change: Partial<Context>;
  readonly said: readonly Said[];
}

/** One request for each member. */
function ask({ input, open }: Context, request: Request): Step {
  const added: [string, Open][] = input.members.map((cast, member) => [
    requestId(request.episode, { member, attempt: 0 }),
    { request, seats: seatsOf(request.responses, member, samplesOf(cast, input.samples)), failures: 0 },
  ]);
  return {
    change: { open: { ...open, ...Object.fromEntries(added) } },
    said: added.map(([id, work]) => askFor(input, id, work)),
  };
}

/** What follows from one result: draw again what couldn't be read, and speak when the episode's last verdict is in. */
function settle(context: Context, id: string, event: Received): Step {
  const { input } = context;
  const work = context.open[id]!;
  const { episode } = work.request;
  const { final, again } = withRedraws(
    judgementsIn(input.template, work.seats, event as Result),
    input.redraws,
  );
  const made = [...(context.made[episode] ?? []), ...final];
  const open = without(context.open, id);
  if (again.length > 0) {
    const next: Open = { request: work.request, seats: again, failures: 0 };
    const nextId = requestId(episode, again[0]!);
    return {
      change: { open: { ...open, [nextId]: next }, made: { ...context.made, [episode]: made } },
      said: [askFor(input, nextId, next)],
    };
  }
  if (Object.values(open).some((one) => isOf(episode, one)))
    return { change: { open, made: { ...context.made, [episode]: made } }, said: [] };
  return {
    change: { open, made: without(context.made, episode) },
    said: announce(input, work.request, made),
  };
}

/** The whole episode is given up: what else is under way for it will come too late. */
function giveUp({ open, made }: Context, { id, reason }: BodyOf<'request.failed'>): Step {
  const { episode } = open[id]!.request;
  const rest = Object.entries(open).filter(([, work]) => !isOf(episode, work));
  return {
    change: { open: Object.fromEntries(rest), made: without(made, episode) },
    said: [say(`episode:${episode}`, 'judgements.failed', { episode, reason })],
  };
}

export const judgeMachine = setup({
  types: {} as { context: Context; events: Received; input: JudgeInput; emitted: Emitted },
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
      const { change, said } = ask(context, as(event, 'judgements.request').body);
      enqueue.assign(change);
      for (const one of said) enqueue.emit(one);
    }),
    settle: enqueueActions(({ context, event, enqueue }) => {
      const { change, said } = settle(context, (event.body as { id: string }).id, event);
      enqueue.assign(change);
      for (const one of said) enqueue.emit(one);
    }),
    askAgain: enqueueActions(({ context, event, enqueue }) => {
      const { id } = as(event, 'request.failed').body;
      const before = context.open[id]!;
      enqueue.assign({ open: { ...context.open, [id]: { ...before, failures: before.failures + 1 } } });
      enqueue.emit(askFor(context.input, id, before));
    }),
    giveUp: enqueueActions(({ context, event, enqueue }) => {
      const { change, said } = giveUp(context, as(event, 'request.failed').body);
      enqueue.assign(change);
      for (const one of said) enqueue.emit(one);
    }),
    ...pausing<Context>(),
  },
}).createMachine({
  id: 'judge',
  context: ({ input }) => ({ input, open: {}, made: {}, held: [] }),
  initial: 'working',
  states: {
    working: {
      initial: 'idle',
      on: { 'run.pause': 'paused', 'run.resume': {} },
      states: {
        idle: {
          on: {
            'judgements.request': { target: 'judging', actions: 'ask' },
            // late answers of an episode that was given up
            'model.result': {},
            'score.result': {},
            'likelihood.result': {},
            'request.failed': {},
          },
        },
        judging: {
          always: { guard: 'nothingOpen', target: 'idle' },
          on: {
            'judgements.request': { actions: 'ask' },
            'model.result': [{ guard: 'known', actions: 'settle' }, {}],
            'score.result': [{ guard: 'known', actions: 'settle' }, {}],
            'likelihood.result': [{ guard: 'known', actions: 'settle' }, {}],
            'request.failed': [
              { guard: 'mayRetry', actions: 'askAgain' },
              { guard: 'known', actions: 'giveUp' },
              {},
            ],
          },
        },
        before: { type: 'history' },
      },
    },
    paused: PAUSED,
  },
});
