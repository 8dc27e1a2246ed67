/**
 * The seven machines with the inputs that a config gives them, made when first written to; an episode forgets itself when it
 * is over. `recast` goes on with another config from the states in which they are.
 */

import { coordinatorMachine } from '../machines/coordinator.js';
import { episodeMachine } from '../machines/episode.js';
import { generatorMachine } from '../machines/generator.js';
import { judgeMachine } from '../machines/judge.js';
import { metaJudgeMachine } from '../machines/meta-judge.js';
import { responderMachine } from '../machines/responder.js';
import { trainerMachine } from '../machines/trainer.js';
import { castText, isModelCast, type ModelCast, membersOf, parseCast } from '../src/protocol/cast.js';
import type { Config } from '../src/protocol/config.js';
import { SoliloquyError } from '../src/protocol/errors.js';
import type { EpisodeId } from '../src/protocol/ids.js';
import type { Address } from '../src/protocol/messages.js';
import type { World } from '../src/protocol/ports.js';
import type { JudgeTemplate } from '../src/protocol/records.js';
import { comparative } from '../src/protocol/templates.js';
import { anchorOf, weighingOf } from '../src/stages/weighing.js';
import { type MachineRole, machineRole } from './role.js';

const modelCast = (role: 'generator' | 'responder', text: string): ModelCast => {
  const cast = parseCast(role, text);
  if (!isModelCast(cast)) throw new SoliloquyError('cast.invalid', `${castText(cast)} can't be the ${role}`);
  return cast;
};

type Named = 'coordinator' | 'generator' | 'responder' | 'judge' | 'meta-judge' | 'trainer';

export interface RoleOptions {
  readonly config: Config;
  readonly world: World;
  readonly template: JudgeTemplate;
}

/** What a config tells each machine. */
const INPUTS: { readonly [R in Named]: (options: RoleOptions) => unknown } = {
  coordinator: ({ config: { iterations, invent, flow, eft, cast, online }, world }) => ({
    iterations,
    asks: invent.asks,
    credit: flow.openEpisodes,
    apprentice: eft && world.name !== 'microworld',
    judge: cast.judge,
    demonstrations: cast.trainer === 'spin',
    rounds: online.rounds,
    metaJudge: cast.trainer === 'meta-rewarding',
  }),
  generator: ({ config, world: { format } }) => ({
    seed: seedOf(config, 'generator'),
    cast: modelCast('generator', config.cast.generator),
    shots: { seedShots: config.invent.seedShots, madeShots: config.invent.madeShots },
    rules: {
      minWords: config.invent.minWords,
      maxWords: config.invent.maxWords,
      keywords: config.invent.keywords,
      similarity: config.invent.similarity,
    },
    sampling: config.invent.sampling,
    format,
    asksPerRequest: config.flow.asksPerRequest,
    retries: config.flow.retries,
  }),
  responder: ({ config, world: { format } }) => ({
    seed: seedOf(config, 'responder'),
    cast: modelCast('responder', config.cast.responder),
    candidates: config.respond.candidates,
    sampling: config.respond.sampling,
    ...anchorOf(config),
    format,
    retries: config.flow.retries,
  }),
  judge: ({ config, world: { format }, template }) => ({
    seed: seedOf(config, 'judge'),
    members: membersOf(parseCast('judge', config.cast.judge)),
    samples: config.judge.samples,
    rounds: config.online.rounds,
    sampling: config.judge.sampling,
    template,
    format,
    redraws: config.judge.retries,
    retries: config.flow.retries,
  }),
  'meta-judge': ({ config, world: { format, metaJudgeTemplate = comparative } }) => ({
    seed: seedOf(config, 'judge'),
    cast: parseCast('judge', config.cast.metaJudge),
    reading: config.meta.reading,
    sampling: config.judge.sampling,
    template: metaJudgeTemplate,
    format,
    maxChars: config.meta.maxChars,
    retries: config.flow.retries,
  }),
  trainer: ({ config, world: { format } }) => ({
    seed: seedOf(config, 'trainer'),
    player: config.cast.trainer,
    alpha: config.irpo.alpha,
    commandStages: config.command.stages,
    rounds: config.online.rounds,
    spin: { sampling: config.respond.sampling, format, retries: config.flow.retries },
    eft: config.eft,
    creditLot: Math.max(1, Math.floor(config.flow.openEpisodes / 8)),
    retries: 0,
  }),
};

const seedOf = ({ reseed, seed }: Config, role: keyof Config['reseed']): number => reseed[role] ?? seed;

const MACHINES: { readonly [R in Named]: Parameters<typeof machineRole>[0] } = {
  coordinator: coordinatorMachine,
  generator: generatorMachine,
  responder: responderMachine,
  judge: judgeMachine,
  'meta-judge': metaJudgeMachine,
  trainer: trainerMachine,
};
const isNamed = (address: Address): address is Named => Object.hasOwn(MACHINES, address);

export interface Roles {
  role(address: Address): MachineRole | undefined;
  recast(options: RoleOptions): void;
  /** Those that were written to and are not over. */
  living(): ReadonlyMap<Address, MachineRole>;
  /** The machine to whom the last message was, an episode that is over too; null where it isn't this address's or has none. */
  left(address: Address): MachineRole | null;
}

export function createRoles(first: RoleOptions): Roles {
  let options = first;
  const roles = new Map<Address, MachineRole>();
  let ended: { readonly address: Address; readonly role: MachineRole } | null = null;
  const made = (address: Address): MachineRole | undefined => {
    if (isNamed(address)) return machineRole(MACHINES[address], INPUTS[address](options));
    if (!address.startsWith('episode:')) return undefined;
    const role = episodeRole(address, options, () => {
      roles.delete(address);
      ended = { address, role };
    });
    return role;
  };
  return {
    role(address) {
      const known = roles.get(address);
      if (known) return known;
      const role = made(address);
      if (role) roles.set(address, role);
      return role;
    },
    recast(next) {
      options = next;
      for (const [address, role] of roles) if (isNamed(address)) role.recast(INPUTS[address](next));
    },
    living: () => roles,
    left: (address) => roles.get(address) ?? (ended?.address === address ? ended.role : null),
  };
}

/** An episode forgets itself when it is over. */
function episodeRole(address: Address, { config, template }: RoleOptions, forget: () => void): MachineRole {
  const id = address.slice('episode:'.length) as EpisodeId;
  const role = machineRole(episodeMachine, {
    id,
    iteration: Number(id.split('-')[0]),
    metaJudge: config.cast.trainer === 'meta-rewarding',
    ...weighingOf(config, template),
  });
  return {
    get snapshot() {
      return role.snapshot;
    },
    get state() {
      return role.state;
    },
    taken: role.taken,
    recast: role.recast,
    freeze: role.freeze,
    thaw: role.thaw,
    receive(message) {
      const said = role.receive(message);
      if (role.snapshot.status === 'done') forget();
      return said;
    },
  };
}
