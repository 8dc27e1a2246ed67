/**
 * Owns: the prompts that are known, in the order they became known: the seed, the held-out ones, those made so far. A value;
 * the indexes over it (similarity.ts) are a cache beside it.
 */
import type { KnownPrompts } from './invent.js';
import { createPromptIndex } from './similarity.js';

export interface PromptPool {
  readonly seed: readonly string[];
  readonly heldOut: readonly string[];
  readonly made: readonly string[];
}

export const emptyPool: PromptPool = { seed: [], heldOut: [], made: [] };

/** Rebuilt wherever it is missing, never a second truth. */
const indexes = new WeakMap<PromptPool, KnownPrompts>();

/** What a new prompt is compared with. */
export function knownIn(pool: PromptPool): KnownPrompts {
  const known = indexes.get(pool);
  if (known) return known;
  const built = {
    pool: createPromptIndex([...pool.seed, ...pool.made]),
    heldOut: createPromptIndex(pool.heldOut),
  };
  indexes.set(pool, built);
  return built;
}

/** The pool with one more prompt; the index moves along with the newest pool, an older one builds its own again. */
export function extended(pool: PromptPool, prompt: string): PromptPool {
  const known = knownIn(pool);
  const next = { ...pool, made: [...pool.made, prompt] };
  known.pool.add(prompt);
  indexes.set(next, known);
  indexes.delete(pool);
  return next;
}
