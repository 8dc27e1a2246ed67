/**
 * The life of one prompt: invented → answered → judged → paired, or withheld with the reason as the state's name.
 * PAPER.md, "Self-instruction creation" 2–4. Owns the candidates and scores of one episode; knows no model.
 */
import { assign, enqueueActions, setup } from 'xstate';
import { type EpisodeId, pairId } from '../src/protocol/ids.js';
import type { Candidate, Received, ScoredResponse, WithheldReason } from '../src/protocol/messages.js';
import type { Pairing } from '../src/stages/pair.js';
import { mostDisputed } from '../src/stages/variants/meta-rewarding.js';
import { futureGuided } from '../src/stages/variants/temporal-self-rewarding.js';
import {
  decide,
  type Judged,
  newAmong,
  usableOf,
  type Weighed,
  type Weighing,
  weigh,
} from '../src/stages/weighing.js';
import { as, type Emitted, type Said, say } from './machine.js';

export interface EpisodeInput extends Weighing {
  readonly id: EpisodeId;
  readonly iteration: number;
  /** A meta-judge compares the judgements of one answer (Meta-Rewarding). */
  readonly metaJudge?: boolean;
}

interface Context extends EpisodeInput {
  readonly consistency: number | null;
  readonly prompt: string;
  readonly candidates: readonly Candidate[];
  readonly judged: readonly Judged[];
  readonly detail: string;
  readonly pairing: Pairing<Weighed> | null;
  readonly positives: readonly ScoredResponse[];
  /** Answers that were drawn, usable or not. */
  readonly asked: number;
  /** A later version's answers, where the pair is looked at again. */
  readonly future: readonly Candidate[];
}

/** The answer that its judges disagree on most goes to the meta-judge, or the reason why none does. */
function disputed({ id, iteration, prompt, candidates, judged }: Context): Said {
  const readable = judged.flatMap(({ seq, response, verdict, written }) =>
    written && verdict.status === 'score' ? [{ ...written, seq, response, score: verdict.score }] : [],
  );
  const found = mostDisputed(candidates, readable);
  if (found) {
    const response = { id: found.response.id, text: found.response.text };
    const judgements = [...found.judgements];
    return say('meta-judge', 'meta-judgements.request', {
      episode: id,
      iteration,
      prompt,
      response,
      judgements,
    });
  }
  const detail = `of ${candidates.length} answers none has written judgements of different scores`;
  return say('record', 'judgement-pair.withheld', { episode: id, iteration, reason: 'undisputed', detail });
}

function revised({ id, iteration, prompt, pairing, future, judged, detail }: Context): Said | null {
  if (pairing?.status !== 'pair') return null;
  const { rejected } = pairing;
  const { chosen, by } = futureGuided(pairing.chosen, rejected, weigh(future, judged));
  return say('trainer', 'pair.revised', { id: pairId(id), iteration, prompt, chosen, rejected, by, detail });
}

