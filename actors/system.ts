/**
 * The composition root: the only file that builds concrete things and binds them. Makes a run out of a config: world,
 * model, roles, addressees, log and folder; says how it ends.
 */
import { Subject } from 'rxjs';
import { type Checkpoint, readCheckpoint } from '../src/lm/checkpoint.js';
import { weightsHash } from '../src/lm/weights.js';
import { sha256 } from '../src/log/chain.js';
import { type LogWriter, openLog } from '../src/log/writer.js';
import { createScorer } from '../src/players/scorer.js';
import { createSharedModel } from '../src/players/shared-model.js';
import { createLanguageModel, type SharedModel } from '../src/pool/language-model.js';
import type { PlannedFault, WorkerCrash } from '../src/pool/runner.js';
import type { BackendChoice } from '../src/protocol/backends.js';
import { checkpointVersion } from '../src/protocol/cast.js';
import type { Config } from '../src/protocol/config.js';
import { reasonOf } from '../src/protocol/errors.js';
import { type VersionId, versionOf } from '../src/protocol/ids.js';
import type { TrainStep } from '../src/protocol/lm.js';
import type { BodyOf, Envelope } from '../src/protocol/messages.js';
import type { Addressee, Clock, World } from '../src/protocol/ports.js';
import type { JudgeTemplate } from '../src/protocol/records.js';
import { writeAtomic } from '../src/store/files.js';
import { createRunFolder, type RunFolder } from '../src/store/run-folder.js';
import { createDatasets, type Datasets } from './datasets.js';
import { createEvaluator } from './evaluator.js';
import { createKeeper, type Keeper } from './keeper.js';
import { createRoles } from './roles.js';
import { createSequencer, type Sequencer } from './sequencer.js';
import type { Messages } from './streams.js';
import { createVersionStore, trainAndStore } from './versions.js';
import { createWorldAddressee } from './world.js';
import { baseModel, checkCasts, checkpointsIn, createWorld, templateFor } from './worlds.js';

export interface RunOptions {
  readonly config: Config;
  /** The run's folder; must be absent or empty. */
  readonly out: string;
  /** Where the world's own M0 lies. */
  readonly assets: string;
  readonly workers: number;
  readonly backend: BackendChoice;
  readonly clock: Clock;
  /** For config.json: what made the run. */
  readonly versions: Readonly<Record<string, string>>;
  /** Tests only. */
  readonly faults?: readonly PlannedFault[];
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
  /** Share of an evaluation that is done; for people, not on the log. */
  readonly measuring$: Subject<{ readonly version: VersionId; readonly share: number }>;
  start(): Promise<RunEnd>;
  /** Ends the run at the next message; what was written stays. */
  stop(): void;
  pause(): void;
  resume(): void;
}

/** All that a run is bound of, checked before anything is written. */
interface Parts {
  readonly options: RunOptions;
  readonly world: World;
  readonly template: JudgeTemplate;
  readonly base: Checkpoint;
  readonly model: SharedModel;
  readonly measuring$: Run['measuring$'];
  /** Says something from outside the roles, once the run is on its way. */
  readonly interject: Sequencer['interject'];
}

/** Builds a run; nothing is written before the config, world, casts and M0 are known to be good. */
export async function createRun(options: RunOptions): Promise<Run> {
  const { config, workers, backend, faults = [] } = options;
  const world = createWorld(config);
  const template = templateFor(config, world);
  checkCasts(config, world);
  const base = await readCheckpoint(baseModel(config, options.assets));
  let sequencer: Sequencer | undefined;
  const interject: Sequencer['interject'] = (...said) => sequencer?.interject(...said);
  const onWorkerCrash = ({ task, attempt, reason }: WorkerCrash) => {
    const body = { task: task ?? 'idle', attempt, reason };
    interject('model', { to: 'record', message: { type: 'worker.crashed', body } });
  };
  const model = await createLanguageModel({ workers, backend, onWorkerCrash, faults });
  try {
    model.register(versionOf(0), base);
    for (const dir of checkpointsIn(config))
      model.register(checkpointVersion(dir), await readCheckpoint(dir));
    const bound = await bind({ options, world, template, base, model, measuring$: new Subject(), interject });
    sequencer = bound.sequencer;
    return bound.run;
  } catch (error) {
    await model.close();
    throw error;
  }
}

