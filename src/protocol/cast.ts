/**
 * Casting: which player plays which role. Shorthand strings outside, a typed union inside.
 * A player that makes no sense in a role is refused here, with the reason.
 */
import { ENDPOINT_NAME, type EndpointAddress, endpointAddress } from './endpoints.js';
import { SoliloquyError } from './errors.js';
import { type VersionId, versionId, versionOf } from './ids.js';

export type Role = 'generator' | 'responder' | 'judge';

/** A player that is one version of a model. */
export type ModelCast =
  | { readonly player: 'live' }
  | { readonly player: 'frozen'; readonly version: VersionId }
  | { readonly player: 'lagged'; readonly by: number }
  | { readonly player: 'checkpoint'; readonly dir: string }
  /** Answers from another run's log where the same was asked there, `live` where not. */
  | { readonly player: 'recorded'; readonly run: string }
  /** A model behind a server that the config names. */
  | { readonly player: 'endpoint'; readonly name: string };

/** A player that only gives scores. */
export type ScorerCast =
  | { readonly player: 'oracle' }
  /** Whether the answer is correct, whatever else it is: the highest score or the lowest. */
  | { readonly player: 'gold' }
  /** The implicit DPO reward of M_(t−by): how much likelier than M0 it finds an answer. */
  | { readonly player: 'implicit'; readonly by: number }
  | { readonly player: 'random' }
  | { readonly player: 'constant'; readonly score: number };

/** One voice of the judge. */
export type JudgeMember = ModelCast | ScorerCast;
export type Cast = JudgeMember | { readonly player: 'ensemble'; readonly members: readonly JudgeMember[] };

const KNOWN =
  'live · frozen:M1 · lagged:1 · checkpoint:DIR · recorded:RUN · endpoint:NAME · oracle · gold · random · constant:K · implicit:1 · ensemble:[a,b,…] (the last six: judge only)';

const refuse = (text: string, why: string): never => {
  throw new SoliloquyError('cast.invalid', `cast "${text}": ${why}`, { cast: text, fix: `one of: ${KNOWN}` });
};

function parseMember(text: string): JudgeMember {
  const colon = text.indexOf(':');
  const player = colon < 0 ? text : text.slice(0, colon);
  const rest = colon < 0 ? '' : text.slice(colon + 1);
  const bare = <T extends JudgeMember>(cast: T): T =>
    rest === '' ? cast : refuse(text, `"${player}" takes no argument`);
  switch (player) {
    case 'live':
    case 'oracle':
    case 'gold':
    case 'random':
      return bare({ player });
    case 'frozen':
      return /^(M\d+|SFT)$/.test(rest)
        ? { player, version: versionId(rest) }
        : refuse(text, 'names no version, e.g. frozen:M1 or frozen:SFT');
    case 'lagged':
      return /^[1-9]\d*$/.test(rest)
        ? { player, by: Number(rest) }
        : refuse(text, 'needs a whole number of versions ≥ 1, e.g. lagged:1');
    case 'implicit':
      return rest === '' || /^[1-9]\d*$/.test(rest)
        ? { player, by: Number(rest) }
        : refuse(text, 'takes a whole number of versions ≥ 1, e.g. implicit:1, or nothing');
    case 'checkpoint':
      return rest ? { player, dir: rest } : refuse(text, 'needs a folder, e.g. checkpoint:./my-model');
    case 'constant':
      return /^\d(\.\d+)?$/.test(rest) && Number(rest) <= 5
        ? { player, score: Number(rest) }
        : refuse(text, 'needs a score from 0 to 5, e.g. constant:3');
    case 'recorded':
      return rest ? { player, run: rest } : refuse(text, 'needs a run, e.g. recorded:runs/paper-1');
    case 'endpoint':
      return ENDPOINT_NAME.test(rest)
        ? { player, name: rest }
        : refuse(text, 'needs the name of an endpoint of the config, e.g. endpoint:big');
    case 'module':
      return refuse(text, `"${player}" players are not in this version`);
    default:
      return refuse(text, 'no such player');
  }
}

