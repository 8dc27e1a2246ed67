/**
 * What WHAT of `soliloquy why` asks for. Only its form; whether the run has it is found out in why-answer.ts.
 */
import { SoliloquyError } from '../protocol/errors.js';
import type { EpisodeId } from '../protocol/ids.js';

export type Question =
  | { readonly of: 'episode'; readonly episode: EpisodeId }
  | { readonly of: 'judgement-pair'; readonly episode: EpisodeId }
  | { readonly of: 'response'; readonly episode: EpisodeId; readonly id: string }
  | { readonly of: 'judgement'; readonly episode: EpisodeId; readonly id: string }
  | { readonly of: 'version'; readonly version: string }
  | { readonly of: 'metric'; readonly version: string | null; readonly name: string }
  | { readonly of: 'message'; readonly seq: number };

const FORMS =
  'pair:1-0042 · response:1-0042/3 · judgement:1-0042/3/0.2 · judgement-pair:1-0042 · M2 · metric:true.score · metric:M2/judge.pairwise · seq:4988';

const wrong = (what: string, why: string) =>
  new SoliloquyError('usage', `${what}: ${why}`, { what, fix: `one of the forms ${FORMS}` });

function metricQuestion(rest: string): Question {
  const slash = rest.lastIndexOf('/');
  const name = rest.slice(slash + 1);
  return { of: 'metric', version: slash < 0 ? null : rest.slice(0, slash), name };
}

export function questionOf(what: string): Question {
  const [, kind, rest] = /^([a-z-]+):(.+)$/s.exec(what) ?? [];
  const parts = /^((\d+-\d+)(?:\/\d+)?)(?:\/\d+\.\d+)?$/.exec(rest ?? '');
  const episode = parts?.[2] as EpisodeId | undefined;
  const depth = rest?.split('/').length;
  switch (kind) {
    case undefined:
      if (/^(M\d+(-future)?|SFT)$/.test(what)) return { of: 'version', version: what };
      throw wrong(what, 'neither a version nor kind:name');
    case 'pair':
      if (episode && depth === 1) return { of: 'episode', episode };
      throw wrong(what, 'an episode is called like 1-0042');
    case 'judgement-pair':
      if (episode && depth === 1) return { of: 'judgement-pair', episode };
      throw wrong(what, 'a judgement pair is called as its episode, like 1-0042');
    case 'response':
      if (episode && depth === 2) return { of: 'response', episode, id: rest! };
      throw wrong(what, 'a response is called like 1-0042/3');
    case 'judgement':
      if (episode && depth === 3) return { of: 'judgement', episode, id: rest! };
      throw wrong(what, 'a judgement is called like 1-0042/3/0.2');
    case 'metric':
      return metricQuestion(rest!);
    case 'seq':
      if (/^\d+$/.test(rest!)) return { of: 'message', seq: Number(rest) };
      throw wrong(what, 'a seq is a whole number');
    default:
      throw wrong(what, `there is no kind "${kind}"`);
  }
}
