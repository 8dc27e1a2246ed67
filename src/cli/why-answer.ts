/**
 * The answer to a question about a run: opens its log, finds what is asked for, and says what there is where it isn't there.
 */
import { existsSync, readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { readCheckpoint } from '../lm/checkpoint.js';
import { weightsHash } from '../lm/weights.js';
import { sha256 } from '../log/chain.js';
import { SoliloquyError } from '../protocol/errors.js';
import { episodeId } from '../protocol/ids.js';
import type { BodyOf } from '../protocol/messages.js';
import { candidatesIn, type Episode, watchEpisode } from '../report/episode.js';
import { evaluationOf } from '../report/evaluation.js';
import { openRecord, type RunRecord, versionsOf } from '../report/run-record.js';
import type { Trace } from '../report/trace.js';
import { whyEpisode, whyJudgement, whyResponse } from '../report/why-episode.js';
import { whyJudgementPair } from '../report/why-judgement-pair.js';
import { whyMessage } from '../report/why-message.js';
import { whyMetric } from '../report/why-metric.js';
import { type OnDisk, whyVersion } from '../report/why-version.js';
import type { RunArgument } from './run-argument.js';
import type { Question } from './why-question.js';

const missing = (what: string, fix: string) =>
  new SoliloquyError('usage', `the run has no ${what}`, { what, fix });

export interface Answered {
  readonly trace: Trace;
  /** The log's last line is torn. */
  readonly torn: boolean;
}

export async function answerTo(run: RunArgument, question: Question): Promise<Answered> {
  const watch = 'episode' in question ? watchEpisode(question.episode) : undefined;
  const record = await openRecord(run, watch?.visit);
  try {
    const trace = await traceOf(run, record, question, watch?.gather(record));
    return { trace, torn: record.index.torn };
  } finally {
    record.index.close();
  }
}

async function traceOf(
  run: RunArgument,
  record: RunRecord,
  question: Question,
  episode: Episode | undefined,
): Promise<Trace> {
  switch (question.of) {
    case 'episode':
      return whyEpisode(record, begun(record, episode!));
    case 'judgement-pair': {
      const { dispute, id } = begun(record, episode!);
      if (dispute.end || dispute.request) return whyJudgementPair(record, episode!);
      throw missing(
        `judgement pair of ${id}`,
        `judgements are compared where the trainer is meta-rewarding; ask for pair:${id} to see the episode`,
      );
    }
    case 'response': {
      const candidates = candidatesIn(begun(record, episode!));
      const found = candidates.find(({ id }) => id === question.id);
      if (found) return whyResponse(record, episode!, found);
      throw missing(`response ${question.id}`, listed('responses', candidates));
    }
    case 'judgement': {
      const { judgements } = begun(record, episode!);
      const found = judgements.find(({ body }) => body.id === question.id);
      if (found) return whyJudgement(record, episode!, found);
      const bodies = judgements.map(({ body }) => body);
      throw missing(`judgement ${question.id}`, listed('judgements', bodies));
    }
    case 'version':
      if (!versionsOf(record).includes(question.version))
        throw missing(
          `version ${question.version}`,
          `one of: ${versionsOf(record).join(', ') || '(none yet)'}`,
        );
      return whyVersion(record, question.version, await onDisk(run, record, question.version));
    case 'metric':
      return metricTrace(record, question);
    case 'message':
      if (question.seq < record.index.count) return whyMessage(record, question.seq);
      throw missing(`message ${question.seq}`, `seqs go from 0 to ${record.index.count - 1}`);
    default:
      return question satisfies never;
  }
}

const listed = (what: string, some: readonly { readonly id: string }[]): string =>
  some.length === 0
    ? `its episode has no ${what}: ask for pair:ID to see why`
    : `one of: ${some.map(({ id }) => id).join(', ')}`;

/** An episode of which the log says something. */
function begun({ episodes }: RunRecord, episode: Episode): Episode {
  if (episode.prompt || episode.requests.length > 0) return episode;
  const ranges = [...episodes].map(
    ([iteration, count]) =>
      `${episodeId(iteration as never, 0)} … ${episodeId(iteration as never, count - 1)}`,
  );
  throw missing(
    `episode ${episode.id}`,
    ranges.length === 0 ? 'no episode has begun yet' : `it has ${ranges.join(' and ')}`,
  );
}

function metricTrace(record: RunRecord, { version, name }: Question & { readonly of: 'metric' }): Trace {
  const measured = [...record.evaluated.keys()];
  const wanted = version ?? measured.at(-1);
  if (wanted === undefined) throw missing('metric', 'no version has been measured yet');
  const evaluation = evaluationOf(record, wanted);
  if (!evaluation)
    throw missing(`measured version ${wanted}`, `one of: ${measured.join(', ') || '(none yet)'}`);
  const metric = evaluation.metrics.find((one) => one.name === name);
  if (metric) return whyMetric(record, evaluation, metric);
  const names = evaluation.metrics.map((one) => one.name);
  throw missing(`metric ${name} of ${wanted}`, `one of: ${names.join(', ')}`);
}

/** Hashes of a version's weights and data as they lie in the folder; null for what isn't there. */
async function onDisk({ folder }: RunArgument, record: RunRecord, version: string): Promise<OnDisk> {
  const dir = folder.model(version);
  const hash = existsSync(dir) ? weightsHash((await readCheckpoint(dir)).weights) : null;
  const seq = record.made.get(version);
  if (seq === undefined) return { weightsHash: hash, files: [], dataHash: null };
  const { datasets } = record.index.read(seq).body as BodyOf<'version.made'>;
  const files = datasets.map((name) => {
    const file = folder.data(name);
    return { path: relative(folder.path, file), hash: existsSync(file) ? sha256(readFileSync(file)) : null };
  });
  const whole = files.every((file) => file.hash !== null);
  return {
    weightsHash: hash,
    files,
    dataHash: whole ? sha256(files.map((file) => file.hash).join('')) : null,
  };
}
