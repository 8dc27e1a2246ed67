/**
 * The one model as an addressee: `model.request` → `model.result`, `model.train` → `model.trained`,
 * `likelihood.request` → `likelihood.result`.
 *
 * Batches are formed whenever no message waits, from whole requests of one version in the order of their seqs, whichever
 * role asks: responder and judge sequences stand side by side. At most `window` batches are under way, whatever the number
 * of workers, and answers come back in start order: so what stands in which batch never depends on timing.
 */
import { reasonOf } from '../protocol/errors.js';
import type { VersionId } from '../protocol/ids.js';
import type { SampleRow, ToldStep, TrainOutcome } from '../protocol/lm.js';
import type { BodyOf, Envelope, Generation } from '../protocol/messages.js';
import type { Addressee, Answer, Job, LanguageModel, Recording } from '../protocol/ports.js';
import { likelihoods } from './likelihood.js';
import { rowsOf, sampleBatch } from './sampling.js';

export interface TrainingResult extends Omit<TrainOutcome, 'curve'> {
  readonly curve: readonly ToldStep[];
  readonly rows: number;
  readonly tooLong: number;
  /** sha-256 of the training data as written under data/. */
  readonly dataHash: string;
}

export interface SharedModelOptions {
  readonly model: LanguageModel;
  readonly limits: () => {
    /** Rows in one batch, at most; a request is never split. */
    readonly batchRows: number;
    /** Batches under way at once. */
    readonly window: number;
  };
  /** The log that a request names. */
  readonly recording: (run: string) => Recording;
  /** Brings a version's weights to the model, if they aren't there yet. */
  readonly load: (version: VersionId) => Promise<void>;
  /** Derives the data, trains, and stores the new version; the answer is given when it is on disk. */
  readonly train: (job: BodyOf<'model.train'>, onStep: (step: ToldStep) => void) => Promise<TrainingResult>;
  /** Progress, said while the job goes on. */
  readonly onStep: (to: VersionId, step: ToldStep, cause: number) => void;
}

type Request = {
  readonly seq: number;
  readonly from: Envelope['from'];
  readonly body: BodyOf<'model.request'>;
};
type Likelihood = {
  readonly seq: number;
  readonly from: Envelope['from'];
  readonly body: BodyOf<'likelihood.request'>;
};
type Training = {
  readonly seq: number;
  readonly from: Envelope['from'];
  readonly body: BodyOf<'model.train'>;
};

const rowsIn = ({ body }: Request) => body.items.reduce((sum, item) => sum + item.keys.length, 0);

export function createSharedModel(options: SharedModelOptions): Addressee {
  let requests: Request[] = [];
  const trainings: Training[] = [];
  const likely: Likelihood[] = [];
  let underWay = 0;

  const job = (asked: readonly { readonly seq: number }[], start: Job['start']): Job => {
    underWay++;
    return { causes: asked.map(({ seq }) => seq), start, delivered: () => underWay-- };
  };
  return {
    address: 'model',
    accept({ seq, from, type, body }) {
      if (type === 'model.request') requests.push({ seq, from, body: body as BodyOf<'model.request'> });
      if (type === 'likelihood.request') likely.push({ seq, from, body: body as Likelihood['body'] });
      if (type === 'model.train') trainings.push({ seq, from, body: body as BodyOf<'model.train'> });
    },
    nextJobs() {
      const jobs: Job[] = [];
      for (const training of trainings.splice(0))
        jobs.push(job([training], () => answerTraining(options, training)));
      const { batchRows, window } = options.limits();
      while (likely.length > 0 && underWay < window) {
        const asked = likely.shift()!;
        jobs.push(job([asked], () => answerLikelihood(options, asked)));
      }
      while (requests.length > 0 && underWay < window) {
        const batch = nextBatch(requests, batchRows);
        requests = requests.filter((request) => !batch.includes(request));
        jobs.push(job(batch, () => answerBatch(options, batch)));
      }
      return jobs;
    },
  };
}

