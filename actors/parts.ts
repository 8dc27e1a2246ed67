/**
 * What every run is bound of, new or gone on with: world, model on worker threads, company, and the means by which jobs are done.
 * Checked before anything is written.
 */
import { basename } from 'node:path';
import { Subject } from 'rxjs';
import { type Checkpoint, readCheckpoint } from '../src/lm/checkpoint.js';
import { readRecording } from '../src/log/recording.js';
import type { openLog } from '../src/log/writer.js';
import { type Commands, createCommands } from '../src/players/command-process.js';
import {
  createLanguageModel,
  type LanguageModelOptions,
  type SharedModel,
} from '../src/pool/language-model.js';
import type { PlannedFault, WorkerCrash } from '../src/pool/runner.js';
import type { BackendChoice } from '../src/protocol/backends.js';
import { checkpointVersion } from '../src/protocol/cast.js';
import type { Config } from '../src/protocol/config.js';
import type { Durability } from '../src/protocol/durability.js';
import { SoliloquyError } from '../src/protocol/errors.js';
import type { VersionId } from '../src/protocol/ids.js';
import type { ToldStep } from '../src/protocol/lm.js';
import type { BodyOf } from '../src/protocol/messages.js';
import type { Recording, World } from '../src/protocol/ports.js';
import { modelFolder } from '../src/store/hub/repository.js';
import { type RunFolder, runFolder } from '../src/store/run-folder.js';
import { type Company, createCompany } from './company.js';
import { castEndpoints, createServers, type EndpointMeans } from './endpoints.js';
import { checkTemplates, clockOf } from './format.js';
import type { Sequencer } from './sequencer.js';
import { createVersionStore, trainAndStore, type VersionStore } from './versions.js';
import { checkCasts, checkpointsIn, createWorld, recordingsIn } from './worlds.js';

/** What a run takes beside its config. */
export interface Machinery extends EndpointMeans {
  readonly workers: number;
  readonly backend: BackendChoice;
  /** Bytes that a run may take; default: what the machine or container has. */
  readonly memory?: number;
  /** Default: grouped. */
  readonly durability?: Durability;
  /** For config.json: what made the run. */
  readonly versions: Readonly<Record<string, string>>;
  /** Tests and benchmarks: another model than the one on worker threads. */
  readonly createModel?: (options: LanguageModelOptions) => Promise<SharedModel>;
  /** Benchmarks: where messages go instead of a file. */
  readonly openLog?: typeof openLog;
  /** The external trainer's command that may be run (commandText); absent: none, but a new run's own. */
  readonly consented?: string;
  /** Tests only. */
  readonly faults?: readonly PlannedFault[];
}

export interface Parts {
  readonly world: World;
  readonly model: SharedModel;
  /** Ends the model and what is asked of servers. */
  readonly close: () => Promise<void>;
  readonly company: Company;
  readonly store: VersionStore;
  /** Of external trainers; to be closed before the model. */
  readonly commands: Commands;
  /** Head of each log that answers, by the run's name in the cast. */
  readonly recorded: Readonly<Record<string, string>>;
  readonly measuring$: Subject<{ readonly version: VersionId; readonly share: number }>;
  /** Who says what comes from outside, once the run is on its way. */
  speaker: Sequencer['interject'] | undefined;
}

/** `first`: the config at the log's beginning. `config`: the one to go on with, whose casts must be playable. */
export async function createParts(
  machinery: Machinery,
  folder: RunFolder,
  first: Config,
  config: Config,
): Promise<Parts> {
  const { workers, backend, consented = null, faults = [], createModel = createLanguageModel } = machinery;
  const world = createWorld(first);
  checkCasts(config, world);
  const casts = await castCheckpoints(first, config);
  checkTemplates(first, casts);
  const recordings = await recordingsOf(first, config);
  const servers = createServers(
    { ...first.endpoints, ...config.endpoints },
    castEndpoints(config),
    machinery,
  );
  const interject: Sequencer['interject'] = (...said) => parts.speaker?.(...said);
  const onWorkerCrash = ({ task, attempt, reason }: WorkerCrash) => {
    const body = { task: task ?? 'idle', attempt, reason };
    interject('model', { to: 'record', message: { type: 'worker.crashed', body } });
  };
  const model = await createModel({ workers, backend, onWorkerCrash, faults, ...clockOf(first) });
  for (const { version, dir, checkpoint } of casts) {
    model.register(version, checkpoint);
    model.settle(version, { read: () => readCheckpoint(dir) });
  }
  const store = createVersionStore(model, folder);
  const commands = createCommands();
  const measuring$: Parts['measuring$'] = new Subject();
  const company = createCompany(first, world, {
    model,
    load: store.load,
    exists: model.has,
    train: (job, onStep, bound) =>
      trainAndStore(job, onStep, bound, { model, folder, save: store.save, commands, consented }),
    recording: (run) => recordingIn(recordings, run),
    endpoint: servers.of,
    onStep: (to, step, cause) =>
      interject(
        'model',
        { to: 'record', message: { type: 'training.stepped', body: stepped(to, step) } },
        cause,
      ),
    onProgress: (version, share) => measuring$.next({ version, share }),
  });
  const recorded = Object.fromEntries([...recordings].map(([run, { headHash }]) => [run, headHash]));
  const close = () => {
    servers.close();
    return model.close();
  };
  const parts: Parts = {
    world,
    model,
    close,
    company,
    store,
    commands,
    recorded,
    measuring$,
    speaker: undefined,
  };
  return parts;
}

interface CastCheckpoint {
  readonly version: VersionId;
  readonly dir: string;
  readonly checkpoint: Checkpoint;
}

/** Those of the cast to go on with must be there; an older one is only wanted if something of it is still under way. */
async function castCheckpoints(first: Config, config: Config): Promise<CastCheckpoint[]> {
  const needed = checkpointsIn(config);
  const older = checkpointsIn(first).filter((dir) => !needed.includes(dir));
  const read = async (model: string) => {
    const dir = modelFolder(model);
    return { version: checkpointVersion(model), dir, checkpoint: await readCheckpoint(dir) };
  };
  const casts = await Promise.all(needed.map(read));
  const found = await Promise.allSettled(older.map(read));
  return [...casts, ...found.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))];
}

async function recordingsOf(...configs: readonly Config[]): Promise<ReadonlyMap<string, Recording>> {
  const runs = [...new Set(configs.flatMap(recordingsIn))];
  return new Map(
    await Promise.all(
      runs.map(async (run) => [run, await readRecording(runFolder(run).log, basename(run))] as const),
    ),
  );
}

function recordingIn(recordings: ReadonlyMap<string, Recording>, run: string): Recording {
  const found = recordings.get(run);
  if (found) return found;
  throw new SoliloquyError('run.missing', `the log of ${run} is not at hand`, { run });
}

const stepped = (to: VersionId, step: ToldStep): BodyOf<'training.stepped'> => {
  const { steps, loss, gradNorm, learningRate, accuracy = null, margin = null } = step;
  return { to, step: step.step, steps, loss, gradNorm, learningRate, accuracy, margin };
};

const nobody = new Proxy({} as SharedModel, {
  get() {
    throw new SoliloquyError('protocol.violation', 'a replay asks no model');
  },
});

/** A company that starts no job: for a replay. */
export const createReader = (config: Config): Company => {
  const never = async () => nobody.close() as never;
  return createCompany(config, createWorld(config), {
    model: nobody,
    load: never,
    exists: () => false,
    train: never,
    recording: (run) => recordingIn(new Map(), run),
    endpoint: () => nobody.close() as never,
    onStep: () => undefined,
    onProgress: () => undefined,
  });
};
