/** What is written into the fork's form, as a request to the server and as the command line that does the same. Pure. */
import { shellWord } from '../../protocol/shell-word.js';
import type { ForkRequest } from '../house.js';

export const CAST_ROLES = ['generator', 'responder', 'judge', 'trainer'] as const;
export type CastRole = (typeof CAST_ROLES)[number];
export type Casts = Readonly<Record<CastRole, string>>;

export interface ForkForm {
  readonly at: string;
  readonly cast: Casts;
  /** `path=value`, one a line. */
  readonly set: string;
  /** `type@seq.path=value`, one a line. */
  readonly override: string;
}

const linesOf = (text: string): string[] =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');

/** Only the casts that are others than the parent's. */
export function requestOf({ at, cast, set, override }: ForkForm, parent: Casts): ForkRequest {
  const changed = CAST_ROLES.flatMap((role) => {
    const player = cast[role].trim();
    return player === '' || player === parent[role] ? [] : [[role, player] as const];
  });
  return {
    at: at.trim(),
    cast: Object.fromEntries(changed),
    set: linesOf(set),
    override: linesOf(override),
  };
}

export function commandOf(folder: string, { at, cast, set, override }: ForkRequest): string {
  const words = [
    ...['soliloquy', 'fork', folder, '--at', at],
    ...Object.entries(cast).flatMap(([role, player]) => [`--cast.${role}`, player ?? '']),
    ...set.flatMap((one) => ['--set', one]),
    ...override.flatMap((one) => ['--override', one]),
    '--inspect',
  ];
  return words.map(shellWord).join(' ');
}

const TRAINERS = ['dpo', 'sft-positives', 'ipo', 'irpo', 'spin', 'cream'];

/** Players to choose from; others can be written. */
export function playersFor(role: CastRole, versions: readonly string[]): readonly string[] {
  if (role === 'trainer') return TRAINERS;
  const models = ['live', ...versions.map((version) => `frozen:${version}`), 'lagged:1'];
  if (role !== 'judge') return models;
  return [...models, 'oracle', 'gold', 'random', 'constant:3', 'implicit:1', 'ensemble:[live,frozen:M1]'];
}
