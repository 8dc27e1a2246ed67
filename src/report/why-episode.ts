/**
 * Why a pair, a response or a judgement: prompt → candidates → judgements → mean scores → pair or no pair → the training that it
 * went into, each with its raw text and how it was drawn. What can be computed again is, and compared.
 */
import type { BodyOf, Candidate, Generation, Verdict } from '../protocol/messages.js';
import { parseVerdict } from '../stages/judge.js';
import { anchorOf } from '../stages/weighing.js';
import {
  candidatesIn,
  drawnIn,
  type Episode,
  type Judgement,
  judgementsOf,
  meanOf,
  scoredIn,
  usableIn,
} from './episode.js';
import { endTrace } from './episode-end.js';
import { handNote, type RunRecord } from './run-record.js';
import { type Fact, generationFacts, known, lineOf, type Trace } from './trace.js';

const verdictText = (verdict: Verdict): string =>
  verdict.status === 'score' ? `score ${verdict.score}` : `unparseable (${verdict.reason})`;

const scoreText = (score: number | null): string => (score === null ? 'no score' : `score ${score}`);

/** How a text was drawn. */
export function drawing(record: RunRecord, episode: Episode, seq: number, generation: Generation) {
  const drawn = drawnIn(episode, seq, generation);
  const { temperature, topP, maxNewTokens } = drawn?.request.body.sampling ?? {};
  const facts: Record<string, Fact> = {
    ...generationFacts(generation),
    ...known({ weights: record.weightsOf(generation.version) ?? undefined, temperature, topP, maxNewTokens }),
    ...known({ request: drawn?.request.seq }),
  };
  return { facts, asked: drawn ? { asked: drawn.prompt } : {} };
}

/** Where a few-shot example comes from: the seed data, or an earlier episode. */
function shotTrace({ index }: RunRecord, shot: string, before: number): Trace {
  for (const seq of index.seqsOf('prompts.known'))
    if ((index.read(seq).body as BodyOf<'prompts.known'>).seed.includes(shot))
      return { kind: 'shot', title: 'shot of the seed data', facts: { seq }, texts: { text: shot } };
  for (const seq of index.seqsOf('prompt.made').filter((one) => one < before)) {
    const { episode, prompt } = index.read(seq).body as BodyOf<'prompt.made'>;
    if (prompt === shot)
      return { kind: 'shot', title: `shot of episode ${episode}`, facts: { seq }, texts: { text: shot } };
  }
  return { kind: 'shot', title: 'shot', texts: { text: shot } };
}

export function promptTrace(record: RunRecord, episode: Episode): Trace | null {
  const { prompt: said } = episode;
  if (!said) return null;
  if (said.type === 'prompt.failed') {
    const { reason } = said.body as BodyOf<'prompt.failed'>;
    return { kind: 'prompt', title: `no prompt: ${reason}`, line: lineOf(said) };
  }
  const { prompt, generation, shots, ...rest } = said.body as BodyOf<'prompt.made'> &
    Partial<BodyOf<'prompt.filtered'>>;
  const { facts, asked } = drawing(record, episode, said.seq, generation);
  const filter =
    rest.reason === undefined ? '' : `, filtered: ${rest.reason}${rest.detail ? ` (${rest.detail})` : ''}`;
  return {
    kind: 'prompt',
    title: `prompt by ${generation.version}${filter}`,
    line: lineOf(said),
    texts: { prompt, raw: generation.text },
    ...asked,
    facts,
    notes: handNote(record, said),
    parts: shots.map((shot) => shotTrace(record, shot, said.seq)),
  };
}

export function judgementTrace(record: RunRecord, episode: Episode, said: Judgement): Trace {
  const { id, player, verdict, generation } = said.body;
  const byHand = handNote(record, said);
  const title = `judgement ${id}: ${verdictText(verdict)}`;
  if (!generation) {
    const request = scoredIn(episode, said);
    const facts = known({ player, request: request?.seq });
    return {
      kind: 'judgement',
      title,
      line: lineOf(said),
      facts,
      notes: [...byHand, 'a scorer writes no text'],
    };
  }
  const { facts, asked } = drawing(record, episode, said.seq, generation);
  const settings = byHand.length > 0 ? null : record.settingsAt(said.seq);
  const read = settings && parseVerdict(generation.text, settings.template);
  const differs = read !== null && verdictText(read) !== verdictText(verdict);
  return {
    kind: 'judgement',
    title,
    line: lineOf(said),
    texts: { raw: generation.text },
    ...asked,
    facts: { player, ...facts },
    notes: byHand,
    ...(differs ? { problem: `the text reads ${verdictText(read)}` } : {}),
  };
}

/** What an answer was in the end. */
function partOf({ end }: Episode, { id }: Candidate): string {
  if (end?.type !== 'pair.made') return '';
  const { chosen, rejected } = end.body as BodyOf<'pair.made'>;
  return id === chosen.response ? ', chosen' : id === rejected.response ? ', rejected' : '';
}

/** The message that holds an answer. */
const answeredIn = ({ answers, again }: Episode, { id }: Candidate) =>
  again?.body.candidates.some((one) => one.id === id) ? again : answers!;

const isUsable = (record: RunRecord, episode: Episode, { id }: Candidate): boolean => {
  const { config } = record.settingsAt(episode.answers!.seq) ?? record;
  return usableIn(episode, anchorOf(config)).some((one) => one.id === id);
};

export function responseTrace(record: RunRecord, episode: Episode, candidate: Candidate): Trace {
  const said = answeredIn(episode, candidate);
  const usable =
    said === episode.again
      ? judgementsOf(episode, candidate.id).length > 0
      : isUsable(record, episode, candidate);
  const { score, valid, unparseable } = meanOf(episode, candidate.id);
  const { facts, asked } = drawing(record, episode, said.seq, candidate);
  const judged = usable ? `${scoreText(score)}, mean of ${valid}` : 'not judged: empty or repeated';
  return {
    kind: 'response',
    title: `response ${candidate.id}: ${judged}${partOf(episode, candidate)}`,
    line: lineOf(said),
    texts: { text: candidate.text },
    ...asked,
    facts: { ...facts, score, ...(unparseable > 0 ? { unparseable } : {}) },
    notes: handNote(record, said),
    parts: judgementsOf(episode, candidate.id).map((one) => judgementTrace(record, episode, one)),
  };
}

/** The whole life of an episode. */
export function whyEpisode(record: RunRecord, episode: Episode): Trace {
  const prompt = promptTrace(record, episode);
  const responses = candidatesIn(episode).map((one) => responseTrace(record, episode, one));
  return endTrace(record, episode, [...(prompt ? [prompt] : []), ...responses]);
}

/** One answer, with the prompt that it answers and what became of it. */
export function whyResponse(record: RunRecord, episode: Episode, candidate: Candidate): Trace {
  const trace = responseTrace(record, episode, candidate);
  const prompt = promptTrace(record, episode);
  const end = endTrace(record, episode, []);
  return { ...trace, parts: [...(trace.parts ?? []), ...(prompt ? [prompt] : []), end] };
}

/** One judgement, with the answer that it judges and what became of it. */
export function whyJudgement(record: RunRecord, episode: Episode, judgement: Judgement): Trace {
  const candidate = candidatesIn(episode).find(({ id }) => id === judgement.body.response)!;
  const answer = whyResponse(record, episode, candidate);
  const others = answer.parts?.filter(({ line }) => line?.seq !== judgement.seq) ?? [];
  return { ...judgementTrace(record, episode, judgement), parts: [{ ...answer, parts: others }] };
}
