/**
 * One evaluation gathered from the log: the facts behind a version's numbers, with the seqs at which they stand, and the numbers
 * computed from them again.
 */
import type { VersionId } from '../protocol/ids.js';
import type { BodyOf, Envelope, MessageType, Metric } from '../protocol/messages.js';
import { metricsOf } from '../stages/metrics.js';
import type { RunRecord } from './run-record.js';

export interface Placed<T extends MessageType> {
  readonly seq: number;
  readonly body: BodyOf<T>;
}

export interface Evaluation {
  readonly version: VersionId;
  readonly request: Envelope;
  readonly made: Envelope;
  readonly metrics: readonly Metric[];
  readonly answered: readonly Placed<'evaluation.answered'>[];
  readonly judged: readonly Placed<'evaluation.judged'>[];
  readonly compared: readonly Placed<'evaluation.compared'>[];
  /** Answers of the versions that this one is compared with. */
  readonly before: ReadonlyMap<VersionId, readonly Placed<'evaluation.answered'>[]>;
}

/** All facts of one evaluation answer the same request. */
const factsOf = <T extends MessageType>({ index }: RunRecord, madeSeq: number, type: T): Placed<T>[] =>
  index
    .effectsOf(index.causeOf(madeSeq))
    .filter((seq) => index.typeOf(seq) === type)
    .map((seq) => ({ seq, body: index.read(seq).body as BodyOf<T> }));

/** The newest evaluation of a version; undefined where there is none. */
export function evaluationOf(record: RunRecord, version: string): Evaluation | undefined {
  const { index, evaluated } = record;
  const madeSeq = evaluated.get(version);
  if (madeSeq === undefined) return undefined;
  const made = index.read(madeSeq);
  const request = index.read(made.cause);
  const { against } = request.body as BodyOf<'evaluation.request'>;
  const answersOf = (other: VersionId) =>
    evaluated.has(other) ? factsOf(record, evaluated.get(other)!, 'evaluation.answered') : [];
  return {
    version: version as VersionId,
    request,
    made,
    metrics: (made.body as BodyOf<'evaluation.made'>).metrics,
    answered: factsOf(record, madeSeq, 'evaluation.answered'),
    judged: factsOf(record, madeSeq, 'evaluation.judged'),
    compared: factsOf(record, madeSeq, 'evaluation.compared'),
    before: new Map(against.map((other) => [other, answersOf(other)])),
  };
}

const bodies = <T extends MessageType>(placed: readonly Placed<T>[]): BodyOf<T>[] =>
  placed.map(({ body }) => body);

/** The numbers once more, from the facts alone; null where the config that they were made with is not to be known. */
export function computedAgain(record: RunRecord, evaluation: Evaluation): readonly Metric[] | null {
  const settings = record.settingsAt(evaluation.made.seq);
  if (settings === null) return null;
  const { config, template } = settings;
  return metricsOf(
    {
      version: evaluation.version,
      answered: bodies(evaluation.answered),
      judged: bodies(evaluation.judged),
      compared: bodies(evaluation.compared),
      before: new Map([...evaluation.before].map(([version, placed]) => [version, bodies(placed)])),
    },
    {
      seed: config.seed,
      resamples: config.evaluate.resamples,
      confidence: config.evaluate.confidence,
      maxScore: template.verdict.max,
    },
  );
}
