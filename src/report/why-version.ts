/**
 * Why a version: its lineage back to M0, the data that it was trained on and the judge behind them, the optimizer, the loss, and
 * how many episodes and judgements that took.
 */
import type { Config } from '../protocol/config.js';
import { versionOf } from '../protocol/ids.js';
import type { BodyOf, Envelope } from '../protocol/messages.js';
import { judgesIn, type RunRecord } from './run-record.js';
import { type Fact, known, lineOf, type Trace } from './trace.js';

/** What lies on disk, as far as it could be read; hashes as the log names them. */
export interface OnDisk {
  readonly weightsHash: string | null;
  /** Name, and sha-256 of the file's bytes. */
  readonly files: readonly { readonly path: string; readonly hash: string | null }[];
  /** sha-256 of the files' hashes one after the other: what `dataHash` is. */
  readonly dataHash: string | null;
}

type Made = BodyOf<'version.made'>;

const lineageOf = (record: RunRecord, version: string): readonly Envelope[] => {
  const seq = record.made.get(version);
  if (seq === undefined) return [];
  const said = record.index.read(seq);
  return [said, ...lineageOf(record, (said.body as Made).from)];
};

const methodOf = ({ reference, from, datasets, rows, adapter }: Made): string =>
  `${reference === null ? 'SFT' : 'DPO'} from ${from} on ${datasets.join(' + ')}, ${rows} rows${
    adapter ? `, LoRA of rank ${adapter.rank}` : ''
  }`;

function adapterTrace({ adapter }: Made): Trace | null {
  if (adapter === undefined) return null;
  const { rank, alpha, dropout, targets, parameters } = adapter;
  return {
    kind: 'adapter',
    title: `${parameters} numbers trained, in adapters of rank ${rank}; the weights are those with them merged`,
    facts: { rank, alpha, dropout, targets },
  };
}

function ancestorTrace(said: Envelope): Trace {
  const made = said.body as Made;
  const facts = known({ weights: made.weightsHash, dataHash: made.dataHash, judge: made.judge ?? undefined });
  return { kind: 'version', title: `${made.version}: ${methodOf(made)}`, line: lineOf(said), facts };
}

const baseTrace = (record: RunRecord): Trace => ({
  kind: 'version',
  title: 'M0: the model that the run was given',
  ...(record.index.count > 0 ? { line: lineOf(record.index.read(0)) } : {}),
  facts: { weights: record.baseHash },
});

/** The loss in short: the first step, the last, and three between. */
function curveTrace({ index }: RunRecord, trainSeq: number): Trace | null {
  const seqs = index.effectsOf(trainSeq).filter((seq) => index.typeOf(seq) === 'training.stepped');
  if (seqs.length === 0) return null;
  const places = [...new Set([0, 0.25, 0.5, 0.75, 1].map((share) => Math.round(share * (seqs.length - 1))))];
  return {
    kind: 'curve',
    title: `${seqs.length} steps`,
    parts: places.map((place) => {
      const said = index.read(seqs[place]!);
      const { step, loss, gradNorm, learningRate, accuracy, margin } =
        said.body as BodyOf<'training.stepped'>;
      const facts = known({
        loss,
        gradNorm: gradNorm ?? undefined,
        learningRate: learningRate ?? undefined,
        accuracy: accuracy ?? undefined,
        margin: margin ?? undefined,
      });
      return { kind: 'step', title: `step ${step}`, line: lineOf(said), facts };
    }),
  };
}

const optimizerFacts = (config: Config, objective: 'sft' | 'dpo'): Record<string, Fact> =>
  known({ ...config[objective] });

function trainingTrace(record: RunRecord, version: string, madeSeq: number): Trace | null {
  const { index } = record;
  const trained = index
    .seqsOf('model.trained')
    .filter((seq) => seq < madeSeq)
    .map((seq) => index.read(seq))
    .findLast(({ body }) => (body as BodyOf<'model.trained'>).to === version);
  if (!trained) return null;
  const order = index.read(trained.cause);
  const { objective, key, from, by, reference: other } = order.body as BodyOf<'model.train'>;
  const reference = objective === 'dpo' ? (other ?? from) : null;
  const { rows, tooLong, steps, loss } = trained.body as BodyOf<'model.trained'>;
  const curve = curveTrace(record, order.seq);
  const settings = record.settingsAt(trained.seq);
  return {
    kind: 'training',
    title: `trained ${version} with ${objective === 'dpo' ? 'DPO' : 'SFT'}${by ? ', by the configured command' : ''}`,
    line: lineOf(order),
    facts: { key, from, reference, rows, tooLong, steps, lastLoss: loss },
    parts: [
      settings
        ? {
            kind: 'optimizer',
            title: `${by ? 'asked of the command' : 'AdamW'}, config.${objective}`,
            facts: optimizerFacts(settings.config, objective),
          }
        : { kind: 'optimizer', title: 'AdamW with the settings of the parent run, which are not here' },
      ...(curve ? [curve] : []),
      { kind: 'message', title: 'model.trained', line: lineOf(trained) },
    ],
  };
}

