/**
 * A run opened for questions: its log with random access, and what every answer needs of it (versions, trainings, evaluations,
 * forks, which episodes there are). Made in one pass; holds counts and seqs, no texts.
 */
import { indexLog, type LogIndex } from '../log/log-index.js';
import { identityOf } from '../log/overrides.js';
import { castText, isModelCast, membersOf, parseCast, versionFor } from '../protocol/cast.js';
import { type Config, configSchema } from '../protocol/config.js';
import { versionOf } from '../protocol/ids.js';
import type { BodyOf, Envelope, MessageType } from '../protocol/messages.js';
import type { JudgeTemplate, PromptFormat } from '../protocol/records.js';
import { emptyTally, type Tally, tallyMessage } from './tally.js';

/** What a part of a log was made with. */
export interface Settings {
  readonly config: Config;
  readonly template: JudgeTemplate;
}

/** What a run's config.json says. */
export interface RunConfig extends Settings {
  readonly format: PromptFormat;
  /** Of a fork: what the log's first part was made with; null where the file doesn't say. */
  readonly initial: Settings | null;
}

type Override = BodyOf<'run.forked'>['overrides'][number];

export interface RunRecord extends RunConfig {
  readonly name: string;
  readonly index: LogIndex;
  readonly tally: Tally;
  /** sha-256 of M0's weights; null while the log is empty. */
  readonly baseHash: string | null;
  /** Seqs of the newest `version.made` and `evaluation.made` of each version. */
  readonly made: ReadonlyMap<string, number>;
  readonly evaluated: ReadonlyMap<string, number>;
  /** Iteration → its asks, as far as their episodes have begun. */
  readonly episodes: ReadonlyMap<number, number>;
  body<T extends MessageType>(type: T, seq: number): BodyOf<T>;
  weightsOf(version: string): string | null;
  /** What a message was made with; null where that is not to be known. */
  settingsAt(seq: number): Settings | null;
  /** Why a fact stands here as no machine or model made it. */
  changedByHand(envelope: Envelope): Override | undefined;
}

type Fork = Pick<BodyOf<'run.forked'>, 'overrides' | 'config'> & { readonly seq: number };

/** The run's own settings after its last fork, the parent's before the first, else what the fork before says. */
function settingsAt(run: RunConfig, forks: readonly Fork[], seq: number): Settings | null {
  const before = forks.filter((fork) => fork.seq < seq);
  if (before.length === forks.length) return run;
  const said = before.at(-1);
  if (!said) return run.initial;
  const parsed = configSchema.safeParse(said.config);
  if (!parsed.success) return null;
  const config = parsed.data;
  const judgedAlike = (other: Settings) =>
    other.config.judge.template === config.judge.template && other.config.world.name === config.world.name;
  const alike = [run, run.initial].find((other) => other !== null && judgedAlike(other));
  return alike ? { config, template: alike.template } : null;
}

/** Reads the log once; `visit` sees every envelope on the way. */
export async function openRecord(
  run: RunConfig & { readonly name: string; readonly log: string },
  visit: (envelope: Envelope) => void = () => {},
): Promise<RunRecord> {
  const made = new Map<string, number>();
  const evaluated = new Map<string, number>();
  const weights = new Map<string, string>();
  const forks: Fork[] = [];
  const episodes = new Map<number, number>();
  const tally = emptyTally();
  let baseHash: string | null = null;
  const index = await indexLog(run.log, (envelope) => {
    const { seq, type, body } = envelope;
    tallyMessage(tally, envelope);
    if (type === 'run.start') {
      baseHash = (body as BodyOf<'run.start'>).baseHash;
      weights.set(versionOf(0), baseHash);
    } else if (type === 'version.made') {
      const { version, weightsHash } = body as BodyOf<'version.made'>;
      made.set(version, seq);
      weights.set(version, weightsHash);
    } else if (type === 'evaluation.made') evaluated.set((body as BodyOf<'evaluation.made'>).version, seq);
    else if (type === 'run.forked') {
      const { overrides, config } = body as BodyOf<'run.forked'>;
      forks.push({ seq, overrides, config });
    } else if (type === 'prompt.made' || type === 'prompt.filtered' || type === 'prompt.failed') {
      const { iteration } = body as { iteration: number };
      episodes.set(iteration, (episodes.get(iteration) ?? 0) + 1);
    }
    visit(envelope);
  });
  return {
    ...run,
    index,
    tally,
    baseHash,
    made,
    evaluated,
    episodes,
    body: <T extends MessageType>(_type: T, seq: number) => index.read(seq).body as BodyOf<T>,
    weightsOf: (version) => weights.get(version) ?? null,
    settingsAt: (seq) => settingsAt(run, forks, seq),
    changedByHand: (envelope) =>
      forks
        .filter(({ seq }) => seq < envelope.seq)
        .flatMap(({ overrides }) => overrides)
        .find(({ fact }) => fact === identityOf(envelope)),
  };
}

/** Versions that the log knows, oldest first. */
export const versionsOf = ({ baseHash, made }: RunRecord): string[] => [
  ...(baseHash === null ? [] : [versionOf(0)]),
  ...made.keys(),
];

/** Which version each member of a judge is in an iteration: `live = M1`, `oracle`. */
export function judgesIn(judge: string, iteration: number): string[] {
  return membersOf(parseCast('judge', judge)).map((member) =>
    isModelCast(member) ? `${castText(member)} = ${versionFor(member, iteration)}` : castText(member),
  );
}

/** What a fact that a person changed was before. */
export function handNote(record: RunRecord, envelope: Envelope): readonly string[] {
  const change = record.changedByHand(envelope);
  return change ? [`changed by hand in a fork: ${change.path} was ${JSON.stringify(change.was)}`] : [];
}
