/**
 * Scores each response k times by each member of the bench, 0–5 with a written justification (LLM-as-a-Judge).
 * PAPER.md, "Self-instruction creation" 3. Verdicts are read by stages/judge.ts from the completion alone; what can't be
 * read is drawn again up to a limit and else stays "unparseable", which is no score. Owns the open work of all episodes.
 */
import { assign, enqueueActions, setup } from 'xstate';
import { castText, isModelCast, type JudgeMember, versionFor } from '../src/protocol/cast.js';
import { type EpisodeId, judgementId, type ResponseId } from '../src/protocol/ids.js';
import type { RngKey, Sampling } from '../src/protocol/lm.js';
import type { BodyOf, Generation, Received, Verdict } from '../src/protocol/messages.js';
import type { JudgeTemplate, PromptFormat } from '../src/protocol/records.js';
import { parseVerdict } from '../src/stages/judge.js';
import { keys } from '../src/stages/keys.js';
import { judgePrompt } from '../src/stages/templates.js';
import { as, type Holding, type Said, say, without } from './machine.js';

export interface JudgeInput {
  readonly seed: number;
  readonly members: readonly JudgeMember[];
  readonly samples: number;
  readonly sampling: Sampling;
  readonly template: JudgeTemplate;
  readonly format: PromptFormat;
  /** An unparseable judgement is drawn again at most this often. */
  readonly redraws: number;
  /** A failed request is sent again at most this often. */
  readonly retries: number;
}

type Request = BodyOf<'judgements.request'>;

/** One judgement to be made: which response, which member, which sample, which drawing. */
interface Seat {
  readonly response: ResponseId;
  readonly text: string;
  readonly member: number;
  readonly sample: number;
  readonly attempt: number;
}

interface Made extends Seat {
  readonly verdict: Verdict;
  readonly generation: Generation | null;
}

interface Open {
  readonly request: Request;
  readonly seats: readonly Seat[];
  readonly failures: number;
}

interface Context extends Holding {
  readonly input: JudgeInput;
  /** By request id. */
  readonly open: Readonly<Record<string, Open>>;
  /** Verdicts of episodes whose work isn't finished. */
  readonly made: Readonly<Record<EpisodeId, readonly Made[]>>;
}

const requestId = (episode: EpisodeId, member: number, attempt: number) => `judge/${episode}/${member}.${attempt}`;

/** A scorer that gives the same score each time is asked once. */
const samplesOf = (member: JudgeMember, samples: number): number =>
  member.player === 'oracle' || member.player === 'constant' ? 1 : samples;

function seatsOf(input: JudgeInput, request: Request, member: number): Seat[] {
  const count = samplesOf(input.members[member]!, input.samples);
  return request.responses.flatMap(({ id, text }) =>
    Array.from({ length: count }, (_, sample) => ({ response: id, text, member, sample, attempt: 0 })),
  );
}

/** Seats of one response stand side by side, so that they can share their prompt. */
function byResponse(seats: readonly Seat[]): Map<ResponseId, Seat[]> {
  const groups = new Map<ResponseId, Seat[]>();
  for (const seat of seats) groups.set(seat.response, [...(groups.get(seat.response) ?? []), seat]);
  return groups;
}

function askFor(input: JudgeInput, id: string, { request, seats }: Open): Said {
  const member = input.members[seats[0]!.member]!;
  const keyOf = (seat: Seat): [number, number] => {
    const key: RngKey = keys.judge(input.seed, seat.response, seat.member, seat.sample, seat.attempt);
    return [key[0], key[1]];
  };
  const groups = [...byResponse(seats)];
  if (!isModelCast(member)) {
    const items = groups.map(([response, group]) => ({ id: response, text: group[0]!.text, keys: group.map(keyOf) }));
    return say('scorer', 'score.request', { id, player: castText(member), prompt: request.prompt, items });
  }
  const items = groups.map(([response, group]) => ({
    id: response,
    prompt: judgePrompt(input.template, request.prompt, group[0]!.text),
    keys: group.map(keyOf),
  }));
  const version = versionFor(member, request.iteration);
  return say('model', 'model.request', { id, version, sampling: { ...input.sampling }, stop: [...input.format.stop.judgement], items });
}

/** Pairs the answers of a result with the seats that they were asked for. */
function verdictsOf(input: JudgeInput, open: Open, event: Received): Made[] {
  const groups = byResponse(open.seats);
  if (event.type === 'score.result')
    return event.body.items.flatMap(({ id, verdicts }) =>
      verdicts.map((verdict, i) => ({ ...groups.get(id as ResponseId)![i]!, verdict, generation: null })),
    );
  return as(event, 'model.result').body.items.flatMap(({ id, outputs }) =>
    outputs.map((generation, i) => ({
      ...groups.get(id as ResponseId)![i]!,
      verdict: parseVerdict(generation.text, input.template),
      generation,
    })),
  );
}

