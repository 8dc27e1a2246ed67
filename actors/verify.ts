/**
 * What a replay with --verify checks beyond the messages: all that was derived from them is derived again and must be equal. Metrics
 * from the facts of each measurement, verdicts from what the judge wrote, training files from the facts before, and on disk
 * metrics.jsonl, data/, lineage, weights and the manifest. A problem is told, not thrown: one look shows all.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { withChat } from '../src/lm/chat-encoding.js';
import { readCheckpoint } from '../src/lm/checkpoint.js';
import { tokenizerOf } from '../src/lm/tokenizer.js';
import { weightsHash } from '../src/lm/weights.js';
import type { Config } from '../src/protocol/config.js';
import { type VersionId, versionOf } from '../src/protocol/ids.js';
import type { BodyOf, Envelope, Message } from '../src/protocol/messages.js';
import type { Tokenizer } from '../src/protocol/ports.js';
import { parseVerdict } from '../src/stages/judge.js';
import { type EvaluationFacts, metricsOf } from '../src/stages/metrics.js';
import type { RunFolder } from '../src/store/run-folder.js';
import type { Company } from './company.js';
import { clockOf } from './format.js';
import { metricLines } from './keeper.js';

export interface Verifier {
  /** To be shown every envelope after the company has seen it. */
  observe(envelope: Envelope): void;
  /** What is wrong, after the last line. */
  problems(): Promise<readonly string[]>;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] extends readonly (infer E)[] ? E[] : T[K] };
type Gathering = Mutable<Pick<EvaluationFacts, 'answered' | 'judged' | 'compared'>> & {
  against: readonly VersionId[];
};

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

/** What training data is encoded with: M0's, as every version's. */
export interface Encoding {
  readonly tokenizer: Tokenizer;
  readonly maxTokens: number;
}

export async function encodingOf(folder: RunFolder, config: Config): Promise<Encoding> {
  const checkpoint = await readCheckpoint(folder.model(versionOf(0)));
  const maxTokens = checkpoint.weights.architecture.maxPositions;
  const files = checkpoint.tokenizer!;
  return { tokenizer: withChat(tokenizerOf(files, checkpoint), files, clockOf(config).clock), maxTokens };
}

export function createVerifier(folder: RunFolder, company: Company, encoding: Encoding): Verifier {
  const found: string[] = [];
  const gathering = new Map<VersionId, Gathering>();
  const trainings = new Map<VersionId, Trained>();
  const made: BodyOf<'version.made'>[] = [];
  let metrics = '';

  const gatheringOf = (version: VersionId): Gathering => {
    const own = gathering.get(version) ?? { answered: [], judged: [], compared: [], against: [] };
    gathering.set(version, own);
    return own;
  };
  const checkMetrics = (envelope: Envelope): void => {
    const { version, metrics: recorded } = envelope.body as BodyOf<'evaluation.made'>;
    const computed = computedMetrics(company, version, gatheringOf(version));
    const odd = computed.find((metric, i) => !same(metric, recorded[i]));
    if (odd || computed.length !== recorded.length)
      found.push(
        `seq ${envelope.seq}: ${odd?.name ?? 'the metrics'} of ${version} is not what its facts give`,
      );
    metrics += metricLines(envelope);
    gathering.delete(version);
  };
  const checkVerdicts = (seq: number, { texts, verdicts }: BodyOf<'evaluation.judged'>): void => {
    const { template } = company.bound;
    const read = texts.map((text) => parseVerdict(text, template));
    if (!same(read, verdicts)) found.push(`seq ${seq}: a verdict is not what the judge wrote`);
  };
  const checkTraining = (seq: number, { to, dataHash, rows, tooLong }: BodyOf<'model.trained'>): void => {
    if (!same(trainings.get(to), { dataHash, rows, tooLong }))
      found.push(`seq ${seq}: what ${to} was trained on is not what the log before it gives`);
  };
  return {
    observe(envelope) {
      const { seq } = envelope;
      const said = { type: envelope.type, body: envelope.body } as Message;
      switch (said.type) {
        case 'evaluation.request':
          gatheringOf(said.body.version).against = said.body.against;
          return;
        case 'evaluation.answered':
          gatheringOf(said.body.version).answered.push(said.body);
          return;
        case 'evaluation.compared':
          gatheringOf(said.body.version).compared.push(said.body);
          return;
        case 'evaluation.judged':
          gatheringOf(said.body.version).judged.push(said.body);
          return checkVerdicts(seq, said.body);
        case 'evaluation.made':
          return checkMetrics(envelope);
        case 'model.train':
          trainings.set(said.body.to, rebuilt(folder, company, said.body, encoding, found));
          return;
        case 'model.trained':
          return checkTraining(seq, said.body);
        case 'version.made':
          made.push(said.body);
      }
    },
    async problems() {
      const lines = existsSync(folder.metrics) ? readFileSync(folder.metrics, 'utf8') : '';
      if (lines !== metrics) found.push('metrics.jsonl is not what the log gives');
      const stored = await Promise.all(made.map((version) => versionProblems(folder, version)));
      return [...found, ...stored.flat()];
    },
  };
}

function computedMetrics(company: Company, version: VersionId, { against, ...facts }: Gathering) {
  const { config, template } = company.bound;
  const { resamples, confidence } = config.evaluate;
  const before = new Map(against.map((other) => [other, company.answers.get(other) ?? []]));
  const options = { seed: config.seed, resamples, confidence, maxScore: template.verdict.max };
  return metricsOf({ version, ...facts, before }, options);
}

type Trained = Pick<BodyOf<'model.trained'>, 'dataHash' | 'rows' | 'tooLong'>;

/** The training files, made again from the facts so far, against those on disk. */
function rebuilt(
  folder: RunFolder,
  { bound }: Company,
  job: BodyOf<'model.train'>,
  { tokenizer, maxTokens }: Encoding,
  found: string[],
): Trained {
  const { dataHash, rows, tooLong } = bound.datasets.build(job, tokenizer, maxTokens, (name, content) => {
    const file = folder.data(name);
    if (!existsSync(file)) found.push(`data/${name}.jsonl is missing`);
    else if (readFileSync(file, 'utf8') !== content)
      found.push(`data/${name}.jsonl is not what the log gives`);
  });
  return { dataHash, rows, tooLong };
}

async function versionProblems(folder: RunFolder, made: BodyOf<'version.made'>): Promise<string[]> {
  const dir = folder.model(made.version);
  const problems: string[] = [];
  try {
    const lineage: unknown = JSON.parse(readFileSync(join(dir, 'lineage.json'), 'utf8'));
    if (!same(lineage, made)) problems.push(`models/${made.version}/lineage.json is not what the log says`);
  } catch {
    problems.push(`models/${made.version}/lineage.json can’t be read`);
  }
  try {
    const { weights } = await readCheckpoint(dir);
    if (weightsHash(weights) !== made.weightsHash)
      problems.push(`models/${made.version} holds other weights than the log says`);
  } catch {
    problems.push(`models/${made.version} can’t be read as a checkpoint`);
  }
  return problems;
}
