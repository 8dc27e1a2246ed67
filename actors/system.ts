/**
 * The composition root: the only file that builds concrete things and binds them. Makes a run out of a config: world,
 * model, roles, addressees, log and folder; says how it ends.
 */
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { Subject } from 'rxjs';
import { readCheckpoint } from '../src/lm/checkpoint.js';
import { weightsHash } from '../src/lm/weights.js';
import { sha256 } from '../src/log/chain.js';
import { outcomeHash } from '../src/log/outcome.js';
import { openLog } from '../src/log/writer.js';
import { createScorer } from '../src/players/scorer.js';
import { createSharedModel } from '../src/players/shared-model.js';
import { createLanguageModel } from '../src/pool/language-model.js';
import type { BackendChoice } from '../src/pool/messages.js';
import type { PlannedFault } from '../src/pool/runner.js';
import type { Config } from '../src/protocol/config.js';
import { reasonOf } from '../src/protocol/errors.js';
import { type VersionId, versionOf } from '../src/protocol/ids.js';
import type { TrainStep } from '../src/protocol/lm.js';
import type { BodyOf, Envelope } from '../src/protocol/messages.js';
import type { Clock } from '../src/protocol/ports.js';
import { writeAtomic } from '../src/store/files.js';
import { createRunFolder, type Manifest, type RunFolder } from '../src/store/run-folder.js';
import { createDatasets } from './datasets.js';
import { createEvaluator } from './evaluator.js';
import { createRoles } from './roles.js';
import { createSequencer, type Sequencer } from './sequencer.js';
import type { Messages } from './streams.js';
import { createVersionStore, trainAndStore } from './versions.js';
import { createWorldAddressee } from './world.js';
import { baseModel, checkCasts, createWorld, templateFor } from './worlds.js';

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
  /** Kills one worker thread. Tests only. */
  killWorker(index: number): Promise<void>;
}

/** Builds a run; nothing is written before the config, world and M0 are known to be good. */
export async function createRun(options: RunOptions): Promise<Run> {
  const { config, clock } = options;
  const world = createWorld(config);
  const template = templateFor(config, world);
  checkCasts(config, world);
  const base = await readCheckpoint(baseModel(config, options.assets));
  const messages$ = new Subject<Envelope>();
  const measuring$: Run['measuring$'] = new Subject();
  let sequencer: Sequencer | undefined;
  const model = await createLanguageModel({
    workers: options.workers,
    backend: options.backend,
    onWorkerCrash: ({ task, attempt, reason }) =>
      sequencer?.interject('model', {
        to: 'record',
        message: { type: 'worker.crashed', body: { task: task ?? 'idle', attempt, reason } },
      }),
    ...(options.faults ? { faults: options.faults } : {}),
  });
  try {
    const folder = createRunFolder(options.out);
    const M0 = versionOf(0);
    model.register(M0, base);
    const store = createVersionStore(model, folder);
    const datasets = createDatasets(config, world.format, template);
    const configText = `${JSON.stringify({ ...config, used: { backend: model.backend, template, format: world.format, ...options.versions } }, null, 2)}\n`;
    writeAtomic(folder.config, configText);
    await store.save(M0);
    const log = openLog(folder.log);
    const outcome = outcomeHash();
    const made: string[] = [M0];
    const addressees = [
      createWorldAddressee(world),
      createScorer(world),
      createEvaluator({
        config,
        model,
        world,
        template,
        seedData: () => datasets.seed,
        load: store.load,
        exists: (version) => model.has(version) || version.startsWith('checkpoint:'),
        onProgress: (version, share) => measuring$.next({ version, share }),
      }),
      createSharedModel({
        model,
        batchRows: config.flow.batchRows,
        window: config.flow.window,
        load: store.load,
        train: (job, onStep) =>
          trainAndStore(job, onStep, { config, model, folder, datasets, save: store.save }),
        onStep: (to, step, cause) =>
          sequencer?.interject(
            'model',
            { to: 'record', message: { type: 'training.stepped', body: stepped(to, step) } },
            cause,
          ),
      }),
    ];
    const publish = (envelope: Envelope) => {
      datasets.observe(envelope);
      outcome.add(envelope);
      if (envelope.type === 'version.made')
        keepVersion(folder, made, envelope.body as BodyOf<'version.made'>);
      if (envelope.type === 'evaluation.made') keepMetrics(folder, envelope);
      messages$.next(envelope);
    };
    sequencer = createSequencer({
      log,
      clock,
      role: createRoles(config, world, template),
      addressee: (address) => addressees.find((one) => one.address === address),
      addressees,
      publish,
      isLast: ({ type }) => type === 'run.finished' || type === 'run.failed',
    });
    const manifest = (status: Manifest['status'], reason: string | null): Manifest => ({
      formatVersion: 1,
      status,
      count: log.count,
      headHash: log.head,
      outcomeHash: status === 'running' ? null : outcome.digest(),
      reason,
      versions: made,
    });
    folder.writeManifest(manifest('running', null));
    const conductor = sequencer;
    conductor.interject('user', {
      to: 'coordinator',
      message: {
        type: 'run.start',
        body: { configHash: sha256(configText), baseHash: weightsHash(base.weights) },
      },
    });
    let failure: string | null = null;
    messages$.subscribe(({ type, body }) => {
      if (type === 'run.failed') failure = (body as BodyOf<'run.failed'>).reason;
    });
    return {
      folder,
      backend: model.backend,
      messages$,
      measuring$,
      async start() {
        try {
          const ended = await conductor.run();
          const status = failure !== null ? 'failed' : ended;
          folder.writeManifest(manifest(status, failure));
          return {
            status,
            folder,
            messages: log.count,
            outcomeHash: outcome.digest(),
            headHash: log.head,
            reason: failure,
          };
        } catch (error) {
          tryManifest(folder, manifest('failed', reasonOf(error)));
          throw error;
        } finally {
          log.close();
          messages$.complete();
          await model.close();
        }
      },
      stop: () => conductor.stop(),
      pause: () =>
        conductor.interject('user', { to: 'coordinator', message: { type: 'run.pause', body: {} } }),
      resume: () =>
        conductor.interject('user', { to: 'coordinator', message: { type: 'run.resume', body: {} } }),
      killWorker: (index) => model.kill(index),
    };
  } catch (error) {
    await model.close();
    throw error;
  }
}

const stepped = (
  to: VersionId,
  { step, steps, loss, gradNorm, learningRate, accuracy, margin }: TrainStep,
): BodyOf<'training.stepped'> => ({
  to,
  step,
  steps,
  loss,
  gradNorm,
  learningRate,
  accuracy: accuracy ?? null,
  margin: margin ?? null,
});

function keepVersion(folder: RunFolder, made: string[], lineage: BodyOf<'version.made'>): void {
  made.push(lineage.version);
  writeAtomic(join(folder.model(lineage.version), 'lineage.json'), `${JSON.stringify(lineage, null, 2)}\n`);
}

function keepMetrics(folder: RunFolder, { seq, body }: Envelope): void {
  const { version, metrics } = body as BodyOf<'evaluation.made'>;
  appendFileSync(
    folder.metrics,
    metrics.map((metric) => `${JSON.stringify({ version, ...metric, seq })}\n`).join(''),
  );
}

/** When the disk is full the old manifest stays: the log is the truth. */
function tryManifest(folder: RunFolder, manifest: Manifest): void {
  try {
    folder.writeManifest(manifest);
  } catch {
    // the failure that brought us here is the one to report
  }
}
