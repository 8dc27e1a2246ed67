/**
 * What is read of a line without parsing its body: who wrote to whom, of what type, in answer to what, in which episode. The
 * few messages that begin a phase of the run are parsed whole.
 */
import type { BodyOf, Envelope, MessageType } from '../protocol/messages.js';

export interface LineHead {
  readonly at: number;
  readonly from: string;
  readonly to: string;
  readonly cause: number;
  readonly type: string;
  readonly episode: string | null;
  /** Begun by this message: `measuring M1`, `iteration 2`, `training M3` … */
  readonly phase: string | null;
}

const HEAD =
  /^\{"v":\d+,"seq":\d+,"at":([^,]+),"from":"([^"\\]*)","to":"([^"\\]*)","cause":(-?\d+),"type":"([^"\\]*)","body":\{(?:"(?:episode|id)":"(?:[\w-]+\/)?(\d+-\d+)\b)?/;
/** No head is longer. */
const HEAD_BYTES = 400;

const EPISODE = 'episode:';
const episodeIn = (from: string, to: string): string | null =>
  to.startsWith(EPISODE)
    ? to.slice(EPISODE.length)
    : from.startsWith(EPISODE)
      ? from.slice(EPISODE.length)
      : null;

type Beginning = 'seed.request' | 'evaluation.request' | 'eft.request' | 'prompts.request' | 'model.train';
const BEGINS: { readonly [T in Beginning]: (body: BodyOf<T>) => string } = {
  'seed.request': () => 'seed data',
  'evaluation.request': ({ version }) => `measuring ${version}`,
  'eft.request': () => 'making EFT',
  'prompts.request': ({ iteration }) => `iteration ${iteration}`,
  'model.train': ({ to }) => `training ${to}`,
};
const begins = (type: string): type is Beginning => Object.hasOwn(BEGINS, type);

export const envelopeIn = (line: Buffer): Envelope => {
  const { h: _, ...envelope } = JSON.parse(line.toString('utf8')) as Envelope & { readonly h: string };
  return envelope;
};

const phaseOf = (type: MessageType | string, line: Buffer): string | null =>
  begins(type) ? (BEGINS[type] as (body: unknown) => string)(envelopeIn(line).body) : null;

export function headOf(line: Buffer): LineHead {
  const found = HEAD.exec(line.toString('latin1', 0, Math.min(line.length, HEAD_BYTES)));
  if (found) {
    const [, at, from, to, cause, type, episode] = found as unknown as readonly string[];
    return {
      at: Number(at),
      from: from!,
      to: to!,
      cause: Number(cause),
      type: type!,
      episode: episodeIn(from!, to!) ?? episode ?? null,
      phase: phaseOf(type!, line),
    };
  }
  const { at, from, to, cause, type } = envelopeIn(line);
  return { at, from, to, cause, type, episode: episodeIn(from, to), phase: phaseOf(type, line) };
}
