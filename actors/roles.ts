/**
 * The six machines with the inputs that a config gives them, made when first written to; an episode forgets itself when it
 * is over.
 */
import { coordinatorMachine } from '../machines/coordinator.js';
import { episodeMachine } from '../machines/episode.js';
import { generatorMachine } from '../machines/generator.js';
import { judgeMachine } from '../machines/judge.js';
import { responderMachine } from '../machines/responder.js';
import { trainerMachine } from '../machines/trainer.js';
import { castText, isModelCast, type ModelCast, membersOf, parseCast } from '../src/protocol/cast.js';
import type { Config } from '../src/protocol/config.js';
import { SoliloquyError } from '../src/protocol/errors.js';
import type { EpisodeId } from '../src/protocol/ids.js';
import type { Address } from '../src/protocol/messages.js';
import type { World } from '../src/protocol/ports.js';
import type { JudgeTemplate } from '../src/protocol/records.js';
import { type MachineRole, machineRole } from './role.js';

const modelCast = (role: 'generator' | 'responder', text: string): ModelCast => {
  const cast = parseCast(role, text);
  if (!isModelCast(cast)) throw new SoliloquyError('cast.invalid', `${castText(cast)} can't be the ${role}`);
  return cast;
};

/** The six machines with their inputs, made when first written to. */
export function createRoles(
  config: Config,
  world: World,
  template: JudgeTemplate,
): (address: Address) => MachineRole | undefined {
  const { flow, invent, respond, judge, cast, eft } = config;
  const seedOf = (role: keyof Config['reseed']) => config.reseed[role] ?? config.seed;
  const { format } = world;
  const make: Record<string, () => MachineRole> = {
    coordinator: () =>
      machineRole(coordinatorMachine, {
        iterations: config.iterations,
        asks: invent.asks,
        credit: flow.openEpisodes,
        apprentice: eft && world.name === 'open-assistant',
        judge: cast.judge,
      }),
    generator: () =>
      machineRole(generatorMachine, {
        seed: seedOf('generator'),
        cast: modelCast('generator', cast.generator),
        shots: { seedShots: invent.seedShots, madeShots: invent.madeShots },
        rules: {
          minWords: invent.minWords,
          maxWords: invent.maxWords,
          keywords: invent.keywords,
          similarity: invent.similarity,
        },
        sampling: invent.sampling,
        format,
        asksPerRequest: flow.asksPerRequest,
        retries: flow.retries,
      }),
    responder: () =>
      machineRole(responderMachine, {
        seed: seedOf('responder'),
        cast: modelCast('responder', cast.responder),
        candidates: respond.candidates,
        sampling: respond.sampling,
        format,
        retries: flow.retries,
      }),
    judge: () =>
      machineRole(judgeMachine, {
        seed: seedOf('judge'),
        members: membersOf(parseCast('judge', cast.judge)),
        samples: judge.samples,
        sampling: judge.sampling,
        template,
        format,
        redraws: judge.retries,
        retries: flow.retries,
      }),
    trainer: () =>
      machineRole(trainerMachine, {
        seed: seedOf('trainer'),
        player: cast.trainer,
        eft,
        creditLot: Math.max(1, Math.floor(flow.openEpisodes / 8)),
        retries: 0,
      }),
  };
  const roles = new Map<Address, MachineRole>();
  return (address) => {
    const known = roles.get(address);
    if (known) return known;
    const role = address.startsWith('episode:')
      ? episodeRole(address, template.verdict.max, () => roles.delete(address))
      : make[address]?.();
    if (role) roles.set(address, role);
    return role;
  };
}

/** An episode forgets itself when it is over. */
function episodeRole(address: Address, maxScore: number, forget: () => void): MachineRole {
  const id = address.slice('episode:'.length) as EpisodeId;
  const role = machineRole(episodeMachine, { id, iteration: Number(id.split('-')[0]), maxScore });
  return {
    get snapshot() {
      return role.snapshot;
    },
    receive(message) {
      const said = role.receive(message);
      if (role.snapshot.status === 'done') forget();
      return said;
    },
  };
}
