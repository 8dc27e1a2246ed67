/**
 * The seven machines together, with everything else made up from a seed: models that fail or babble, answers in any order,
 * pauses at any time. Returns all that was said, as a log would hold it.
 */
import { type MachineRole, machineRole } from '../../actors/role.js';
import { coordinatorMachine } from '../../machines/coordinator.js';
import { episodeMachine } from '../../machines/episode.js';
import { generatorMachine } from '../../machines/generator.js';
import { judgeMachine } from '../../machines/judge.js';
import { metaJudgeMachine } from '../../machines/meta-judge.js';
import { responderMachine } from '../../machines/responder.js';
import { trainerMachine } from '../../machines/trainer.js';
import { membersOf, parseCast } from '../../src/protocol/cast.js';
import type { TrainerPlayer } from '../../src/protocol/config.js';
import { type EpisodeId, versionId } from '../../src/protocol/ids.js';
import type { Address, BodyOf, Envelope, Message, Outgoing, Received } from '../../src/protocol/messages.js';
import { comparative } from '../../src/protocol/templates.js';
import { keyOf, type Rng, rngOf } from '../../src/rng.js';
import { format, generationOf, sampling, template } from './messages.js';

export interface LoopOptions {
  readonly seed: number;
  readonly asks?: number;
  readonly credit?: number;
  readonly asksPerRequest?: number;
  readonly candidates?: number;
  readonly samples?: number;
  readonly iterations?: number;
  readonly judge?: string;
  readonly trainer?: TrainerPlayer;
  readonly redraws?: number;
  readonly retries?: number;
  /** Share of model requests that fail. */
  readonly failing?: number;
  /** Share of judgements that can't be read. */
  readonly babble?: number;
  /** Pauses and resumes, at random places. */
  readonly pauses?: number;
  /** Seed of the order in which answers come; the answers themselves depend on `seed` alone. */
  readonly order?: number;
}

interface Queued extends Outgoing {
  readonly from: Address;
  readonly cause: number;
}

/** How the loop's meta-judge plays. */
export const metaJudging = {
  cast: { player: 'live' },
  reading: 'written',
  template: comparative,
  maxChars: 0,
} as const;

const LOT = (credit: number) => Math.max(1, Math.floor(credit / 8));

export function rolesOf(options: LoopOptions): (address: Address) => MachineRole | undefined {
  const {
    seed,
    credit = 8,
    asksPerRequest = 4,
    candidates = 3,
    samples = 2,
    redraws = 1,
    retries = 2,
    judge = 'live',
  } = options;
  const shared = { seed, sampling, format, retries };
  const rules = { minWords: 1, maxWords: 9, keywords: ['image'], similarity: 1 };
  const live = { player: 'live' } as const;
  const anchored = options.trainer === 'temporal' ? { anchor: versionId('M0') } : {};
  const made = new Map<Address, MachineRole>();
  const make: Record<string, () => MachineRole> = {
    coordinator: () =>
      machineRole(coordinatorMachine, {
        iterations: options.iterations ?? 1,
        asks: options.asks ?? 12,
        credit,
        apprentice: false,
        judge,
        demonstrations: options.trainer === 'spin',
        metaJudge: options.trainer === 'meta-rewarding',
      }),
    generator: () =>
      machineRole(generatorMachine, {
        ...shared,
        cast: live,
        shots: { seedShots: 1, madeShots: 1 },
        rules,
        asksPerRequest,
      }),
    responder: () => machineRole(responderMachine, { ...shared, cast: live, candidates, ...anchored }),
    'meta-judge': () => machineRole(metaJudgeMachine, { ...shared, ...metaJudging }),
    judge: () =>
      machineRole(judgeMachine, {
        ...shared,
        members: membersOf(parseCast('judge', judge)),
        samples,
        template,
        redraws,
      }),
    trainer: () =>
      machineRole(trainerMachine, {
        seed,
        player: options.trainer ?? 'dpo',
        eft: true,
        creditLot: LOT(credit),
        retries,
        spin: { sampling, format, retries },
      }),
  };
  return (address) => {
    const id = /^episode:(.*)$/.exec(address)?.[1] as EpisodeId | undefined;
    const role =
      made.get(address) ??
      (id
        ? machineRole(episodeMachine, {
            id,
            iteration: Number(id.split('-')[0]),
            maxScore: 5,
            metaJudge: options.trainer === 'meta-rewarding',
            ...anchored,
          })
        : make[address]?.());
    if (role) made.set(address, role);
    return role;
  };
}

const WORDS = ['name', 'sort', 'add', 'image', 'cat', 'dog', 'two'];

