/**
 * Why a judgement pair (Meta-Rewarding): the judgements of an episode's most disputed answer → verdicts on every two of them, each
 * with its raw text and how it was drawn → ratings → the pair, or no pair → the training that it went into. What can be computed again
 * is, and compared.
 */
import type { BodyOf } from '../protocol/messages.js';
import {
  type JudgementPair,
  judgementPairOf,
  type Met,
  positionWeights,
  type Wins,
} from '../stages/variants/meta-rewarding.js';
import type { Dispute, Episode } from './episode.js';
import { trainingTraces } from './episode-end.js';
import { handNote, type RunRecord } from './run-record.js';
import { known, lineOf, type Trace } from './trace.js';
import { drawing, judgementTrace } from './why-episode.js';

type End = NonNullable<Dispute['end']>;
const isPair = (end: End): end is End & { readonly body: BodyOf<'judgement-pair.made'> } =>
  end.type === 'judgement-pair.made';

const rating = (elo: number): string => `${elo < 0 ? '−' : '+'}${Math.abs(elo).toFixed(2)}`;

/** `0.2` of `1-0042/3/0.2`. */
const shortly = (id: string): string => id.slice(id.lastIndexOf('/') + 1);

function verdictTrace(record: RunRecord, episode: Episode, said: Dispute['verdicts'][number]): Trace {
  const { first, second, player, verdict, generation } = said.body;
  const found = verdict.status === 'none' ? `none (${verdict.reason})` : `the ${verdict.status} is better`;
  const shared = {
    kind: 'meta-judgement',
    title: `verdict on ${shortly(first)} and ${shortly(second)}: ${found}`,
    line: lineOf(said),
    notes: handNote(record, said),
  };
  if (!generation) return { ...shared, facts: { player } };
  const { facts, asked } = drawing(record, episode, said.seq, generation);
  return { ...shared, texts: { raw: generation.text }, ...asked, facts: { player, ...facts } };
}

/** How often each place won in the iteration: a win in the place that wins often counts less. */
function winsIn({ index }: RunRecord, iteration: number): Wins | null {
  const bodies = index.seqsOf('judgement-pairs.made').map((seq) => index.read(seq).body);
  const found = (bodies as BodyOf<'judgement-pairs.made'>[]).findLast((one) => one.iteration === iteration);
  return found?.wins ?? null;
}

const pairText = ({ chosen, rejected }: JudgementPair): string =>
  `${chosen.judgement} (${rating(chosen.elo)}) over ${rejected.judgement} (${rating(rejected.elo)})`;
const nothing = (reason: string): string => `no pair: ${reason}`;
const reasonIn = (end: End) => (end.body as BodyOf<'judgement-pair.withheld'>).reason;
const endText = (end: End): string => (isPair(end) ? pairText(end.body) : nothing(reasonIn(end)));

/** What differs between the end that is recorded and the one that the verdicts give; null: nothing to compute it of. */
function problemOf(record: RunRecord, { request, verdicts, end }: Dispute): string | undefined | null {
  if (!request || !end || verdicts.length === 0 || record.changedByHand(end)) return null;
  const { iteration } = end.body;
  const wins = winsIn(record, iteration);
  if (!wins || (!isPair(end) && reasonIn(end) === 'failed')) return null;
  const met = verdicts.map(
    ({ seq, body: { first, second, verdict } }): Met => ({ first, second, verdict, seq }),
  );
  const { config } = record.settingsAt(end.seq) ?? record;
  const computed = judgementPairOf(request.body, met, positionWeights(wins), config.meta.maxChars);
  const told = 'pair' in computed ? pairText(computed.pair) : nothing(computed.withheld.reason);
  return told === endText(end) ? undefined : `the verdicts give ${told}`;
}

/** What became of the comparison of an episode's judgements. */
export function whyJudgementPair(record: RunRecord, episode: Episode): Trace {
  const { dispute, id } = episode;
  const { request, verdicts, end } = dispute;
  const compared = new Set(request?.body.judgements.map((one) => one.id as string));
  const judgements = episode.judgements.filter(({ body }) => compared.has(body.id));
  const trainings = end && isPair(end) ? trainingTraces(record, [`judgements-M${end.body.iteration}`]) : [];
  const parts = [
    ...judgements.map((one) => judgementTrace(record, episode, one)),
    ...verdicts.map((one) => verdictTrace(record, episode, one)),
    ...trainings,
  ];
  const asked = request
    ? { texts: { prompt: request.body.prompt, response: request.body.response.text } }
    : {};
  if (!end)
    return { kind: 'open', title: `judgements of ${id}: neither pair nor reason yet`, ...asked, parts };
  const problem = problemOf(record, dispute);
  const shared = {
    line: lineOf(end),
    notes: [
      ...handNote(record, end),
      ...(problem === undefined ? ['computed again from the verdicts: the same'] : []),
    ],
    ...(problem ? { problem } : {}),
    parts,
  };
  if (!isPair(end)) {
    const { reason, detail, iteration } = end.body as BodyOf<'judgement-pair.withheld'>;
    const title = `no judgement pair of ${id}: ${reason}${detail ? ` (${detail})` : ''}`;
    return { kind: 'withheld', title, facts: { iteration }, ...asked, ...shared };
  }
  const { chosen, rejected, iteration, metaJudgements } = end.body;
  return {
    kind: 'judgement-pair',
    title: `judgement pair of ${id}: ${pairText(end.body)}`,
    facts: known({ iteration, metaJudgements, wins: winsText(winsIn(record, iteration)) }),
    texts: { ...asked.texts, chosen: chosen.text, rejected: rejected.text },
    ...shared,
  };
}

const winsText = (wins: Wins | null): string | undefined =>
  wins === null
    ? undefined
    : `${wins.first} of the first shown, ${wins.second} of the second, in the iteration`;