/** Makes the folder and joins roles, addressees, log and views. */
async function bind(parts: Parts): Promise<{ readonly run: Run; readonly sequencer: Sequencer }> {
  const { options, world, template, base, model } = parts;
  const { config, clock, versions } = options;
  const folder = createRunFolder(options.out);
  const used = { backend: model.backend, template, format: world.format, ...versions };
  const configText = `${JSON.stringify({ ...config, used }, null, 2)}\n`;
  writeAtomic(folder.config, configText);
  const store = createVersionStore(model, folder);
  await store.save(versionOf(0));
  const log = openLog(folder.log);
  const keeper = createKeeper(folder, log);
  const datasets = createDatasets(config, world.format, template);
  const addressees = createAddressees(parts, folder, datasets, store);
  const messages$ = new Subject<Envelope>();
  const sequencer = createSequencer({
    log,
    clock,
    role: createRoles(config, world, template),
    addressee: (address) => addressees.find((one) => one.address === address),
    addressees,
    publish: (envelope) => {
      datasets.observe(envelope);
      keeper.observe(envelope);
      messages$.next(envelope);
    },
    isLast: ({ type }) => type === 'run.finished' || type === 'run.failed',
  });
  keeper.writeManifest('running', null);
  const start = { configHash: sha256(configText), baseHash: weightsHash(base.weights) };
  sequencer.interject('user', { to: 'coordinator', message: { type: 'run.start', body: start } });
  return { sequencer, run: runOf(parts, { folder, log, keeper, sequencer, messages$ }) };
}

function createAddressees(
  { options, world, template, model, measuring$, interject }: Parts,
  folder: RunFolder,
  datasets: Datasets,
  { load, save }: ReturnType<typeof createVersionStore>,
): readonly Addressee[] {
  const { config } = options;
  const onStep = (to: VersionId, step: TrainStep, cause: number) =>
    interject(
      'model',
      { to: 'record', message: { type: 'training.stepped', body: stepped(to, step) } },
      cause,
    );
  return [
    createWorldAddressee(world),
    createScorer(world),
    createEvaluator({
      config,
      model,
      world,
      template,
      seedData: () => datasets.seed,
      load,
      exists: (version) => model.has(version),
      onProgress: (version, share) => measuring$.next({ version, share }),
    }),
    createSharedModel({
      model,
      batchRows: config.flow.batchRows,
      window: config.flow.window,
      load,
      train: (job, onStep) => trainAndStore(job, onStep, { config, model, folder, datasets, save }),
      onStep,
    }),
  ];
}

interface Bound {
  readonly folder: RunFolder;
  readonly log: LogWriter;
  readonly keeper: Keeper;
  readonly sequencer: Sequencer;
  readonly messages$: Subject<Envelope>;
}

function runOf({ model, measuring$ }: Parts, { folder, log, keeper, sequencer, messages$ }: Bound): Run {
  const say = (type: 'run.pause' | 'run.resume') =>
    sequencer.interject('user', { to: 'coordinator', message: { type, body: {} } });
  const ended = (status: RunEnd['status']): RunEnd => {
    const reason = keeper.failure;
    keeper.writeManifest(status, reason);
    return { status, folder, messages: log.count, outcomeHash: keeper.outcome(), headHash: log.head, reason };
  };
  return {
    folder,
    backend: model.backend,
    messages$,
    measuring$,
    async start() {
      try {
        const end = await sequencer.run();
        return ended(keeper.failure === null ? end : 'failed');
      } catch (error) {
        tryToWrite(() => keeper.writeManifest('failed', reasonOf(error)));
        throw error;
      } finally {
        log.close();
        messages$.complete();
        await model.close();
      }
    },
    stop: () => sequencer.stop(),
    pause: () => say('run.pause'),
    resume: () => say('run.resume'),
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

const stepped = (to: VersionId, step: TrainStep): BodyOf<'training.stepped'> => {
  const { steps, loss, gradNorm, learningRate, accuracy = null, margin = null } = step;
  return { to, step: step.step, steps, loss, gradNorm, learningRate, accuracy, margin };
};
