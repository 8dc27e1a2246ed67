/**
 * Owns: what a run's report is written from, folded from its messages in one pass, while they are made or from the log. Nothing is
 * measured anew: numbers are those of the tally. Memory grows with versions and training steps, not with the log.
 */
import type { BodyOf, Envelope } from '../protocol/messages.js';
import { type Examples, gatherExample, noExamples } from './report-examples.js';
import { emptyTally, type Tally, tallyMessage } from './tally.js';

export type Step = BodyOf<'training.stepped'>;

export interface Fork {
  readonly seq: number;
  readonly parent: BodyOf<'run.forked'>['parent'];
  readonly changes: Readonly<Record<string, unknown>>;
  readonly overrides: BodyOf<'run.forked'>['overrides'];
}

/** Prompts that were invented in an iteration, and what was scored there. */
export interface Round {
  prompts: number;
  /** Words of the prompts that passed the filters. */
  words: number;
  longest: number;
  /** Readable scores → how many judgements gave them. */
  readonly scores: Map<number, number>;
}

export interface ReportFacts {
  readonly tally: Tally;
  readonly examples: Examples;
  readonly rounds: Map<number, Round>;
  /** Version → step → what it was like; a step that was done again counts as it was last. */
  readonly trainings: Map<string, Map<number, Step>>;
  readonly trained: Map<string, BodyOf<'model.trained'>>;
  readonly forks: Fork[];
  /** What texts were made for → texts and their new tokens. */
  readonly made: Map<string, { texts: number; tokens: number }>;
  /** Judgements to learn from that the world gave, ready-made; null: not told yet. */
  evaluations: number | null;
  configHash: string | null;
  baseHash: string | null;
  /** Milliseconds since the epoch. */
  startedAt: number | null;
  endedAt: number | null;
  resumed: number;
  finished: boolean;
  failure: string | null;
}

export const noFacts = (): ReportFacts => ({
  tally: emptyTally(),
  examples: noExamples(),
  rounds: new Map(),
  trainings: new Map(),
  trained: new Map(),
  forks: [],
  made: new Map(),
  evaluations: null,
  configHash: null,
  baseHash: null,
  startedAt: null,
  endedAt: null,
  resumed: 0,
  finished: false,
  failure: null,
});

function roundOf({ rounds }: ReportFacts, iteration: number): Round {
  const known = rounds.get(iteration);
  if (known) return known;
  const made: Round = { prompts: 0, words: 0, longest: 0, scores: new Map() };
  rounds.set(iteration, made);
  return made;
}

/** Adds one message. */
export function foldFact(into: ReportFacts, envelope: Envelope): void {
  const { at } = envelope;
  tallyMessage(into.tally, envelope);
  gatherExample(into.examples, envelope);
  into.startedAt ??= at;
  into.endedAt = at;
  foldRun(into, envelope);
  foldWork(into, envelope);
}

function foldRun(into: ReportFacts, { type, seq, body }: Envelope): void {
  switch (type) {
    case 'run.start': {
      const { configHash, baseHash } = body as BodyOf<'run.start'>;
      into.configHash = configHash;
      into.baseHash = baseHash;
      return;
    }
    case 'seed.ready':
      into.evaluations = (body as BodyOf<'seed.ready'>).counts.eft ?? 0;
      return;
    case 'run.forked': {
      const { parent, changes, overrides } = body as BodyOf<'run.forked'>;
      into.forks.push({ seq, parent, changes, overrides });
      return;
    }
    case 'run.resumed':
      into.resumed++;
      return;
    case 'run.finished':
      into.finished = true;
      return;
    case 'run.failed':
      into.failure = (body as BodyOf<'run.failed'>).reason;
      return;
  }
}

function foldWork(into: ReportFacts, { type, body }: Envelope): void {
  switch (type) {
    case 'prompt.made': {
      const { iteration, prompt } = body as BodyOf<'prompt.made'>;
      const round = roundOf(into, iteration);
      const words = prompt.split(/\s+/).filter((word) => word !== '').length;
      round.prompts++;
      round.words += words;
      round.longest = Math.max(round.longest, words);
      return;
    }
    case 'judgement.made': {
      const { response, verdict } = body as BodyOf<'judgement.made'>;
      const { scores } = roundOf(into, Number(response.split('-')[0]));
      if (verdict.status === 'score') scores.set(verdict.score, (scores.get(verdict.score) ?? 0) + 1);
      return;
    }
    case 'training.stepped': {
      const step = body as Step;
      into.trainings.set(step.to, (into.trainings.get(step.to) ?? new Map()).set(step.step, step));
      return;
    }
    case 'model.trained': {
      const trained = body as BodyOf<'model.trained'>;
      into.trained.set(trained.to, trained);
      return;
    }
    case 'model.result': {
      const { id, items } = body as BodyOf<'model.result'>;
      addTexts(
        into,
        id.slice(0, id.indexOf('/')),
        items.flatMap(({ outputs }) => outputs),
      );
      return;
    }
    case 'evaluation.answered':
      addTexts(into, 'evaluate', [(body as BodyOf<'evaluation.answered'>).generation]);
      return;
  }
}

function addTexts(
  { made }: ReportFacts,
  purpose: string,
  outputs: readonly { readonly ids: readonly number[] }[],
): void {
  const own = made.get(purpose) ?? { texts: 0, tokens: 0 };
  own.texts += outputs.length;
  own.tokens += outputs.reduce((sum, { ids }) => sum + ids.length, 0);
  made.set(purpose, own);
}