export const episodeMachine = setup({
  types: {} as { context: Context; events: Received; input: EpisodeInput; emitted: Emitted },
  guards: {
    enoughCandidates: ({ context }) => context.candidates.length >= 2,
    allJudged: ({ event }) => as(event, 'judgement.made').body.left === 0,
    paired: ({ context }) => context.pairing?.status === 'pair',
    anchored: ({ context }) => context.pairing?.status === 'pair' && context.anchor !== undefined,
    somethingNew: ({ context }) => context.future.length > 0,
    tied: ({ context }) => context.pairing?.status === 'withheld' && context.pairing.reason === 'tie',
    unparseable: ({ context }) =>
      context.pairing?.status === 'withheld' && context.pairing.reason === 'unparseable',
  },
  actions: {
    open: assign(({ event }) => ({ prompt: as(event, 'prompt.made').body.prompt })),
    askResponses: enqueueActions(({ context, enqueue }) => {
      const { id, iteration, prompt } = context;
      enqueue.emit(say('responder', 'responses.request', { episode: id, iteration, prompt }));
    }),
    keepUsable: assign(({ context, event }) => {
      const { candidates } = as(event, 'responses.made').body;
      return { ...usableOf(candidates, context.anchor), asked: candidates.length };
    }),
    askJudgements: enqueueActions(({ context, enqueue }) => {
      const { id, iteration, prompt, candidates } = context;
      const responses = candidates.map(({ id, text }) => ({ id, text }));
      enqueue.emit(say('judge', 'judgements.request', { episode: id, iteration, prompt, responses }));
    }),
    keepJudgement: assign(({ context, event }) => {
      const { seq, body } = as(event, 'judgement.made');
      const { id, response, player, verdict, generation } = body;
      const written = context.metaJudge && generation ? { written: { id, text: generation.text } } : {};
      return { judged: [...context.judged, { seq, response, player, verdict, ...written }] };
    }),
    askMetaJudge: enqueueActions(({ context, enqueue }) => {
      if (context.metaJudge) enqueue.emit(disputed(context));
    }),
    decide: assign(({ context }) => decide(context, context.candidates, context.judged)),
    askFuture: enqueueActions(({ context, event, enqueue }) => {
      const { id, iteration, prompt } = context;
      const { version } = as(event, 'pair.revise').body;
      const again = { version, first: context.asked };
      enqueue.emit(say('responder', 'responses.request', { episode: id, iteration, prompt, again }));
    }),
    keepFuture: assign(({ context, event }) => ({
      future: newAmong(as(event, 'responses.made').body.candidates, context.candidates, context.anchor),
    })),
    askFutureJudgements: enqueueActions(({ context, enqueue }) => {
      const { id, iteration, prompt, future } = context;
      const responses = future.map(({ id, text }) => ({ id, text }));
      enqueue.emit(say('judge', 'judgements.request', { episode: id, iteration, prompt, responses }));
    }),
    revise: enqueueActions(({ context, enqueue }) => {
      const said = revised(context);
      if (said) enqueue.emit(said);
    }),
    keepFilter: assign(({ event }) => {
      const { prompt, reason, detail } = as(event, 'prompt.filtered').body;
      return { prompt, detail: detail ? `${reason}: ${detail}` : reason };
    }),
    keepFailure: assign(({ event }) => ({ detail: 'reason' in event.body ? String(event.body.reason) : '' })),
    emitPair: enqueueActions(({ context, enqueue }) => {
      const { pairing, positives, id, iteration, prompt, consistency } = context;
      if (pairing?.status !== 'pair') return;
      const { chosen, rejected } = pairing;
      enqueue.emit(
        say('trainer', 'pair.made', {
          id: pairId(id),
          iteration,
          prompt,
          chosen,
          rejected,
          positives: [...positives],
          ...(consistency !== null && { consistency }),
        }),
      );
    }),
    withhold: enqueueActions(({ context, enqueue }, { reason }: { reason: WithheldReason }) => {
      const { id, iteration, detail, positives, consistency } = context;
      enqueue.emit(
        say('trainer', 'pair.withheld', {
          episode: id,
          iteration,
          reason,
          detail,
          positives: [...positives],
          ...(consistency !== null && { consistency }),
        }),
      );
    }),
  },
}).createMachine({
  id: 'episode',
  context: ({ input }) => ({
    ...input,
    prompt: '',
    candidates: [],
    judged: [],
    detail: '',
    pairing: null,
    consistency: null,
    positives: [],
    asked: 0,
    future: [],
  }),
  initial: 'invented',
  states: {
    invented: {
      on: {
        'prompt.made': { target: 'answering', actions: ['open', 'askResponses'] },
        'prompt.filtered': { target: 'filtered', actions: 'keepFilter' },
        'prompt.failed': { target: 'failed', actions: 'keepFailure' },
      },
    },
    answering: {
      on: {
        'responses.made': { target: 'answered', actions: 'keepUsable' },
        'responses.failed': { target: 'failed', actions: 'keepFailure' },
      },
    },
    answered: {
      always: [
        { guard: 'enoughCandidates', target: 'judging', actions: 'askJudgements' },
        { target: 'tooFew' },
      ],
    },
    judging: {
      on: {
        'judgement.made': [
          { guard: 'allJudged', target: 'judged', actions: ['keepJudgement', 'decide', 'askMetaJudge'] },
          { actions: 'keepJudgement' },
        ],
        'judgements.failed': { target: 'failed', actions: 'keepFailure' },
      },
    },
    judged: {
      always: [
        { guard: 'anchored', target: 'anchored' },
        { guard: 'paired', target: 'paired' },
        { guard: 'tied', target: 'tied' },
        { guard: 'unparseable', target: 'unparseable' },
        { target: 'tooFew' },
      ],
    },
    anchored: {
      entry: 'emitPair',
      on: { 'pair.revise': { target: 'reanswering', actions: 'askFuture' } },
    },
    reanswering: {
      on: {
        'responses.made': { target: 'reanswered', actions: 'keepFuture' },
        'responses.failed': { target: 'revised', actions: 'keepFailure' },
      },
    },
    reanswered: {
      always: [
        { guard: 'somethingNew', target: 'rejudging', actions: 'askFutureJudgements' },
        { target: 'revised' },
      ],
    },
    rejudging: {
      on: {
        'judgement.made': [
          { guard: 'allJudged', target: 'revised', actions: 'keepJudgement' },
          { actions: 'keepJudgement' },
        ],
        'judgements.failed': { target: 'revised', actions: 'keepFailure' },
      },
    },
    revised: { type: 'final', entry: 'revise' },
    paired: { type: 'final', entry: 'emitPair' },
    filtered: { type: 'final', entry: { type: 'withhold', params: { reason: 'filtered' } } },
    tooFew: { type: 'final', entry: { type: 'withhold', params: { reason: 'too-few' } } },
    unparseable: { type: 'final', entry: { type: 'withhold', params: { reason: 'unparseable' } } },
    tied: { type: 'final', entry: { type: 'withhold', params: { reason: 'tie' } } },
    failed: { type: 'final', entry: { type: 'withhold', params: { reason: 'failed' } } },
  },
});
