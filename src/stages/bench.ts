/**
 * Owns: which judgements of an episode are to be made. The bench has one member or several (an ensemble); each gives each
 * response k samples (paper §2.2: three), each sample may be drawn again where it couldn't be read. A seat is one such
 * judgement. Reading stands in judge.ts, the conversation with model and scorer in machines/judge.ts.
 * Invariant: every seat ends in exactly one judgement.
 */
import type { JudgeMember } from '../protocol/cast.js';
import type { ResponseId } from '../protocol/ids.js';
import type { Generation, Verdict } from '../protocol/messages.js';
import { keys } from './keys.js';

/** One judgement to be made: which response, which member, which sample, which drawing. */
export interface Seat {
  readonly response: ResponseId;
  readonly text: string;
  readonly member: number;
  readonly sample: number;
  readonly attempt: number;
}

/** A seat with what was said from it. A scorer writes nothing. */
export interface Judged extends Seat {
  readonly verdict: Verdict;
  readonly generation: Generation | null;
}

interface Response {
  readonly id: ResponseId;
  readonly text: string;
}

/** Scorers that give the same score each time are asked once. */
const STEADY: ReadonlySet<JudgeMember['player']> = new Set([
  'oracle',
  'gold',
  'constant',
  'implicit',
] as const);
export const samplesOf = (member: JudgeMember, samples: number): number =>
  STEADY.has(member.player) ? 1 : samples;

/** One member's seats for an episode, response by response. */
export const seatsOf = (responses: readonly Response[], member: number, samples: number): readonly Seat[] =>
  responses.flatMap(({ id, text }) =>
    Array.from({ length: samples }, (_, sample) => ({ response: id, text, member, sample, attempt: 0 })),
  );

function byResponse(seats: readonly Seat[]): Map<ResponseId, Seat[]> {
  const groups = new Map<ResponseId, Seat[]>();
  for (const seat of seats) groups.set(seat.response, [...(groups.get(seat.response) ?? []), seat]);
  return groups;
}

/** What is to be drawn: the seats of one response stand side by side, so that they can share their prompt. */
export interface Draw {
  readonly response: ResponseId;
  readonly text: string;
  readonly keys: [number, number][];
}

export const drawsOf = (seed: number, seats: readonly Seat[]): readonly Draw[] =>
  [...byResponse(seats)].map(([response, group]) => ({
    response,
    text: group[0]!.text,
    keys: group.map(({ member, sample, attempt }) => [
      ...keys.judge(seed, response, member, sample, attempt),
    ]),
  }));

/** The answers to `drawsOf(seats)`, each with its seat. */
export function judgedOf(
  seats: readonly Seat[],
  answers: readonly {
    readonly id: string;
    readonly made: readonly Pick<Judged, 'verdict' | 'generation'>[];
  }[],
): readonly Judged[] {
  const groups = byResponse(seats);
  return answers.flatMap(({ id, made }) =>
    made.map((one, i) => ({ ...groups.get(id as ResponseId)![i]!, ...one })),
  );
}

/** What stands, and the seats of what is drawn again: written, unreadable, and not drawn `redraws` times again yet. */
export function withRedraws(
  judged: readonly Judged[],
  redraws: number,
): { final: readonly Judged[]; again: readonly Seat[] } {
  const isAgain = ({ verdict, generation, attempt }: Judged) =>
    verdict.status === 'unparseable' && generation !== null && attempt < redraws;
  return {
    final: judged.filter((one) => !isAgain(one)),
    again: judged
      .filter(isAgain)
      .map(({ verdict: _, generation: __, ...seat }) => ({ ...seat, attempt: seat.attempt + 1 })),
  };
}

/** In the order of the responses, then members, then samples: whatever came in first. */
export function inOrder(judged: readonly Judged[], responses: readonly Response[]): readonly Judged[] {
  const place = new Map(responses.map(({ id }, i) => [id, i]));
  return [...judged].sort(
    (a, b) => place.get(a.response)! - place.get(b.response)! || a.member - b.member || a.sample - b.sample,
  );
}