const reasonsIn = (reasons: Readonly<Record<string, number | undefined>>) =>
  Object.entries(reasons).map(([reason, count]) => `${reason} ${count}`);

function behindTrace(record: RunRecord, made: Made): Trace | null {
  const own = record.tally.iterations.get(made.iteration);
  if (made.stage !== 'iteration' || !own) return null;
  const { asks, prompts, pairs, judgements, unparseable, withheld, filtered, scores, scoreSum } = own;
  const { metaJudgements, judgementPairs, judgementsWithheld, futureChosen } = own;
  const disputes = { metaJudgements, judgementPairs, judgementsWithheld: reasonsIn(judgementsWithheld) };
  return {
    kind: 'episodes',
    title: `iteration ${made.iteration}: ${prompts} prompts of ${asks} asks, ${pairs} pairs`,
    facts: {
      judges: judgesIn(made.judge ?? record.config.cast.judge, made.iteration),
      judgements,
      unparseable,
      meanScore: scores > 0 ? scoreSum / scores : null,
      withheld: reasonsIn(withheld),
      filtered: reasonsIn(filtered),
      ...(metaJudgements > 0 ? disputes : {}),
      ...(futureChosen > 0 ? { futureChosen } : {}),
    },
  };
}

function dataTrace({ datasets, dataHash, rows, tooLong }: Made, { files, dataHash: found }: OnDisk): Trace {
  const parts = files.map(
    ({ path, hash }): Trace => ({ kind: 'file', title: path, facts: { sha256: hash } }),
  );
  const facts = { rows, tooLong, dataHash };
  const title = `data ${datasets.join(' + ')}`;
  if (found === null)
    return { kind: 'data', title, facts, parts, notes: ['a file is missing: not compared'] };
  return found === dataHash
    ? { kind: 'data', title, facts, parts, notes: ['the files have the hash that the log names'] }
    : { kind: 'data', title, facts, parts, problem: `the files on disk hash to ${found}` };
}

/** What the weights on disk say. */
function weightsCheck(weights: string | null, found: string | null): Pick<Trace, 'notes' | 'problem'> {
  if (found === null) return { notes: ['the weights are not on disk: not compared'] };
  return found === weights
    ? { notes: ['the weights on disk have the hash that the log names'] }
    : { problem: `the weights on disk hash to ${found}` };
}

function measuredTrace(record: RunRecord, version: string): Trace | null {
  const seq = record.evaluated.get(version);
  if (seq === undefined) return null;
  const said = record.index.read(seq);
  const { metrics } = said.body as BodyOf<'evaluation.made'>;
  const told = ['true.score', 'self.score', 'judge.pairwise', 'length'];
  const facts = Object.fromEntries(
    metrics.filter(({ name }) => told.includes(name)).map(({ name, value }) => [name, value]),
  );
  return { kind: 'metrics', title: `measured: ${metrics.length} numbers`, line: lineOf(said), facts };
}

export function whyVersion(record: RunRecord, version: string, disk: OnDisk): Trace {
  const measured = measuredTrace(record, version);
  const seq = record.made.get(version);
  const weights = record.weightsOf(version);
  if (seq === undefined)
    return {
      ...baseTrace(record),
      ...weightsCheck(weights, disk.weightsHash),
      parts: measured ? [measured] : [],
    };
  const [said, ...older] = lineageOf(record, version);
  const made = said!.body as Made;
  const training = trainingTrace(record, version, seq);
  const adapter = adapterTrace(made);
  const behind = behindTrace(record, made);
  const lineage: Trace = {
    kind: 'lineage',
    title: [version, ...older.map(({ body }) => (body as Made).version), versionOf(0)].join(' ← '),
    parts: [...older.map(ancestorTrace), baseTrace(record)],
  };
  return {
    kind: 'version',
    title: `${version}: ${methodOf(made)}`,
    line: lineOf(said!),
    facts: known({
      weights,
      stage: made.stage,
      iteration: made.iteration,
      reference: made.reference ?? undefined,
      judge: made.judge ?? undefined,
    }),
    ...weightsCheck(weights, disk.weightsHash),
    parts: [
      lineage,
      dataTrace(made, disk),
      ...(adapter ? [adapter] : []),
      ...(training ? [training] : []),
      ...(behind ? [behind] : []),
      ...(measured ? [measured] : []),
    ],
  };
}