/** Whole requests of the oldest request's version, oldest first, up to `limit` rows and at least one request. */
function nextBatch(requests: readonly Request[], limit: number): Request[] {
  const { version } = requests[0]!.body;
  const batch: Request[] = [];
  let rows = 0;
  for (const request of requests) {
    if (request.body.version !== version) continue;
    if (batch.length > 0 && rows + rowsIn(request) > limit) break;
    batch.push(request);
    rows += rowsIn(request);
  }
  return batch;
}

async function answerBatch(
  options: SharedModelOptions,
  batch: readonly Request[],
): Promise<readonly Answer[]> {
  const { load, model } = options;
  const { version } = batch[0]!.body;
  try {
    await load(version);
    const { asked, rows, refused } = rowsOfAll(model, batch);
    const known = asked.flatMap(({ body }) => recordedIn(options, body));
    const made = await sampleBatch(
      model,
      version,
      rows.filter((_, i) => known[i] === undefined),
    );
    let next = 0;
    const outputs = known.map((one) => one ?? made[next++]!);
    let at = 0;
    return batch.map((request) => {
      if (refused.has(request)) return failure(request, request.body.id, refused.get(request));
      const own = outputs.slice(at, at + rowsIn(request));
      at += own.length;
      return resultOf(request, own);
    });
  } catch (error) {
    return batch.map((request) => failure(request, request.body.id, error));
  }
}

/** One request's text that can't be encoded is that request's failure, not its neighbours'. */
function rowsOfAll(model: LanguageModel, batch: readonly Request[]) {
  const refused = new Map<Request, unknown>();
  const rows: SampleRow[] = [];
  for (const request of batch)
    try {
      rows.push(...rowsOf(model, request.body.version, request.body, request.body.items));
    } catch (error) {
      refused.set(request, error);
    }
  return { asked: batch.filter((request) => !refused.has(request)), rows, refused };
}

/** Answer by answer: what another run's log holds, or undefined. */
function recordedIn(
  { recording }: SharedModelOptions,
  { id, sampling, recorded, items }: BodyOf<'model.request'>,
): (Generation | undefined)[] {
  const source = recorded === undefined ? null : recording(recorded);
  return items.flatMap(({ prompt, keys }) =>
    keys.map((key, place) => source?.find({ id, sampling, prompt, key, place })),
  );
}

function resultOf({ seq, from, body }: Request, outputs: readonly Generation[]): Answer {
  let at = 0;
  const items = body.items.map(({ id, keys }) => ({ id, outputs: keys.map(() => outputs[at++]!) }));
  return { to: from, cause: seq, message: { type: 'model.result', body: { id: body.id, items } } };
}

async function answerTraining(
  { load, train, onStep }: SharedModelOptions,
  training: Training,
): Promise<readonly Answer[]> {
  const { seq, from, body } = training;
  try {
    await load(body.from);
    if (body.reference) await load(body.reference);
    const { rows, tooLong, steps, curve, weightsHash, dataHash, adapter } = await train(body, (step) =>
      onStep(body.to, step, seq),
    );
    const loss = curve.at(-1)?.loss ?? 0;
    const done = {
      from: body.from,
      to: body.to,
      objective: body.objective,
      rows,
      tooLong,
      steps,
      loss,
      weightsHash,
      dataHash,
      ...(adapter && { adapter }),
    };
    return [{ to: from, cause: seq, message: { type: 'model.trained', body: done } }];
  } catch (error) {
    return [failure(training, `train/${body.to}`, error)];
  }
}

async function answerLikelihood(
  { model, load }: SharedModelOptions,
  asked: Likelihood,
): Promise<readonly Answer[]> {
  const { seq, from, body } = asked;
  try {
    const found = await likelihoods(model, load, body);
    return [{ to: from, cause: seq, message: { type: 'likelihood.result', body: found } }];
  } catch (error) {
    return [failure(asked, body.id, error)];
  }
}

const failure = ({ seq, from }: Pick<Request, 'seq' | 'from'>, id: string, error: unknown): Answer => ({
  to: from,
  cause: seq,
  message: { type: 'request.failed', body: { id, reason: reasonOf(error) } },
});
