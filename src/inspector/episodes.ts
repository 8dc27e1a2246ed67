/**
 * The episodes of a log, listed from its index; texts and scores are read from the file for those that are shown.
 */
import type { BodyOf, Envelope } from '../protocol/messages.js';
import type { RunIndex } from './run-index.js';

export type Ending = 'open' | 'paired' | 'withheld' | 'filtered' | 'failed';

interface Found {
  readonly id: string;
  readonly phase: string;
  readonly end: Ending;
  /** Its first and last message. */
  readonly first: number;
  readonly last: number;
  /** Seqs of its prompt and of its end; −1: none yet. */
  readonly prompt: number;
  readonly ended: number;
}

const ENDS: Readonly<Record<string, Ending>> = {
  'pair.made': 'paired',
  'pair.withheld': 'withheld',
  'prompt.filtered': 'filtered',
  'prompt.failed': 'failed',
};
const PROMPTS: ReadonlySet<string> = new Set(['prompt.made', 'prompt.filtered', 'prompt.failed']);

type Growing = { -readonly [K in keyof Found]: Found[K] };
interface Listing {
  next: number;
  readonly byName: Map<number, Growing>;
  readonly all: Growing[];
}
/** What was gathered so far: a growing log is read on, not again. */
const listings = new WeakMap<RunIndex, Listing>();

/** In the order in which they began. */
export function episodesIn(index: RunIndex): readonly Found[] {
  const { columns, names } = index;
  const listing: Listing = listings.get(index) ?? { next: 0, byName: new Map(), all: [] };
  listings.set(index, listing);
  const ends = names.all.map((name) => ENDS[name]);
  const prompts = names.all.map((name) => PROMPTS.has(name));
  for (; listing.next < columns.count; listing.next++) {
    const seq = listing.next;
    const episode = columns.get('episode', seq);
    if (episode < 0) continue;
    const type = columns.get('type', seq);
    let own = listing.byName.get(episode);
    if (!own) {
      const phase = names.nameOf(columns.get('phase', seq));
      const id = names.nameOf(episode);
      own = { id, phase, end: 'open', first: seq, last: seq, prompt: -1, ended: -1 };
      listing.byName.set(episode, own);
      listing.all.push(own);
    }
    own.last = seq;
    if (prompts[type]) own.prompt = seq;
    const end = ends[type];
    // A withheld pair says why; what was filtered before stays filtered.
    if (end && !(end === 'withheld' && own.end !== 'open')) {
      own.end = end;
      own.ended = seq;
    }
  }
  return listing.all;
}

export interface ListedEpisode extends Found {
  readonly text: string;
  readonly reason: string | null;
  readonly scores: { readonly chosen: number; readonly rejected: number } | null;
}

const WIDTH = 300;

function endOf({ type, body }: Envelope): Pick<ListedEpisode, 'reason' | 'scores'> {
  if (type === 'pair.made') {
    const { chosen, rejected } = body as BodyOf<'pair.made'>;
    return { reason: null, scores: { chosen: chosen.score, rejected: rejected.score } };
  }
  const { reason } = body as { readonly reason?: string };
  return { reason: reason ?? null, scores: null };
}

export function listedEpisode(index: RunIndex, found: Found): ListedEpisode {
  const said = found.prompt < 0 ? null : (index.read(found.prompt).body as { readonly prompt?: string });
  const end = found.ended < 0 ? { reason: null, scores: null } : endOf(index.read(found.ended));
  return { ...found, text: (said?.prompt ?? '').slice(0, WIDTH), ...end };
}
