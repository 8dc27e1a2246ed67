/**
 * How an episode ended: the pair or the reason why there is none, compared with what its judgements give, and the trainings that
 * it went into.
 */
import { isDeepStrictEqual } from 'node:util';
import type { BodyOf } from '../protocol/messages.js';
import { type Decided, type Weighed, weighingOf } from '../stages/weighing.js';
import { decided, decidedAgain, type Episode } from './episode.js';
import { handNote, type RunRecord } from './run-record.js';
import { known, lineOf, type Trace } from './trace.js';

/** Whether judgements say anything of this end: not of a failure, nor of what a person changed. */
const isComputed = (record: RunRecord, { end }: Episode): boolean =>
  end !== null &&
  !record.changedByHand(end) &&
  !(end.type === 'pair.withheld' && (end.body as BodyOf<'pair.withheld'>).reason === 'failed');

/** What differs between the end that is recorded and the one that the judgements give. */
function endProblem(record: RunRecord, episode: Episode): string | undefined {
  const { end, prompt } = episode;
  if (!end || !isComputed(record, episode)) return undefined;
  const reason = end.type === 'pair.withheld' ? (end.body as BodyOf<'pair.withheld'>).reason : null;
  if (prompt?.type === 'prompt.filtered')
    return reason === 'filtered' ? undefined : 'its prompt was filtered, so there is no pair';
  const { config, template } = record.settingsAt(end.seq) ?? record;
  const computed = decided(episode, weighingOf(config, template));
  return pairingProblem(end, computed) ?? besidesProblem(end, computed);
}

const pairText = ({ chosen, rejected }: { readonly [side in 'chosen' | 'rejected']: Weighed }): string =>
  `${chosen.response} (${chosen.score}) over ${rejected.response} (${rejected.score})`;

function pairingProblem(end: NonNullable<Episode['end']>, { pairing }: Decided): string | undefined {
  if (pairing.status === 'withheld') {
    const reason = end.type === 'pair.withheld' ? (end.body as BodyOf<'pair.withheld'>).reason : null;
    return reason === pairing.reason ? undefined : `there is no pair: ${pairing.reason}, ${pairing.detail}`;
  }
  if (end.type === 'pair.withheld') return `there is a pair: ${pairText(pairing)}`;
  const { chosen, rejected } = end.body as BodyOf<'pair.made'>;
  const isSame = isDeepStrictEqual([chosen, rejected], [pairing.chosen, pairing.rejected]);
  return isSame ? undefined : `the judgements give ${pairText(pairing)}`;
}

/** Of what an end says beside the pair. */
function besidesProblem(
  { body }: NonNullable<Episode['end']>,
  { positives, consistency }: Decided,
): string | undefined {
  if (!isDeepStrictEqual(body.positives, positives))
    return `the judgements give ${positives.length === 0 ? 'no positive example' : `the positive examples ${positives.map(({ response }) => response).join(', ')}`}`;
  return (body.consistency ?? null) === consistency
    ? undefined
    : `the two rankings have the consistency ${consistency}`;
}

/** Names of the datasets in which what this episode gave stands. */
function datasetsOf({ end, revised }: Episode): readonly string[] {
  if (!end) return [];
  const { iteration, positives } = end.body;
  return [
    ...(end.type === 'pair.made' ? [`aift-M${iteration}`] : []),
    ...(revised ? [`temporal-M${iteration}`] : []),
    ...(positives.length > 0 ? [`positives-M${iteration}`] : []),
  ];
}

/** The trainings that saw one of these datasets. */
export function trainingTraces({ index, weightsOf }: RunRecord, wanted: readonly string[]): readonly Trace[] {
  return index
    .seqsOf('model.train')
    .map((seq) => index.read(seq))
    .flatMap((said) => {
      const { to, from, objective, datasets, key } = said.body as BodyOf<'model.train'>;
      const used = datasets.filter((name) => wanted.includes(name));
      if (used.length === 0) return [];
      const facts = known({ objective, from, key, weights: weightsOf(to) ?? undefined });
      return [
        { kind: 'training', title: `trained ${to} as part of ${used.join(', ')}`, line: lineOf(said), facts },
      ];
    });
}

/** The pair once a later version had answered. */
function revisedTrace(record: RunRecord, episode: Episode): readonly Trace[] {
  const { revised } = episode;
  if (!revised) return [];
  const { chosen, rejected, by, detail } = revised.body;
  const { config, template } = record.settingsAt(revised.seq) ?? record;
  const again = decidedAgain(episode, weighingOf(config, template));
  const isSame = again === null || isDeepStrictEqual([chosen, by], [again.chosen, again.by]);
  return [
    {
      kind: 'revised',
      title: `looked at again: ${chosen.response} (${chosen.score}) of the ${by} over ${rejected.response} (${rejected.score})`,
      line: lineOf(revised),
      texts: { chosen: chosen.text, rejected: rejected.text },
      facts: { chosenJudgements: chosen.judgements, rejectedJudgements: rejected.judgements },
      ...(detail === '' ? {} : { notes: [detail] }),
      ...(isSame ? {} : { problem: `the judgements give ${again.chosen.response} of the ${again.by}` }),
    },
  ];
}

/** The end of an episode: the pair, or why there is none. */
export function endTrace(record: RunRecord, episode: Episode, parts: readonly Trace[]): Trace {
  const { end, id } = episode;
  const problem = endProblem(record, episode);
  const trainings = trainingTraces(record, datasetsOf(episode));
  const all = [...parts, ...revisedTrace(record, episode), ...trainings];
  if (!end) return { kind: 'open', title: `episode ${id}: neither pair nor reason yet`, parts: all };
  const shared = {
    line: lineOf(end),
    parts: all,
    notes: [
      ...handNote(record, end),
      ...(trainings.length === 0 ? ['no training has used it'] : []),
      ...(problem === undefined && episode.judgements.length > 0 && isComputed(record, episode)
        ? ['computed again from the raw judgements: the same']
        : []),
    ],
    ...(problem === undefined ? {} : { problem }),
  };
  const positives = end.body.positives.map(({ response }) => response);
  const facts = known({
    iteration: end.body.iteration,
    positives: positives.length > 0 ? positives : undefined,
  });
  if (end.type === 'pair.withheld') {
    const { reason, detail } = end.body as BodyOf<'pair.withheld'>;
    const title = `no pair of ${id}: ${reason}${detail ? ` (${detail})` : ''}`;
    return { kind: 'withheld', title, facts, ...shared };
  }
  const { chosen, rejected } = end.body as BodyOf<'pair.made'>;
  return {
    kind: 'pair',
    title: `pair ${id}: ${chosen.response} (${chosen.score}) over ${rejected.response} (${rejected.score})`,
    texts: { chosen: chosen.text, rejected: rejected.text },
    facts: { ...facts, chosenJudgements: chosen.judgements, rejectedJudgements: rejected.judgements },
    ...shared,
  };
}
