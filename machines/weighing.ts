/**
 * What an episode's judgements come to: each answer with its mean score, as the whole bench or one member of it ranks them, and the
 * pair that follows. Owns the way from judgements to numbers; the rules of pairing stand in src/stages/.
 */
import type { JudgementId, VersionId } from '../src/protocol/ids.js';
import type { Candidate, ScoredResponse, Verdict } from '../src/protocol/messages.js';
import { meanScore } from '../src/stages/judge.js';
import { type Pairing, pairOf, positivesOf } from '../src/stages/pair.js';
import { checkCandidates } from '../src/stages/respond.js';
import { consistencyOf } from '../src/stages/variants/cream.js';
import { anchoredPairOf, poolsOf } from '../src/stages/variants/temporal-self-rewarding.js';

export interface Judged {
  readonly seq: number;
  /** Only where judgements are compared: its name and text. */
  readonly written?: { readonly id: JudgementId; readonly text: string };
  readonly response: string;
  readonly player: string;
  readonly verdict: Verdict;
}

/** A candidate with the mean of its readable judgements, and the seqs of all of them. */
export type Weighed = Omit<ScoredResponse, 'score'> & { readonly score: number | null };

export function weigh(candidates: readonly Candidate[], judged: readonly Judged[]): Weighed[] {
  return candidates.map(({ id, text }) => {
    const own = judged.filter(({ response }) => response === id);
    const { score } = meanScore(own.map(({ verdict }) => verdict));
    return { response: id, text, score, judgements: own.map(({ seq }) => seq) };
  });
}

const of = (player: string, judged: readonly Judged[]) => judged.filter((one) => one.player === player);

/** As one member alone ranks them; the judgements behind them are all of the bench. */
const rankedBy = (
  player: string,
  all: readonly Weighed[],
  candidates: readonly Candidate[],
  judged: readonly Judged[],
): Weighed[] =>
  weigh(candidates, of(player, judged)).map((one, i) => ({ ...one, judgements: all[i]!.judgements }));

const agreementOf = (
  rankings: readonly [string, string],
  candidates: readonly Candidate[],
  judged: readonly Judged[],
): number | null => {
  const [first, second] = rankings.map((player) =>
    weigh(candidates, of(player, judged)).map(({ score }) => score),
  );
  return consistencyOf(first!, second!);
};

/** What decides how an episode ends. */
export interface Weighing {
  /** A mean score at or above it makes a response a positive example. */
  readonly maxScore: number;
  /** ρ of variants/length-control.ts; 0 = off. */
  readonly lengthControl?: number;
  /** The bench's two members: the first one's ranking makes the pair, the second's is compared with it (CREAM). */
  readonly rankings?: readonly [string, string];
  /** The past version whose answers are rejected (Temporal Self-Rewarding). */
  readonly anchor?: VersionId;
}

/** Answers that are judged: different ones, of each version's own where a past one answers too. */
export function usableOf(candidates: readonly Candidate[], anchor?: VersionId) {
  const pools = anchor === undefined ? [candidates] : splitBy(candidates, anchor);
  const checked = pools.map((pool) => ({ pool, ...checkCandidates(pool.map(({ text }) => text)) }));
  const usable = checked.flatMap(({ pool, usable }) => usable.map((i) => pool[i]!));
  const [empty, repeated] = [
    checked.reduce((sum, { empty }) => sum + empty.length, 0),
    checked.reduce((sum, { duplicates }) => sum + duplicates.length, 0),
  ];
  const detail = `${usable.length} different answers of ${candidates.length} (${empty} empty, ${repeated} repeated)`;
  return { candidates: usable, detail };
}

const splitBy = (candidates: readonly Candidate[], anchor: VersionId) => [
  candidates.filter(({ version }) => version !== anchor),
  candidates.filter(({ version }) => version === anchor),
];

export interface Decided {
  readonly pairing: Pairing<Weighed>;
  readonly positives: readonly ScoredResponse[];
  readonly consistency: number | null;
  readonly detail: string;
}

export function decide(
  { rankings, anchor, lengthControl, maxScore }: Weighing,
  candidates: readonly Candidate[],
  judged: readonly Judged[],
): Decided {
  const all = weigh(candidates, judged);
  const weighed = rankings ? rankedBy(rankings[0], all, candidates, judged) : all;
  const pairing =
    anchor === undefined ? pairOf(weighed, lengthControl) : anchored(weighed, candidates, anchor);
  return {
    pairing,
    positives: rankings ? [] : positivesOf(weighed, maxScore),
    consistency: rankings ? agreementOf(rankings, candidates, judged) : null,
    detail: pairing.status === 'withheld' ? pairing.detail : '',
  };
}

function anchored(weighed: readonly Weighed[], candidates: readonly Candidate[], anchor: VersionId) {
  const { present, past } = poolsOf(
    weighed.map((one, i) => ({ one, version: candidates[i]!.version })),
    anchor,
  );
  return anchoredPairOf({ present: present.map(({ one }) => one), past: past.map(({ one }) => one) });
}
