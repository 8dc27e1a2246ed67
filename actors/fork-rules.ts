/**
 * Which changes a fork may make: those that the shared messages don't contradict. What they have used up already can't be
 * another in the same run.
 */
import type { Config } from '../src/protocol/config.js';
import { SoliloquyError } from '../src/protocol/errors.js';
import { isPlainObject } from '../src/protocol/plain.js';
import type { Refolded } from './refold.js';

/** What the shared messages have settled. */
export type Shared = Pick<Refolded, 'ordered' | 'measured' | 'iteration'> & { readonly seq: number };

/** Dotted path → new value, of every leaf that differs. */
export function changesBetween(before: Config, after: Config): Readonly<Record<string, unknown>> {
  const changes: Record<string, unknown> = {};
  const walk = (a: unknown, b: unknown, path: string): void => {
    if (isPlainObject(a) && isPlainObject(b)) {
      for (const key of new Set([...Object.keys(a), ...Object.keys(b)]))
        walk(a[key], b[key], path === '' ? key : `${path}.${key}`);
    } else if (JSON.stringify(a) !== JSON.stringify(b)) changes[path] = b ?? null;
  };
  walk(before, after, '');
  return changes;
}

interface Rule {
  readonly paths: RegExp;
  /** Why not, or null. */
  readonly why: (shared: Shared, after: Config) => string | null;
}

const trainedTo = ({ ordered }: Shared, version: string): boolean => ordered.some(({ to }) => to === version);

const RULES: readonly Rule[] = [
  {
    paths: /^seed$/,
    why: () =>
      'the shared messages drew their random numbers with it; another draw of one role is --resample ROLE',
  },
  { paths: /^world\./, why: () => 'the shared messages hold this world’s data' },
  { paths: /^model$/, why: () => 'M0 is shared' },
  {
    paths: /^eft$/,
    why: (shared) => (trainedTo(shared, 'M1') ? 'M1 was trained before: fork before that (--at SFT)' : null),
  },
  {
    paths: /^sft\./,
    why: (shared, { cast }) =>
      trainedTo(shared, 'M1') && cast.trainer !== 'sft-positives'
        ? 'SFT and M1 were trained before, and nothing after is trained with sft: fork before that (--at "seed.ready:1")'
        : null,
  },
  {
    paths: /^evaluate\./,
    why: ({ measured }) =>
      measured.length > 0
        ? `${measured.join(', ')} were measured before, and the others could not be compared with them; measure any version anew with \`soliloquy eval\``
        : null,
  },
  {
    paths: /^iterations$/,
    why: ({ iteration }, { iterations }) =>
      iterations < iteration ? `iteration ${iteration} has begun` : null,
  },
];

/** Throws `config.invalid` that names each contradiction. */
export function checkChanges(
  shared: Shared,
  after: Config,
  changes: Readonly<Record<string, unknown>>,
): void {
  const refused = Object.keys(changes).flatMap((path) =>
    RULES.flatMap(({ paths, why }) => {
      const reason = paths.test(path) ? why(shared, after) : null;
      return reason === null ? [] : [`  ${path}: ${reason}`];
    }),
  );
  if (refused.length === 0) return;
  throw new SoliloquyError(
    'config.invalid',
    `a fork at seq ${shared.seq} can't change what its ${shared.seq} shared messages were made with:\n${refused.join('\n')}`,
    { changes, fix: 'fork earlier, or begin a new run with `soliloquy run`' },
  );
}
