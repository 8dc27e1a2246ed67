/**
 * Folds a log, or its beginning, so that a run can go on from there: the company and the keeper are then in the state of the run
 * that wrote it, and what the log has made is noted.
 */
import { createFold, type Fold, foldLog } from '../src/log/fold.js';
import type { LogEnd } from '../src/log/reader.js';
import type { LogStart } from '../src/log/writer.js';
import { type VersionId, versionOf } from '../src/protocol/ids.js';
import type { BodyOf, Envelope, Message } from '../src/protocol/messages.js';
import type { Company } from './company.js';
import type { Keeper } from './keeper.js';
import { nextProgress, type Progress, START } from './streams.js';
import { isLast } from './system.js';

export interface Refolded {
  readonly fold: Fold;
  /** Versions whose weights were stored, M0 first → their hashes. */
  readonly made: ReadonlyMap<VersionId, string>;
  /** Trainings that were ordered. */
  readonly ordered: readonly BodyOf<'model.train'>[];
  /** Versions that were measured. */
  readonly measured: readonly VersionId[];
  /** The last iteration that has begun. */
  readonly iteration: number;
  readonly forkedAt: readonly number[];
  readonly progress: Progress;
  /** Of the lines that were folded. */
  readonly log: LogStart & { readonly bytes: number };
  /** Null where the fold ended before the log did. */
  readonly end: LogEnd | null;
}

/** Folds the lines whose seq is below `until`. */
export async function refold(
  file: string,
  company: Company,
  keeper: Keeper,
  until = Number.POSITIVE_INFINITY,
): Promise<Refolded> {
  const noted = createNotes();
  const fold = createFold({
    delivery: company.delivery,
    observe(envelope) {
      company.observe(envelope);
      keeper.observe(envelope);
      noted.observe(envelope);
    },
    isLast,
  });
  const { end, head, bytes } = await foldLog(file, fold, until);
  return { fold, ...noted.notes, log: { head, count: fold.seq, bytes }, end };
}

function createNotes() {
  const made = new Map<VersionId, string>();
  const ordered: BodyOf<'model.train'>[] = [];
  const measured: VersionId[] = [];
  const forkedAt: number[] = [];
  let iteration = 0;
  let progress = START;
  return {
    get notes() {
      return { made, ordered, measured, forkedAt, iteration, progress };
    },
    observe(envelope: Envelope) {
      const { seq, type, body } = envelope;
      progress = nextProgress(progress, envelope);
      const said = { type, body } as Message;
      if (said.type === 'run.start') made.set(versionOf(0), said.body.baseHash);
      if (said.type === 'model.trained') made.set(said.body.to, said.body.weightsHash);
      if (said.type === 'model.train') ordered.push(said.body);
      if (said.type === 'evaluation.made') measured.push(said.body.version);
      if (said.type === 'prompts.request') iteration = said.body.iteration;
      if (said.type === 'run.forked') forkedAt.push(seq);
    },
  };
}
