/**
 * What a comparison needs of one run, folded from its log in one pass: the tally, and each version's scores by prompt and
 * by probe group. The measures are the run's own (src/stages/): nothing is defined twice. Texts are not kept.
 */
import { readLog } from '../log/reader.js';
import type { BodyOf, Envelope } from '../protocol/messages.js';
import { meanScore } from '../stages/judge.js';
import { pairwiseAccuracy } from '../stages/measures.js';
import { emptyTally, type Tally, tallyMessage } from './tally.js';

export interface AnswerFacts {
  readonly prompt: string;
  readonly truth: number | null;
  /** Mean score by the cast judge: what the loop believes. */
  readonly self: number | null;
  readonly tokens: number;
}

export interface VersionFacts {
  readonly answers: Map<string, AnswerFacts>;
  /** Probe group → response → how the version itself judged it. */
  readonly judged: Map<string, Map<number, { readonly value: number; readonly score: number | null }>>;
}

/** Where a run left another: facts of its `run.forked`, and what was made before it. */
export interface Fork {
  readonly seq: number;
  readonly parent: string;
  /** The newest version then; M0 where none was made. */
  readonly after: string;
  readonly changes: Readonly<Record<string, unknown>>;
  readonly overrides: BodyOf<'run.forked'>['overrides'];
}

export interface RunFacts {
  readonly tally: Tally;
  readonly versions: ReadonlyMap<string, VersionFacts>;
  readonly weights: ReadonlyMap<string, string>;
  readonly forks: readonly Fork[];
  /** The first run's config, by hash: forks of one parent have the same. */
  readonly origin: string;
  /** True once `run.finished` was said. */
  readonly finished: boolean;
  /** A torn last line was left out. */
  readonly torn: boolean;
  readonly messages: number;
}

interface Folding {
  readonly tally: Tally;
  readonly versions: Map<string, VersionFacts>;
  readonly weights: Map<string, string>;
  readonly forks: Fork[];
  origin: string;
  finished: boolean;
}

function versionIn({ versions }: Folding, name: string): VersionFacts {
  const known = versions.get(name);
  if (known) return known;
  const made: VersionFacts = { answers: new Map(), judged: new Map() };
  versions.set(name, made);
  return made;
}

function fold(into: Folding, { type, body, seq }: Envelope): void {
  switch (type) {
    case 'run.start': {
      const { configHash, baseHash } = body as BodyOf<'run.start'>;
      into.origin = configHash;
      into.weights.set('M0', baseHash);
      return;
    }
    case 'run.forked': {
      const { parent, changes, overrides } = body as BodyOf<'run.forked'>;
      const after = [...into.weights.keys()].at(-1) ?? 'M0';
      into.forks.push({ seq, parent: parent.run, after, changes, overrides });
      return;
    }
    case 'run.finished':
      into.finished = true;
      return;
    case 'model.trained': {
      // Not yet announced: a fork `--at M1` begins here, with M1's weights.
      const { to, weightsHash } = body as BodyOf<'model.trained'>;
      into.weights.set(to, weightsHash);
      return;
    }
    case 'evaluation.answered': {
      const { version, id, prompt, truth, selfScores, tokens } = body as BodyOf<'evaluation.answered'>;
      const facts = { prompt, truth, self: meanScore(selfScores).score, tokens };
      versionIn(into, version).answers.set(id, facts);
      return;
    }
    case 'evaluation.judged': {
      const { version, group, index, value, verdicts } = body as BodyOf<'evaluation.judged'>;
      const { judged } = versionIn(into, version);
      const responses = judged.get(group) ?? new Map();
      judged.set(group, responses.set(index, { value, score: meanScore(verdicts).score }));
      return;
    }
  }
}

/** Reads a log whole, its chain checked; memory grows with the held-out prompts, not with the log. */
export async function readRunFacts(file: string): Promise<RunFacts> {
  const folding: Folding = {
    tally: emptyTally(),
    versions: new Map(),
    weights: new Map(),
    forks: [],
    origin: '',
    finished: false,
  };
  const log = readLog(file);
  for (;;) {
    const step = await log.next();
    if (step.done) return { ...folding, torn: step.value.torn, messages: step.value.count };
    tallyMessage(folding.tally, step.value);
    fold(folding, step.value);
  }
}

/** Share of a probe group's pairs that the version put in their order, by group. */
export const accuracyByGroup = ({ judged }: VersionFacts): Map<string, number> =>
  new Map(
    [...judged].flatMap(([group, responses]) => {
      const accuracy = pairwiseAccuracy({ responses: [...responses.values()] });
      return accuracy === null ? [] : [[group, accuracy] as const];
    }),
  );
