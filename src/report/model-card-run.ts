/** What a model card says of a run: gathered from its log's record and its config. Nothing is computed anew. */
import type { BodyOf } from '../protocol/messages.js';
import { leavesOf } from '../protocol/plain.js';
import type { CardRun, CardVersion } from './model-card.js';
import { runCommand } from './reproduce.js';
import type { RunRecord } from './run-record.js';

/** How a version was trained, as its `model.trained` says. */
function trainedBy({ index, settingsAt }: RunRecord, made: BodyOf<'version.made'>, madeSeq: number): string {
  const seq = index
    .seqsOf('model.trained')
    .findLast(
      (one) => one < madeSeq && (index.read(one).body as BodyOf<'model.trained'>).to === made.version,
    );
  const objective = seq === undefined ? null : (index.read(seq).body as BodyOf<'model.trained'>).objective;
  const reference = made.reference === null ? '' : `, reference ${made.reference}`;
  const trainer = settingsAt(madeSeq)?.config.cast.trainer;
  const player = made.stage === 'iteration' && trainer !== undefined ? ` (trainer ${trainer})` : '';
  return `${objective?.toUpperCase() ?? 'unknown'}${reference}${player}`;
}

function lineageOf(record: RunRecord, version: string): CardVersion[] {
  const seq = record.made.get(version);
  if (seq === undefined) return [];
  const made = record.body('version.made', seq);
  const { from, datasets, rows, judge, weightsHash, dataHash } = made;
  const trained = trainedBy(record, made, seq);
  return [
    ...lineageOf(record, from),
    { version, from, trained, datasets, rows, judge, weightsHash, dataHash },
  ];
}

const isHub = (value: unknown): value is string => typeof value === 'string' && value.startsWith('hf:');

/** `configText`: the run's config.json. */
export function cardRun(record: RunRecord, version: string, configText: string): CardRun {
  const { config, tally, index } = record;
  const evaluated = record.evaluated.get(version);
  return {
    name: record.name,
    seed: config.seed,
    world: config.world.name,
    hubModel: isHub(config.model) ? config.model : null,
    hubData: leavesOf(config.world).flatMap(([, value]) => (isHub(value) ? [value] : [])),
    baseHash: record.baseHash,
    lineage: lineageOf(record, version),
    metrics: evaluated === undefined ? [] : record.body('evaluation.made', evaluated).metrics,
    notes: tally.notes,
    command: runCommand(config, null).join(' \\\n  '),
    config: configText.trimEnd(),
    forkedFrom: index.seqsOf('run.forked').map((seq) => record.body('run.forked', seq).parent.run),
  };
}
