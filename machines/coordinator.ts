/**
 * Walks M0 → SFT baseline → M1 → M2 → M3 …, measuring every version: PAPER.md, "The loop". Owns the order of the stages
 * and which versions exist; leaves all work to the others. A pause is passed on to every role.
 */
import { assign, enqueueActions, setup } from 'xstate';
import { type VersionId, versionId, versionOf } from '../src/protocol/ids.js';
import type { Address, BodyOf, Received, Stage } from '../src/protocol/messages.js';
import { groupStart } from '../src/stages/variants/online-dpo.js';
import { as, type Emitted, type Holding, pausing, type Said, say } from './machine.js';

export interface CoordinatorInput {
  /** DPO iterations after M1. */
  readonly iterations: number;
  /** Invention attempts an iteration. */
  readonly asks: number;
  /** Open episodes at most. */
  readonly credit: number;
  /** EFT is made by the SFT baseline from ranked responses (open-assistant) instead of given by the world. */
  readonly apprentice: boolean;
  /** The judge's cast, as shorthand: goes into the lineage. */
  readonly judge: string;
  /** Iterations train on demonstrations (SPIN): nothing is invented. */
  readonly demonstrations?: boolean;
  /** Iterations in a row that share DPO's reference (online DPO); absent = 1. */
  readonly rounds?: number;
  /** A meta-judge plays, so that it must hear of pauses. */
  readonly metaJudge?: boolean;
}

interface Context extends Holding {
  readonly input: CoordinatorInput;
  /** The newest version is M_t. */
  readonly t: number;
  /** Episodes of the running iteration. */
  readonly episodes: number;
  readonly versions: readonly VersionId[];
  readonly reason: string;
}

const M0 = versionOf(0);
const SFT = versionId('SFT');
const ROLES: readonly Address[] = ['generator', 'responder', 'judge', 'trainer'];

const train = (
  { input, episodes }: Context,
  stage: Stage,
  iteration: number,
  from: VersionId,
  to: VersionId,
): Said =>
  say('trainer', 'training.request', {
    stage,
    iteration,
    from,
    to,
    judge: input.judge,
    episodes: stage === 'iteration' ? episodes : 0,
  });

const measure = (
  { input }: Context,
  version: VersionId,
  against: VersionId[],
  reference: VersionId | null,
): Said => say('evaluator', 'evaluation.request', { version, against, reference, judge: input.judge });

function invite({ input, t }: Context): Said {
  const body: BodyOf<'prompts.request'> = {
    iteration: t,
    version: versionOf(t),
    asks: input.asks,
    credit: input.credit,
  };
  return say('generator', 'prompts.request', body);
}

/** A stage that can't be done ends the run. */
const givenUp = { target: '#coordinator.working.failed', actions: ['keepReason', 'fail'] } as const;