function parseEnsemble(text: string): Cast {
  const inside = /^ensemble:\[(.*)\]$/s.exec(text)?.[1]?.trim();
  const parts = inside ? inside.split(',').map((part) => part.trim()) : [];
  if (parts.length < 2) return refuse(text, 'needs at least two members, e.g. ensemble:[live,frozen:M1]');
  return { player: 'ensemble', members: parts.map(parseMember) };
}

const ONLY_MODELS = {
  generator: 'it scores answers, it invents no prompts',
  responder: 'it scores answers, it writes none',
} as const;

/** Parses a shorthand for a role, or throws `cast.invalid`. */
export function parseCast(role: Role, text: string): Cast {
  const cast = text.startsWith('ensemble:') ? parseEnsemble(text) : parseMember(text.trim());
  if (role !== 'judge' && !isModelCast(cast))
    return refuse(text, `can't be the ${role}: ${ONLY_MODELS[role]}`);
  return cast;
}

export function isModelCast(cast: Cast): cast is ModelCast {
  switch (cast.player) {
    case 'live':
    case 'frozen':
    case 'lagged':
    case 'checkpoint':
    case 'recorded':
    case 'endpoint':
      return true;
    case 'oracle':
    case 'gold':
    case 'implicit':
    case 'random':
    case 'constant':
    case 'ensemble':
      return false;
    default:
      return cast satisfies never;
  }
}

/** The voices of a judge: an ensemble's members, else the one player. */
export const membersOf = (cast: Cast): readonly JudgeMember[] =>
  cast.player === 'ensemble' ? cast.members : [cast];

/** Who a config casts, as its `cast` says it. */
interface CastTexts {
  readonly generator: string;
  readonly responder: string;
  readonly judge: string;
  readonly trainer: string;
  readonly metaJudge: string;
}

/** All models of a cast, each as often as it plays. */
export const modelCasts = ({ generator, responder, judge, trainer, metaJudge }: CastTexts): ModelCast[] =>
  [
    ...membersOf(parseCast('generator', generator)),
    ...membersOf(parseCast('responder', responder)),
    ...membersOf(parseCast('judge', judge)),
    ...(trainer === 'meta-rewarding' ? membersOf(parseCast('judge', metaJudge)) : []),
  ].filter(isModelCast);

/** Back to shorthand. */
export function castText(cast: Cast): string {
  switch (cast.player) {
    case 'frozen':
      return `frozen:${cast.version}`;
    case 'lagged':
      return `lagged:${cast.by}`;
    case 'checkpoint':
      return `checkpoint:${cast.dir}`;
    case 'recorded':
      return `recorded:${cast.run}`;
    case 'endpoint':
      return `endpoint:${cast.name}`;
    case 'implicit':
      return cast.by === 0 ? 'implicit' : `implicit:${cast.by}`;
    case 'constant':
      return `constant:${cast.score}`;
    case 'ensemble':
      return `ensemble:[${cast.members.map(castText).join(',')}]`;
    default:
      return cast.player;
  }
}

/** Which version a model player is when the newest is M_t. `lagged` never goes below M0. */
export function versionFor(cast: ModelCast, t: number): VersionId {
  switch (cast.player) {
    case 'live':
    case 'recorded':
      return versionOf(t);
    case 'frozen':
      return cast.version;
    case 'lagged':
      return versionOf(Math.max(0, t - cast.by));
    case 'checkpoint':
      return checkpointVersion(cast.dir);
    case 'endpoint':
      return versionId(endpointAddress(cast.name));
    default:
      return cast satisfies never;
  }
}

/** Whom a model player's requests go to. */
export const addressOf = (cast: ModelCast): 'model' | EndpointAddress =>
  cast.player === 'endpoint' ? endpointAddress(cast.name) : 'model';

/** Where a request's answers may be taken from. */
export const recordOf = (cast: ModelCast): { readonly recorded?: string } =>
  cast.player === 'recorded' ? { recorded: cast.run } : {};

export const checkpointVersion = (dir: string): VersionId => versionId(`checkpoint:${dir}`);