/** What the world, the model, the scorer and the evaluator answer; a function of the message and the seed alone. */
function answerTo(
  { seed, failing = 0, babble = 0 }: LoopOptions,
  { type, body, from }: Envelope,
  tries: number,
): Outgoing[] {
  const rng = rngOf(keyOf(seed, 'loop', type, JSON.stringify(body), tries));
  const to = (message: Message): Outgoing[] => [{ to: from, message }];
  switch (type) {
    case 'seed.request':
      return [
        {
          to: 'generator',
          message: { type: 'prompts.known', body: { seed: ['name cat', 'sort dog'], heldOut: ['add two'] } },
        },
        ...to({
          type: 'seed.ready',
          body: { counts: { ift: 2, eft: 0, ranked: 0, heldOut: 1, probes: 0 }, notes: [] },
        }),
      ];
    case 'demonstrations.request':
      return to({
        type: 'demonstrations.given',
        body: {
          rows: [1, 2].map((i) => ({ id: `ift-${i}`, prompt: `name ${i}`, response: 'cat' })),
          left: (body as BodyOf<'demonstrations.request'>).offset === 0 ? 2 : 0,
        },
      });
    case 'evaluation.request':
      return to({
        type: 'evaluation.made',
        body: { version: (body as BodyOf<'evaluation.request'>).version, metrics: [] },
      });
    case 'score.request': {
      const { id, items } = body as BodyOf<'score.request'>;
      const verdict = () =>
        rng.chance(babble)
          ? ({ status: 'unparseable', reason: 'no truth' } as const)
          : ({ status: 'score', score: rng.below(6) } as const);
      return to({
        type: 'score.result',
        body: { id, items: items.map((item) => ({ id: item.id, verdicts: item.keys.map(verdict) })) },
      });
    }
    case 'likelihood.request': {
      const { id, items } = body as BodyOf<'likelihood.request'>;
      const some = () => ({ logprob: -rng.uniform(), reference: -rng.uniform(), tokens: 3 });
      return to({
        type: 'likelihood.result',
        body: { id, items: items.map((item) => ({ id: item.id, ...some() })) },
      });
    }
    case 'model.train': {
      const { from: base, to: made, objective } = body as BodyOf<'model.train'>;
      if (rng.chance(failing / 4))
        return to({ type: 'request.failed', body: { id: `train/${made}`, reason: 'broken' } });
      const trained = {
        from: base,
        to: made,
        objective,
        rows: 1,
        tooLong: 0,
        steps: 1,
        loss: 0,
        weightsHash: 'w',
        dataHash: 'd',
      };
      return to({ type: 'model.trained', body: trained });
    }
    case 'model.request':
      return to(modelAnswer(body as BodyOf<'model.request'>, rng, failing, babble));
    default:
      return [];
  }
}

function modelAnswer(
  { id, version, items }: BodyOf<'model.request'>,
  rng: Rng,
  failing: number,
  babble: number,
): Message {
  if (rng.chance(failing)) return { type: 'request.failed', body: { id, reason: 'broken' } };
  const word = () => WORDS[rng.below(WORDS.length)]!;
  const text = () => {
    if (id.startsWith('invent/')) return rng.chance(0.1) ? '' : `${word()} ${word()} ${word()}`;
    if (id.startsWith('respond/')) return rng.chance(0.1) ? ' ' : `${word()} score: 5`;
    if (id.startsWith('meta/'))
      return rng.chance(babble) ? 'no idea' : `Winner: judgement ${'AB'[rng.below(2)]}`;
    return rng.chance(babble) ? 'no idea' : `because.\nScore: ${rng.below(6)}`;
  };
  return {
    type: 'model.result',
    body: {
      id,
      items: items.map((item) => ({
        id: item.id,
        outputs: item.keys.map((key) => ({ ...generationOf(text(), key), version })),
      })),
    },
  };
}

const PLAYERS: ReadonlySet<Address> = new Set<Address>(['world', 'model', 'scorer', 'evaluator']);

/** Runs to the last message or to rest. */
export function runLoop(options: LoopOptions): Envelope[] {
  const order = rngOf(keyOf(options.order ?? options.seed, 'order'));
  const role = rolesOf(options);
  const log: Envelope[] = [];
  const queue: Queued[] = [
    {
      from: 'user',
      to: 'coordinator',
      cause: -1,
      message: { type: 'run.start', body: { configHash: 'c', baseHash: 'b' } },
    },
  ];
  const pending: Envelope[] = [];
  const tries = new Map<string, number>();
  let pauses = options.pauses ?? 0;
  let paused = false;
  const said = (to: Address, type: 'run.pause' | 'run.resume') =>
    queue.push({ from: 'user', to, cause: -1, message: { type, body: {} } });
  for (;;) {
    const next = queue.shift();
    if (next) {
      const { from, to, cause, message } = next;
      const envelope: Envelope = {
        v: 1,
        seq: log.length,
        at: 0,
        from,
        to,
        cause,
        type: message.type,
        body: message.body,
      };
      log.push(envelope);
      if (message.type === 'run.finished' || message.type === 'run.failed') return log;
      if (PLAYERS.has(to)) pending.push(envelope);
      else if (to !== 'record')
        queue.push(
          ...role(to)!
            .receive({ ...message, seq: envelope.seq } as Received)
            .map((one) => ({ ...one, from: to, cause: envelope.seq })),
        );
    }
    const stir = pauses > 0 && log.length > 1 && order.chance(0.05);
    if (stir || (paused && queue.length === 0 && pending.length === 0)) {
      if (paused) pauses--;
      paused = !paused;
      said('coordinator', paused ? 'run.pause' : 'run.resume');
    } else if (queue.length === 0 && pending.length > 0) {
      const [request] = pending.splice(order.below(pending.length), 1);
      const key = JSON.stringify(request!.body);
      const attempt = tries.get(key) ?? 0;
      tries.set(key, attempt + 1);
      queue.push(
        ...answerTo(options, request!, attempt).map((one) => ({
          ...one,
          from: request!.to,
          cause: request!.seq,
        })),
      );
    } else if (queue.length === 0) return log;
  }
}

/** The messages of one type, whoever they went to. */
export const ofKind = <T extends Message['type']>(log: readonly Envelope[], type: T): BodyOf<T>[] =>
  log.flatMap((one) => (one.type === type ? [one.body as BodyOf<T>] : []));
