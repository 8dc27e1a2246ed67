/**
 * The life of one prompt: invented → answered → judged → paired, or withheld with the reason as the state's name.
 * PAPER.md, "Self-instruction creation" 2–4. Owns the candidates and scores of one episode; knows no model.
 */
import { assign, enqueueActions, setup } from 'xstate';
import { type EpisodeId, type JudgementId, pairId } from '../src/protocol/ids.js';
import type {
  Candidate,
  Received,
  ScoredResponse,
  Verdict,
  WithheldReason,
} from '../src/protocol/messages.js';
import { meanScore } from '../src/stages/judge.js';
import { type Pairing, pairOf, positivesOf } from '../src/stages/pair.js';
import { checkCandidates } from '../src/stages/respond.js';
import { consistencyOf } from '../src/stages/variants/cream.js';
import { mostDisputed } from '../src/stages/variants/meta-rewarding.js';
import { as, type Emitted, type Said, say } from './machine.js';

interface Judged {
  readonly seq: number;
  /** Only where judgements are compared: its name and text. */
  readonly written?: { readonly id: JudgementId; readonly text: string };
  readonly response: string;
  readonly player: string;
  readonly verdict: Verdict;
}

/** A candidate with the mean of its readable judgements, and the seqs of all of them. */
type Weighed = Omit<ScoredResponse, 'score'> & { readonly score: number | null };

interface Context {
  readonly id: EpisodeId;
  readonly maxScore: number;
  readonly lengthControl?: number;
  readonly rankings?: readonly [string, string];
  readonly metaJudge?: boolean;
  readonly consistency: number | null;
  readonly iteration: number;
  readonly prompt: string;
  readonly candidates: readonly Candidate[];
  readonly judged: readonly Judged[];
  readonly detail: string;
  readonly pairing: Pairing<Weighed> | null;
  readonly positives: readonly ScoredResponse[];
}

export interface EpisodeInput {
  readonly id: EpisodeId;
  readonly iteration: number;
  /** A mean score at or above it makes a response a positive example. */
  readonly maxScore: number;
  /** ρ of variants/length-control.ts; 0 = off. */
  readonly lengthControl?: number;
  /** The bench's two members: the first one's ranking makes the pair, the second's is compared with it (CREAM). */
  readonly rankings?: readonly [string, string];
  /** A meta-judge compares the judgements of one answer (Meta-Rewarding). */
  readonly metaJudge?: boolean;
}

function weigh(candidates: readonly Candidate[], judged: readonly Judged[]): Weighed[] {
  return candidates.map(({ id, text }) => {
    const own = judged.filter(({ response }) => response === id);
    const { score } = meanScore(own.map(({ verdict }) => verdict));
    return { response: id, text, score, judgements: own.map(({ seq }) => seq) };
  });
}

const of = (player: string, judged: readonly Judged[]) => judged.filter((one) => one.player === player);

/** As one member alone ranks them; the judgements behind them are all of the bench. */
const rankedBy = (
  player: string,
  all: readonly Weighed[],
  candidates: readonly Candidate[],
  judged: readonly Judged[],
): Weighed[] =>
  weigh(candidates, of(player, judged)).map((one, i) => ({ ...one, judgements: all[i]!.judgements }));

const agreementOf = (
  rankings: readonly [string, string],
  candidates: readonly Candidate[],
  judged: readonly Judged[],
): number | null => {
  const [first, second] = rankings.map((player) =>
    weigh(candidates, of(player, judged)).map(({ score }) => score),
  );
  return consistencyOf(first!, second!);
};

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

export const episodeMachine = setup({
  types: {} as { context: Context; events: Received; input: EpisodeInput; emitted: Emitted },
  guards: {
    enoughCandidates: ({ context }) => context.candidates.length >= 2,
    allJudged: ({ event }) => as(event, 'judgement.made').body.left === 0,
    paired: ({ context }) => context.pairing?.status === 'pair',
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
    keepUsable: assign(({ event }) => {
      const { candidates } = as(event, 'responses.made').body;
      const { usable, empty, duplicates } = checkCandidates(candidates.map(({ text }) => text));
      const detail = `${usable.length} different answers of ${candidates.length} (${empty.length} empty, ${duplicates.length} repeated)`;
      return { candidates: usable.map((i) => candidates[i]!), detail };
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
    decide: assign(({ context }) => {
      const { candidates, judged, rankings } = context;
      const all = weigh(candidates, judged);
      const weighed = rankings ? rankedBy(rankings[0], all, candidates, judged) : all;
      const pairing = pairOf(weighed, context.lengthControl);
      const positives = rankings ? [] : positivesOf(weighed, context.maxScore);
      const consistency = rankings ? agreementOf(rankings, candidates, judged) : null;
      return { pairing, positives, consistency, detail: pairing.status === 'withheld' ? pairing.detail : '' };
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
        { guard: 'paired', target: 'paired' },
        { guard: 'tied', target: 'tied' },
        { guard: 'unparseable', target: 'unparseable' },
        { target: 'tooFew' },
      ],
    },
    paired: { type: 'final', entry: 'emitPair' },
    filtered: { type: 'final', entry: { type: 'withhold', params: { reason: 'filtered' } } },
    tooFew: { type: 'final', entry: { type: 'withhold', params: { reason: 'too-few' } } },
    unparseable: { type: 'final', entry: { type: 'withhold', params: { reason: 'unparseable' } } },
    tied: { type: 'final', entry: { type: 'withhold', params: { reason: 'tie' } } },
    failed: { type: 'final', entry: { type: 'withhold', params: { reason: 'failed' } } },
  },
});
