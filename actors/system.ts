/**
 * The composition root: with parts.ts the only file that builds concrete things and binds them. Makes a run out of a config, or
 * goes on with one from its log (a resume), or from part of another's (a fork); says how it ends.
 */
import { type Observable, Subject } from 'rxjs';
import { readCheckpoint } from '../src/lm/checkpoint.js';
import { targetsOf } from '../src/lm/lora.js';
import { weightsHash } from '../src/lm/weights.js';
import { sha256 } from '../src/log/chain.js';
import type { Fold } from '../src/log/fold.js';
import { type LogStart, type LogWriter, openLog } from '../src/log/writer.js';
import type { BackendChoice } from '../src/protocol/backends.js';
import type { Config } from '../src/protocol/config.js';
import { reasonOf } from '../src/protocol/errors.js';
import { versionOf } from '../src/protocol/ids.js';
import type { Envelope, MessageType, Outgoing } from '../src/protocol/messages.js';
import { writeAtomic } from '../src/store/files.js';
import { type Lock, takeLock } from '../src/store/lock.js';
import { configText, type RunConfig } from '../src/store/run-config.js';
import {
  createRunFolder,
  type Manifest,
  type RunFolder,
  removeDrafts,
  runFolder,
} from '../src/store/run-folder.js';
import { commandConsent } from './command/consent.js';
import { settledFormat } from './format.js';
import { checkPinned } from './hub-ids.js';
import { createKeeper, type Keeper } from './keeper.js';
import { checkFits } from './memory.js';
import { createParts, type Machinery, type Parts } from './parts.js';
import { createSequencer, FRESH, type Sequencer, type Start } from './sequencer.js';
import type { Messages } from './streams.js';
import { baseModel } from './worlds.js';

export interface RunOptions extends Machinery {
  readonly config: Config;
  /** The run's folder; must be absent or empty. */
  readonly out: string;
  /** Where the world's own M0 lies. */
  readonly assets: string;
}

export interface RunEnd {
  readonly status: 'finished' | 'stopped' | 'failed';
  readonly folder: RunFolder;
  readonly messages: number;
  readonly outcomeHash: string;
  readonly headHash: string;
  readonly reason: string | null;
}

export interface Run {
  readonly folder: RunFolder;
  readonly backend: string;
  readonly messages$: Messages;
  /** The state in which each message left who took it; null where that has none. Only looked up where somebody listens. */
  readonly states$: Observable<StateAfter>;
  /** The first message that is said live. */
  readonly from: number;
  /** Share of an evaluation that is done; for people, not on the log. */
  readonly measuring$: Parts['measuring$'];
  start(): Promise<RunEnd>;
  /** Ends the run at the next message; what was written stays. */
  stop(): void;
  pause(): void;
  resume(): void;
  /** Lets no message pass until `release`, but one for each `step`; leaves no trace on the log. */
  hold(): void;
  step(): void;
  release(): void;
}

export interface StateAfter {
  readonly seq: number;
  readonly state: string | null;
}

/** Builds a run; nothing is written before the config, world, casts and M0 are known to be good. */
export async function createRun(options: RunOptions): Promise<Run> {
  const { out, versions } = options;
  await checkPinned(options.config);
  const folder = runFolder(out);
  const base = await readCheckpoint(baseModel(options.config, options.assets));
  const config = settledFormat(options.config, base, options.clock);
  if (config.lora.rank > 0) targetsOf(base.weights.architecture, config.lora.targets);
  const consented = commandConsent(config);
  const parts = await createParts({ ...options, ...consented }, folder, config, config);
  let lock: Lock | undefined;
  try {
    parts.model.register(versionOf(0), base);
    await checkFits(parts, config, options);
    createRunFolder(out);
    lock = takeLock(folder.lock, out);
    removeDrafts(out);
    const text = configText({ ...config, used: usedBy(parts, versions) });
    writeAtomic(folder.config, text);
    const hash = weightsHash(base.weights);
    await parts.store.save(versionOf(0), hash);
    const keeper = createKeeper();
    const run = bind(parts, options, { folder, lock, keeper, parent: null, log: undefined, start: FRESH });
    begin(parts, text, hash);
    return run;
  } catch (error) {
    lock?.release();
    await parts.close();
    throw error;
  }
}