const inOrder = (a: Made, b: Made) =>
  a.response < b.response ? -1 : a.response > b.response ? 1 : a.member - b.member || a.sample - b.sample;

function announce(input: JudgeInput, episode: EpisodeId, made: readonly Made[]): Said[] {
  return [...made].sort(inOrder).map(({ response, member, sample, verdict, generation }, i) =>
    say(`episode:${episode}`, 'judgement.made', {
      id: judgementId(response, member, sample),
      response,
      player: castText(input.members[member]!),
      verdict,
      generation,
      left: made.length - 1 - i,
    }),
  );
}

const stillOpen = (open: Context['open'], episode: EpisodeId): boolean =>
  Object.values(open).some(({ request }) => request.episode === episode);

/** What follows from one result: draw again what couldn't be read, and speak when the episode's last verdict is in. */
function settle(context: Context, id: string, event: Received): { change: Partial<Context>; said: Said[] } {
  const { input } = context;
  const work = context.open[id]!;
  const { episode } = work.request;
  const verdicts = verdictsOf(input, work, event);
  const again = verdicts.filter(({ verdict, generation, attempt }) => verdict.status === 'unparseable' && generation !== null && attempt < input.redraws);
  const final = verdicts.filter((verdict) => !again.includes(verdict));
  const made = [...(context.made[episode] ?? []), ...final];
  let open = without(context.open, id);
  if (again.length > 0) {
    const seats = again.map(({ verdict: _, generation: __, ...seat }) => ({ ...seat, attempt: seat.attempt + 1 }));
    const next: Open = { request: work.request, seats, failures: 0 };
    const nextId = requestId(episode, seats[0]!.member, seats[0]!.attempt);
    open = { ...open, [nextId]: next };
    return { change: { open, made: { ...context.made, [episode]: made } }, said: [askFor(input, nextId, next)] };
  }
  if (stillOpen(open, episode)) return { change: { open, made: { ...context.made, [episode]: made } }, said: [] };
  return { change: { open, made: without(context.made, episode) }, said: announce(input, episode, made) };
}

export const judgeMachine = setup({
  types: {} as { context: Context; events: Received; input: JudgeInput; emitted: Said },
  guards: {
    nothingOpen: ({ context }) => Object.keys(context.open).length === 0,
    mayRetry: ({ context, event }) => (context.open[as(event, 'request.failed').body.id]?.failures ?? context.input.retries) < context.input.retries,
    known: ({ context, event }) => 'id' in event.body && event.body.id in context.open,
  },
  actions: {
    ask: enqueueActions(({ context, event, enqueue }) => {
      const request = as(event, 'judgements.request').body;
      const added: Record<string, Open> = {};
      context.input.members.forEach((_, member) => {
        added[requestId(request.episode, member, 0)] = { request, seats: seatsOf(context.input, request, member), failures: 0 };
      });
      enqueue.assign({ open: { ...context.open, ...added } });
      for (const [id, open] of Object.entries(added)) enqueue.emit(askFor(context.input, id, open));
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
      const { id, reason } = as(event, 'request.failed').body;
      const { episode } = context.open[id]!.request;
      const open = Object.fromEntries(Object.entries(context.open).filter(([, o]) => o.request.episode !== episode));
      enqueue.assign({ open, made: without(context.made, episode) });
      enqueue.emit(say(`episode:${episode}`, 'judgements.failed', { episode, reason }));
    }),
    hold: assign({ held: ({ context, event }) => [...context.held, event] }),
    release: enqueueActions(({ context, enqueue }) => {
      for (const event of context.held) enqueue.raise(event);
      enqueue.assign({ held: [] });
    }),
    refuse: enqueueActions(({ event, enqueue }) => {
      enqueue.emit(say('record', 'message.refused', { by: 'judge', state: 'working', type: event.type }));
    }),
  },
}).createMachine({
  id: 'judge',
  context: ({ input }) => ({ input, open: {}, made: {}, held: [] }),
  initial: 'working',
  states: {
    working: {
      initial: 'idle',
      on: { 'run.pause': 'paused', '*': { actions: 'refuse' } },
      states: {
        idle: {
          on: {
            'judgements.request': { target: 'judging', actions: 'ask' },
            // late answers of an episode that was given up
            'model.result': {},
            'score.result': {},
            'request.failed': {},
          },
        },
        judging: {
          always: { guard: 'nothingOpen', target: 'idle' },
          on: {
            'judgements.request': { actions: 'ask' },
            'model.result': [{ guard: 'known', actions: 'settle' }, {}],
            'score.result': [{ guard: 'known', actions: 'settle' }, {}],
            'request.failed': [{ guard: 'mayRetry', actions: 'askAgain' }, { guard: 'known', actions: 'giveUp' }, {}],
          },
        },
        before: { type: 'history' },
      },
    },
    paused: { on: { 'run.resume': { target: 'working.before', actions: 'release' }, '*': { actions: 'hold' } } },
  },
});
