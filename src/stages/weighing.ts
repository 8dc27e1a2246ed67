/**
 * What an episode's judgements come to: each answer with its mean score, as the whole bench or one member of it ranks them, and the
 * pair that follows. Owns the way from judgements to numbers, for an episode as it goes on and for whoever computes it again; the
 * rules of pairing stand in pair.ts and variants/.
 */
import { castText, membersOf, parseCast } from '../protocol/cast.js';
import type { Config } from '../protocol/config.js';
import { type JudgementId, type VersionId, versionId } from '../protocol/ids.js';
import type { Candidate, ScoredResponse, Verdict } from '../protocol/messages.js';
import type { JudgeTemplate } from '../protocol/records.js';
import { meanScore } from './judge.js';
import { type Pairing, pairOf, positivesOf } from './pair.js';
import { checkCandidates, sameText } from './respond.js';
import { consistencyOf } from './variants/cream.js';
import { anchoredPairOf, poolsOf } from './variants/temporal-self-rewarding.js';

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

/** The past version whose answers are rejected, of a run that has one. */
export const anchorOf = ({ cast, temporal }: Config): { readonly anchor?: VersionId } =>
  cast.trainer === 'temporal' ? { anchor: versionId(temporal.anchor) } : {};

/** How the episodes of a run decide. */
export function weighingOf(config: Config, { verdict }: JudgeTemplate): Weighing {
  const { cast, pair } = config;
  const bench = cast.trainer === 'cream' ? membersOf(parseCast('judge', cast.judge)).map(castText) : [];
  return {
    maxScore: verdict.max,
    lengthControl: pair.lengthControl,
    ...(cast.trainer === 'cream' && { rankings: [bench[0]!, bench[1]!] as const }),
    ...anchorOf(config),
  };
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

/** What is new among a later version's answers: the present ones have been judged. */
export function newAmong(
  future: readonly Candidate[],
  before: readonly Candidate[],
  anchor?: VersionId,
): readonly Candidate[] {
  const known = before.filter(({ version }) => version !== anchor);
  return usableOf(future).candidates.filter(({ text }) => !known.some((one) => sameText(one.text, text)));
}

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
