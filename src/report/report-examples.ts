/**
 * Owns: which episodes and answers of a run are shown as examples, chosen while the log is read: the widest pair of each iteration,
 * the answers on which judge and truth differ most, one episode for each reason for no pair, a judgement that can't be read.
 * Where several are equal, the first on the log. Holds the texts of what is open and of what is shown, no others.
 */
import type { BodyOf, Envelope, FilterReason, Verdict, WithheldReason } from '../protocol/messages.js';
import { meanScore } from '../stages/judge.js';

export interface Said<T> {
  readonly seq: number;
  readonly body: T;
}

export interface JudgedAnswer {
  readonly id: string;
  readonly text: string;
  readonly verdicts: readonly Verdict[];
}

export interface WithheldExample {
  readonly seq: number;
  readonly episode: string;
  readonly detail: string;
  readonly prompt: string | null;
  readonly answers: readonly JudgedAnswer[];
}

/** An answer to a held-out prompt whose truth is known. */
export interface Disagreement {
  readonly seq: number;
  readonly version: string;
  readonly id: string;
  readonly prompt: string;
  readonly text: string;
  readonly truth: number;
  readonly self: number;
}

export interface Unreadable {
  readonly seq: number;
  readonly id: string;
  readonly player: string;
  readonly reason: string;
  /** What the judge wrote; null: a scorer gave no text. */
  readonly text: string | null;
}

/** The judge thinks most too much, and most too little, of it. */
export interface Disagreements {
  readonly flattered: Disagreement | null;
  readonly slighted: Disagreement | null;
}

interface Open {
  readonly prompt: string;
  answers: BodyOf<'responses.made'>['candidates'];
  readonly verdicts: Map<string, Verdict[]>;
}

export interface Examples {
  readonly open: Map<string, Open>;
  /** Iteration → its pair with the largest margin. */
  readonly pairs: Map<number, Said<BodyOf<'pair.made'>>>;
  readonly withheld: Map<WithheldReason, WithheldExample>;
  readonly filtered: Map<FilterReason, Said<BodyOf<'prompt.filtered'>>>;
  /** Version → the answers on which judge and truth differ most. */
  readonly disagreements: Map<string, Disagreements>;
  unreadable: Unreadable | null;
}

export const noExamples = (): Examples => ({
  open: new Map(),
  pairs: new Map(),
  withheld: new Map(),
  filtered: new Map(),
  disagreements: new Map(),
  unreadable: null,
});

export const marginOf = ({ chosen, rejected }: BodyOf<'pair.made'>): number => chosen.score - rejected.score;

/** Adds one message. */
export function gatherExample(into: Examples, { type, seq, body }: Envelope): void {
  switch (type) {
    case 'prompt.made': {
      const { episode, prompt } = body as BodyOf<'prompt.made'>;
      into.open.set(episode, { prompt, answers: [], verdicts: new Map() });
      return;
    }
    case 'prompt.filtered': {
      const own = body as BodyOf<'prompt.filtered'>;
      if (!into.filtered.has(own.reason)) into.filtered.set(own.reason, { seq, body: own });
      into.open.set(own.episode, { prompt: own.prompt, answers: [], verdicts: new Map() });
      return;
    }
    case 'responses.made': {
      const { episode, candidates } = body as BodyOf<'responses.made'>;
      const open = into.open.get(episode);
      if (open) open.answers = candidates;
      return;
    }
    case 'judgement.made':
      gatherJudgement(into, seq, body as BodyOf<'judgement.made'>);
      return;
    case 'pair.made': {
      const own = body as BodyOf<'pair.made'>;
      const best = into.pairs.get(own.iteration);
      if (!best || marginOf(own) > marginOf(best.body)) into.pairs.set(own.iteration, { seq, body: own });
      into.open.delete(own.id);
      return;
    }
    case 'pair.withheld':
      gatherWithheld(into, seq, body as BodyOf<'pair.withheld'>);
      return;
    case 'evaluation.answered':
      gatherAnswer(into, seq, body as BodyOf<'evaluation.answered'>);
      return;
  }
}

function gatherJudgement(
  into: Examples,
  seq: number,
  { id, response, player, verdict, generation }: BodyOf<'judgement.made'>,
): void {
  const open = into.open.get(response.slice(0, response.indexOf('/')));
  open?.verdicts.set(response, [...(open.verdicts.get(response) ?? []), verdict]);
  if (verdict.status === 'unparseable' && into.unreadable === null)
    into.unreadable = { seq, id, player, reason: verdict.reason, text: generation?.text ?? null };
}

function gatherWithheld(
  into: Examples,
  seq: number,
  { episode, reason, detail }: BodyOf<'pair.withheld'>,
): void {
  const open = into.open.get(episode);
  into.open.delete(episode);
  if (into.withheld.has(reason)) return;
  const answers = (open?.answers ?? []).map(({ id, text }) => ({
    id,
    text,
    verdicts: open!.verdicts.get(id) ?? [],
  }));
  into.withheld.set(reason, { seq, episode, detail, prompt: open?.prompt ?? null, answers });
}

function gatherAnswer(
  into: Examples,
  seq: number,
  { version, id, prompt, generation, truth, selfScores }: BodyOf<'evaluation.answered'>,
): void {
  const self = meanScore(selfScores).score;
  if (truth === null || self === null) return;
  const own: Disagreement = { seq, version, id, prompt, text: generation.text, truth, self };
  const { flattered, slighted } = into.disagreements.get(version) ?? { flattered: null, slighted: null };
  into.disagreements.set(version, {
    flattered: gapOf(own) > gapOf(flattered) ? own : flattered,
    slighted: gapOf(own) < gapOf(slighted) ? own : slighted,
  });
}

/** What the judge thinks too much of it. */
export const gapOf = (one: Disagreement | null): number => (one === null ? 0 : one.self - one.truth);

/** Of the newest version that was measured, and of all. */
export function worstDisagreements({ disagreements }: Examples): Disagreement[] {
  const all = [...disagreements.values()].flatMap(({ flattered, slighted }) => [
    ...(flattered ? [flattered] : []),
    ...(slighted ? [slighted] : []),
  ]);
  const last = [...disagreements.keys()].at(-1);
  const widest = (some: readonly Disagreement[]) =>
    some.reduce<Disagreement | null>(
      (best, one) => (best === null || Math.abs(gapOf(one)) > Math.abs(gapOf(best)) ? one : best),
      null,
    );
  const newest = all.filter(({ version }) => version === last);
  const worst = widest(all.filter(({ version }) => version !== last));
  const known = widest(newest);
  const isWorse = worst && Math.abs(gapOf(worst)) > Math.abs(gapOf(known));
  return [...newest, ...(isWorse ? [worst] : [])];
}