export const coordinatorMachine = setup({
  types: {} as { context: Context; events: Received; input: CoordinatorInput; emitted: Emitted },
  guards: {
    moreIterations: ({ context }) => context.t <= context.input.iterations,
    fromDemonstrations: ({ context: { t, input } }) => t <= input.iterations && input.demonstrations === true,
    needsApprentice: ({ context }) => context.input.apprentice,
  },
  actions: {
    askSeed: enqueueActions(({ enqueue }) => enqueue.emit(say('world', 'seed.request', {}))),
    keepVersion: assign(({ context, event }) => ({
      versions: [...context.versions, as(event, 'version.made').body.version],
    })),
    advance: assign(({ context }) => ({ t: context.t + 1 })),
    measureBase: enqueueActions(({ context, enqueue }) => enqueue.emit(measure(context, M0, [], null))),
    trainBaseline: enqueueActions(({ context, enqueue }) =>
      enqueue.emit(train(context, 'sft-baseline', 0, M0, SFT)),
    ),
    measureBaseline: enqueueActions(({ context, enqueue }) => enqueue.emit(measure(context, SFT, [M0], M0))),
    askApprentice: enqueueActions(({ enqueue }) =>
      enqueue.emit(say('evaluator', 'eft.request', { version: SFT })),
    ),
    trainFirst: enqueueActions(({ context, enqueue }) =>
      enqueue.emit(train(context, 'sft', 0, M0, versionOf(1))),
    ),
    measureFirst: enqueueActions(({ context, enqueue }) =>
      enqueue.emit(measure(context, versionOf(1), [SFT], M0)),
    ),
    invite: enqueueActions(({ context, enqueue }) => enqueue.emit(invite(context))),
    keepEpisodes: assign(({ event }) => ({ episodes: as(event, 'prompts.made').body.episodes })),
    noEpisodes: assign({ episodes: 0 }),
    trainNext: enqueueActions(({ context, enqueue }) => {
      const { t } = context;
      enqueue.emit(train(context, 'iteration', t, versionOf(t), versionOf(t + 1)));
    }),
    measureNext: enqueueActions(({ context, enqueue }) => {
      const { t, input } = context;
      const reference = versionOf(groupStart(t - 1, input.rounds ?? 1));
      const against = [...new Set([versionOf(t - 1), reference, SFT])];
      enqueue.emit(measure(context, versionOf(t), against, reference));
    }),
    finish: enqueueActions(({ context, enqueue }) =>
      enqueue.emit(say('user', 'run.finished', { versions: [...context.versions] })),
    ),
    keepReason: assign(({ event }) => ({ reason: 'reason' in event.body ? String(event.body.reason) : '' })),
    fail: enqueueActions(({ context, enqueue }) =>
      enqueue.emit(say('user', 'run.failed', { reason: context.reason, at: versionOf(context.t) })),
    ),
    passOn: enqueueActions(({ context: { input }, event, enqueue }) => {
      if (event.type !== 'run.pause' && event.type !== 'run.resume') return;
      const roles: readonly Address[] = input.metaJudge ? [...ROLES, 'meta-judge'] : ROLES;
      for (const role of roles) enqueue.emit(say(role, event.type, {}));
    }),
    ...pausing<Context>(),
  },
}).createMachine({
  id: 'coordinator',
  context: ({ input }) => ({ input, t: 0, episodes: 0, versions: [M0], reason: '', held: [] }),
  initial: 'working',
  states: {
    working: {
      initial: 'idle',
      on: {
        'run.pause': { target: 'paused', actions: 'passOn' },
        'run.resume': {},
      },
      states: {
        idle: { on: { 'run.start': { target: 'seeding', actions: 'askSeed' } } },
        seeding: { on: { 'seed.ready': { target: 'measuringBase', actions: 'measureBase' } } },
        measuringBase: {
          on: {
            'evaluation.made': { target: 'trainingBaseline', actions: 'trainBaseline' },
            'evaluation.failed': givenUp,
          },
        },
        trainingBaseline: {
          on: {
            'version.made': { target: 'measuringBaseline', actions: ['keepVersion', 'measureBaseline'] },
            'training.failed': givenUp,
          },
        },
        measuringBaseline: {
          on: {
            'evaluation.made': [
              { guard: 'needsApprentice', target: 'apprenticing', actions: 'askApprentice' },
              { target: 'trainingFirst', actions: 'trainFirst' },
            ],
            'evaluation.failed': givenUp,
          },
        },
        apprenticing: {
          on: {
            'eft.made': { target: 'trainingFirst', actions: 'trainFirst' },
            'evaluation.failed': givenUp,
          },
        },
        trainingFirst: {
          on: {
            'version.made': { target: 'measuringFirst', actions: ['keepVersion', 'advance', 'measureFirst'] },
            'training.failed': givenUp,
          },
        },
        measuringFirst: { on: { 'evaluation.made': 'choosing', 'evaluation.failed': givenUp } },
        choosing: {
          always: [
            {
              guard: 'fromDemonstrations',
              target: 'iteration.training',
              actions: ['noEpisodes', 'trainNext'],
            },
            { guard: 'moreIterations', target: 'iteration', actions: 'invite' },
            { target: 'done', actions: 'finish' },
          ],
        },
        iteration: {
          initial: 'inventing',
          states: {
            inventing: {
              on: { 'prompts.made': { target: 'training', actions: ['keepEpisodes', 'trainNext'] } },
            },
            training: {
              on: {
                'version.made': { target: 'measuring', actions: ['keepVersion', 'advance', 'measureNext'] },
                'training.failed': givenUp,
              },
            },
            measuring: {
              on: { 'evaluation.made': '#coordinator.working.choosing', 'evaluation.failed': givenUp },
            },
          },
        },
        done: {},
        failed: {},
        before: { type: 'history', history: 'deep' },
      },
    },
    paused: {
      on: {
        'run.resume': { target: 'working.before', actions: ['passOn', 'release'] },
        'run.pause': {},
        '*': { actions: 'hold' },
      },
    },
  },
});
