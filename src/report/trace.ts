/**
 * The shape of every answer of `soliloquy why`: a tree of what was said, by whom, and out of what. One shape for people
 * (trace-text.ts) and for programs (`--json` prints it as it stands).
 */
import { isEndpointAddress } from '../protocol/endpoints.js';
import type { Envelope, Generation } from '../protocol/messages.js';

/** Where on the log something stands. */
export type Line = Pick<Envelope, 'seq' | 'at' | 'from' | 'to' | 'cause' | 'type'>;

export type Fact = string | number | boolean | null | readonly (string | number)[];

export interface Trace {
  /** `pair`, `withheld`, `prompt`, `response`, `judgement`, `training`, `version`, `data`, `metric`, `message` … */
  readonly kind: string;
  readonly title: string;
  /** The message that says it; absent where it follows from several. */
  readonly line?: Line;
  /** Sampling parameters, RNG key, model version, weights hash, scores … */
  readonly facts?: Readonly<Record<string, Fact>>;
  /** Raw texts, uncut. */
  readonly texts?: Readonly<Record<string, string>>;
  /** What the model was asked: the text that it went on from. */
  readonly asked?: string;
  readonly notes?: readonly string[];
  /** What is recomputed and differs from what the log says. */
  readonly problem?: string;
  readonly parts?: readonly Trace[];
}

export const lineOf = ({ seq, at, from, to, cause, type }: Envelope): Line => ({
  seq,
  at,
  from,
  to,
  cause,
  type,
});

/** What is left of an object without its undefined fields. */
export function known<T extends Record<string, unknown>>(fields: T): Record<string, Fact> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Record<
    string,
    Fact
  >;
}

export const generationFacts = ({
  version,
  key,
  logprob,
  finish,
  ids,
  recorded,
}: Generation): Record<string, Fact> => ({
  version,
  key,
  logprob,
  ...(isEndpointAddress(version) ? {} : { tokens: ids.length }),
  finish,
  ...(recorded ? { 'from the record': `${recorded.run}, seq ${recorded.seq}` } : {}),
});

/** All that differs, with the place in the tree. */
export function problemsIn(trace: Trace): string[] {
  const own = trace.problem === undefined ? [] : [`${trace.title}: ${trace.problem}`];
  return [...own, ...(trace.parts ?? []).flatMap(problemsIn)];
}