/** The first message; `baseHash`: weightsHash of M0. */
export function begin(parts: Parts, configText: string, baseHash: string): void {
  const body = { configHash: sha256(configText), baseHash };
  parts.speaker?.('user', { to: 'coordinator', message: { type: 'run.start', body } });
}

/** For config.json: with what a run's numbers were made. */
export const usedBy = ({ model, company, world, recorded }: Parts, versions: Machinery['versions']) => ({
  backend: model.backend,
  ...(Object.keys(recorded).length > 0 ? { recorded } : {}),
  template: company.bound.template,
  format: world.format,
  ...versions,
});

/** `auto` goes on with the backend that a run was begun with. */
export const backendOf = (asked: BackendChoice, { backend }: RunConfig): BackendChoice =>
  asked === 'auto' && backend ? (backend as BackendChoice) : asked;

/** Where the sequencer takes over from a fold. */
export const startAfter = ({ seq, midJob, paused }: Fold, seam: Outgoing): Start => ({
  seq,
  midJob,
  paused,
  seam,
});

export interface Ground {
  readonly folder: RunFolder;
  readonly lock: Lock;
  /** Has been shown what the log holds already. */
  readonly keeper: Keeper;
  readonly parent: Manifest['parent'];
  /** What the log holds already. */
  readonly log: LogStart | undefined;
  readonly start: Start;
}

export const isLast = (type: MessageType): boolean => type === 'run.finished' || type === 'run.failed';

/** Joins parts, log and views. */
export function bind(parts: Parts, machinery: Machinery, ground: Ground): Run {
  const { clock, durability } = machinery;
  const { company } = parts;
  const { folder, keeper, start } = ground;
  const log = (machinery.openLog ?? openLog)(folder.log, ground.log, durability);
  keeper.attach(folder, log, ground.parent);
  const messages$ = new Subject<Envelope>();
  const states$ = new Subject<StateAfter>();
  const sequencer = createSequencer({
    log,
    clock,
    delivery: company.delivery,
    start,
    publish: (envelope) => {
      company.observe(envelope);
      keeper.observe(envelope);
      messages$.next(envelope);
    },
    isLast,
    delivered({ seq, to }) {
      if (states$.observed) states$.next({ seq, state: company.roles.left(to)?.state ?? null });
    },
  });
  parts.speaker = sequencer.interject;
  // A run that goes on does go on.
  if (start.paused)
    sequencer.interject('user', { to: 'coordinator', message: { type: 'run.resume', body: {} } });
  return runOf(parts, { ...ground, writer: log, sequencer, messages$, states$ });
}

interface Bound extends Ground {
  readonly writer: LogWriter;
  readonly sequencer: Sequencer;
  readonly messages$: Subject<Envelope>;
  readonly states$: Subject<StateAfter>;
}

function runOf(
  { close, commands, measuring$, model }: Parts,
  { folder, lock, writer, keeper, sequencer, messages$, states$, start }: Bound,
): Run {
  const say = (type: 'run.pause' | 'run.resume') =>
    sequencer.interject('user', { to: 'coordinator', message: { type, body: {} } });
  const ended = (status: RunEnd['status']): RunEnd => {
    const reason = keeper.failure;
    keeper.writeManifest(status, reason);
    const outcomeHash = keeper.outcome();
    return { status, folder, messages: writer.count, outcomeHash, headHash: writer.head, reason };
  };
  return {
    folder,
    backend: model.backend,
    messages$,
    states$,
    from: start.seq,
    measuring$,
    async start() {
      try {
        const end = await sequencer.run();
        return ended(keeper.failure === null ? end : 'failed');
      } catch (error) {
        tryToWrite(() => keeper.writeManifest('failed', reasonOf(error)));
        throw error;
      } finally {
        await commands.close();
        writer.close();
        lock.release();
        messages$.complete();
        states$.complete();
        await close();
      }
    },
    stop: () => sequencer.stop(),
    pause: () => say('run.pause'),
    resume: () => say('run.resume'),
    hold: sequencer.hold,
    step: sequencer.step,
    release: sequencer.release,
  };
}

/** On a full disk the old manifest stays; the failure that brought us here is the one to report. */
function tryToWrite(write: () => void): void {
  try {
    write();
  } catch {
    // see above
  }
}
