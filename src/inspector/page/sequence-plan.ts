/** Where everything stands in a sequence diagram of an episode: lifelines in a fixed order, one arrow a message. No drawing. */
import type { Envelope } from '../../protocol/messages.js';

const ORDER = [
  'user',
  'coordinator',
  'world',
  'generator',
  'episode',
  'responder',
  'model',
  'judge',
  'scorer',
  'trainer',
  'evaluator',
  'record',
];
export const LANE = 112;
export const STEP = 26;
export const TOP = 34;

export interface Arrow {
  readonly seq: number;
  readonly type: string;
  readonly from: number;
  readonly to: number;
  readonly y: number;
}
export interface Plan {
  /** Names from left to right, each with its x. */
  readonly lanes: readonly { readonly name: string; readonly x: number }[];
  readonly arrows: readonly Arrow[];
  readonly width: number;
  readonly height: number;
}

const laneOf = (address: string): string => (address.startsWith('episode:') ? 'episode' : address);
const rank = (name: string): number => {
  const place = ORDER.indexOf(name);
  return place < 0 ? ORDER.length : place;
};

export function planOf(envelopes: readonly Envelope[]): Plan {
  const used = [...new Set(envelopes.flatMap(({ from, to }) => [laneOf(from), laneOf(to)]))];
  const lanes = used
    .sort((a, b) => rank(a) - rank(b))
    .map((name, place) => ({ name, x: LANE * (place + 0.5) }));
  const xOf = new Map(lanes.map(({ name, x }) => [name, x]));
  const arrows = envelopes.map(({ seq, type, from, to }, place) => ({
    seq,
    type,
    from: xOf.get(laneOf(from))!,
    to: xOf.get(laneOf(to))!,
    y: TOP + STEP * (place + 1),
  }));
  return { lanes, arrows, width: LANE * lanes.length, height: TOP + STEP * (envelopes.length + 1) };
}
