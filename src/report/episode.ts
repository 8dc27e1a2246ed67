/**
 * One episode gathered from the log: its prompt, answers, judgements, end, and the requests in which they were drawn. Decides
 * again, with the functions of the paper, what its judgements say.
 */
import type { EpisodeId } from '../protocol/ids.js';
import type { BodyOf, Candidate, Envelope, Generation, MessageType } from '../protocol/messages.js';
import { meanScore } from '../stages/judge.js';
import { futureGuided } from '../stages/variants/temporal-self-rewarding.js';
import {
  type Decided,
  decide,
  type Judged,
  newAmong,
  usableOf,
  type Weighing,
  weigh,
} from '../stages/weighing.js';
import type { RunRecord } from './run-record.js';

type Said<T extends MessageType> = Envelope & { readonly body: BodyOf<T> };
export type Judgement = Said<'judgement.made'>;

/** Its judgements compared with one another (Meta-Rewarding). */
export interface Dispute {
  readonly request: Said<'meta-judgements.request'> | null;
  readonly verdicts: readonly Said<'meta-judgement.made'>[];
  readonly end: Said<'judgement-pair.made'> | Said<'judgement-pair.withheld'> | null;
}

export interface Episode {
  readonly id: EpisodeId;
  readonly prompt: Said<'prompt.made'> | Said<'prompt.filtered'> | Said<'prompt.failed'> | null;
  readonly answers: Said<'responses.made'> | null;
  /** A later version's answers, and the pair as it stands with them (Temporal Self-Rewarding). */
  readonly again: Said<'responses.made'> | null;
  readonly revised: Said<'pair.revised'> | null;
  readonly judgements: readonly Judgement[];
  readonly end: Said<'pair.made'> | Said<'pair.withheld'> | null;
  readonly dispute: Dispute;
  /** Requests to a model or scorer in which something of this episode was asked. */
  readonly requests: readonly Envelope[];
}

const ASKED: ReadonlySet<MessageType> = new Set<MessageType>([
  'model.request',
  'score.request',
  'likelihood.request',
]);
const DISPUTED: ReadonlySet<MessageType> = new Set<MessageType>([
  'meta-judgement.made',
  'judgement-pair.made',
  'judgement-pair.withheld',
]);

/** Notes the seqs of one episode while a log is read. */
export function watchEpisode(id: EpisodeId) {
  const seqs: number[] = [];
  const address = `episode:${id}`;
  const asks = ({ body }: Envelope): boolean => {
    const { id: request, items } = body as { id: string; items: readonly { id: string }[] };
    return request.startsWith('invent/')
      ? items.some((item) => item.id === id)
      : [`respond/${id}`, `respond/${id}/past`, `respond/${id}/again`, `meta/${id}`].includes(request) ||
          request.startsWith(`judge/${id}/`);
  };
  const isOf = ({ body }: Envelope): boolean => {
    const { episode, id: pair } = body as { readonly episode?: string; readonly id?: string };
    return (episode ?? pair) === id;
  };
  return {
    visit(envelope: Envelope): void {
      const { from, to, type, seq } = envelope;
      const isOwn = from === address || to === address;
      if (isOwn || (ASKED.has(type) && asks(envelope)) || (DISPUTED.has(type) && isOf(envelope)))
        seqs.push(seq);
    },
    gather({ index }: RunRecord): Episode {
      const said = seqs.map((seq) => index.read(seq));
      const last = <T extends MessageType>(...types: readonly T[]) =>
        (said.findLast(({ type }) => types.includes(type as T)) ?? null) as Said<T> | null;
      const judgements = new Map<string, Judgement>();
      for (const one of said)
        if (one.type === 'judgement.made') judgements.set((one as Judgement).body.id, one as Judgement);
      return {
        id,
        prompt: last('prompt.made', 'prompt.filtered', 'prompt.failed') as Episode['prompt'],
        answers: (said.find(({ type }) => type === 'responses.made') ?? null) as Episode['answers'],
        again: (said.filter(({ type }) => type === 'responses.made')[1] ?? null) as Episode['again'],
        revised: last('pair.revised'),
        judgements: [...judgements.values()],
        end: last('pair.made', 'pair.withheld') as Episode['end'],
        dispute: {
          request: last('meta-judgements.request'),
          verdicts: said.filter(
            ({ type }) => type === 'meta-judgement.made',
          ) as Said<'meta-judgement.made'>[],
          end: last('judgement-pair.made', 'judgement-pair.withheld') as Dispute['end'],
        },
        requests: said.filter(({ type }) => ASKED.has(type)),
      };
    },
  };
}

/** All answers, a later version's too. */
export const candidatesIn = ({ answers, again }: Episode): readonly Candidate[] =>
  [answers, again].flatMap((said) => said?.body.candidates ?? []);

export const judgementsOf = ({ judgements }: Episode, response: string): readonly Judgement[] =>
  judgements.filter(({ body }) => body.response === response);

export const meanOf = (episode: Episode, response: string) =>
  meanScore(judgementsOf(episode, response).map(({ body }) => body.verdict));

const judgedIn = ({ judgements }: Episode): readonly Judged[] =>
  judgements.map(({ seq, body: { response, player, verdict } }) => ({ seq, response, player, verdict }));

/** Answers that are judged. */
export const usableIn = ({ answers }: Episode, { anchor }: Pick<Weighing, 'anchor'>): readonly Candidate[] =>
  usableOf(answers?.body.candidates ?? [], anchor).candidates;

/** What its judgements come to. */
export const decided = (episode: Episode, weighing: Weighing): Decided =>
  decide(weighing, usableIn(episode, weighing), judgedIn(episode));

/** The pair once a later version has answered, of what is on the log; null where there was none to look at again. */
export function decidedAgain(episode: Episode, weighing: Weighing) {
  const { pairing } = decided(episode, weighing);
  if (pairing.status !== 'pair' || !episode.again) return null;
  const before = usableIn(episode, weighing);
  const future = newAmong(episode.again.body.candidates, before, weighing.anchor);
  return futureGuided(pairing.chosen, pairing.rejected, weigh(future, judgedIn(episode)));
}

export interface Drawn {
  readonly request: Said<'model.request'>;
  /** The text that the model went on from. */
  readonly prompt: string;
}

const sameKey = (a: readonly number[], b: readonly number[]): boolean => a[0] === b[0] && a[1] === b[1];

/** The request in which a text was drawn: the newest before the fact that holds its key. */
export function drawnIn({ requests }: Episode, seq: number, { key }: Generation): Drawn | null {
  for (const one of requests
    .filter((request) => request.seq < seq && request.type === 'model.request')
    .reverse()) {
    const request = one as Said<'model.request'>;
    const item = request.body.items.find(({ keys }) => keys.some((own) => sameKey(own, key)));
    if (item) return { request, prompt: item.prompt };
  }
  return null;
}

/** The request in which a scorer gave a verdict. */
export const scoredIn = ({ requests }: Episode, { seq, body }: Judgement): Said<'score.request'> | null =>
  (requests.findLast(
    (one) =>
      one.type === 'score.request' &&
      one.seq < seq &&
      (one.body as BodyOf<'score.request'>).player === body.player &&
      (one.body as BodyOf<'score.request'>).items.some(({ id }) => id === body.response),
  ) ?? null) as Said<'score.request'> | null;
