/**
 * The composition root: the only file that builds concrete things and binds them. Makes a run out of a config: world,
 * model, roles, addressees, log and folder; says how it ends.
 */
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { Subject } from 'rxjs';
import { coordinatorMachine } from '../machines/coordinator.js';
import { episodeMachine } from '../machines/episode.js';
import { generatorMachine } from '../machines/generator.js';
import { judgeMachine } from '../machines/judge.js';
import { responderMachine } from '../machines/responder.js';
import { trainerMachine } from '../machines/trainer.js';
import { readCheckpoint } from '../src/lm/checkpoint.js';
import { writeCheckpoint } from '../src/lm/checkpoint-writer.js';
import { weightsHash } from '../src/lm/weights.js';
import { sha256 } from '../src/log/chain.js';
import { outcomeHash } from '../src/log/outcome.js';
import { openLog } from '../src/log/writer.js';
import { createScorer } from '../src/players/scorer.js';
import { createSharedModel, type TrainingResult } from '../src/players/shared-model.js';
import { createLanguageModel, type SharedModel } from '../src/pool/language-model.js';
import type { BackendChoice } from '../src/pool/messages.js';
import type { PlannedFault } from '../src/pool/runner.js';
import { castText, isModelCast, membersOf, type ModelCast, parseCast } from '../src/protocol/cast.js';
import type { Config } from '../src/protocol/config.js';
import { reasonOf, SoliloquyError } from '../src/protocol/errors.js';
import { type EpisodeId, type VersionId, versionId, versionOf } from '../src/protocol/ids.js';
import type { TrainStep } from '../src/protocol/lm.js';
import type { Address, BodyOf, Envelope } from '../src/protocol/messages.js';
import type { Clock, World } from '../src/protocol/ports.js';
import type { JudgeTemplate } from '../src/protocol/records.js';
import { builtInTemplates } from '../src/protocol/templates.js';
import { writeAtomic } from '../src/store/files.js';
import { createRunFolder, type Manifest, type RunFolder } from '../src/store/run-folder.js';
import { createMicroworld } from '../src/worlds/microworld/index.js';
import { createOpenAssistant } from '../src/worlds/open-assistant/world.js';
import { createDatasets, type Datasets } from './datasets.js';
import { createEvaluator } from './evaluator.js';
import { type MachineRole, machineRole } from './role.js';
import { createSequencer, type Sequencer } from './sequencer.js';
import { type Messages } from './streams.js';
import { createWorldAddressee } from './world.js';

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

/** The world that a config names. */
export function createWorld({ world, seed }: Config): World {
  if (world.name === 'microworld')
    return createMicroworld({ seed, ift: world.demonstrations, eft: world.evaluations, heldOut: world.heldOut, probes: world.probes });
  if (world.data === undefined)
    throw new SoliloquyError('config.invalid', 'the open-assistant world needs data', { option: 'world.data', fix: 'name a message-tree export with --data FILE.jsonl' });
  return createOpenAssistant({
    data: world.data,
    language: world.language,
    seed,
    heldOutShare: world.heldOutShare,
    maxPromptChars: world.maxChars,
    maxReplyChars: world.maxChars,
  });
}

/** The judge template that a config names, else the world's. */
export function templateFor(config: Config, world: World): JudgeTemplate {
  const { template } = config.judge;
  if (template === undefined) return world.judgeTemplate;
  const known = { ...builtInTemplates, ...world.judgeTemplates };
  const found = known[template];
  if (found) return found;
  throw new SoliloquyError('config.invalid', `judge.template: no template "${template}"`, { option: 'judge.template', fix: `one of: ${Object.keys(known).join(', ')}` });
}

/** The folder of M0: the config's, else the one that ships with the world. */
export function baseModel({ model, world }: Config, assets: string): string {
  if (model !== undefined) return model;
  if (world.name === 'microworld') return join(assets, 'microworld-m0');
  throw new SoliloquyError('config.invalid', `the world ${world.name} ships no model`, { option: 'model', fix: 'name a folder in Hugging Face layout with --model DIR' });
}

/** Refuses casts that this world can't play. */
function checkCasts(config: Config, world: World): void {
  const members = membersOf(parseCast('judge', config.cast.judge));
  if (!world.truth && members.some(({ player }) => player === 'oracle'))
    throw new SoliloquyError('cast.invalid', `cast.judge: the world ${world.name} knows no true score, so no oracle can judge`, { option: 'cast.judge', fix: 'cast another judge, or run the microworld' });
}

const modelCast = (role: 'generator' | 'responder', text: string): ModelCast => {
  const cast = parseCast(role, text);
  if (!isModelCast(cast)) throw new SoliloquyError('cast.invalid', `${castText(cast)} can't be the ${role}`);
  return cast;
};

/** The six machines with their inputs, made when first written to. */
function createRoles(config: Config, world: World, template: JudgeTemplate): (address: Address) => MachineRole | undefined {
  const { seed, flow, invent, respond, judge, cast, eft } = config;
  const { format } = world;
  const make: Record<string, () => MachineRole> = {
    coordinator: () =>
      machineRole(coordinatorMachine, {
        iterations: config.iterations,
        asks: invent.asks,
        credit: flow.openEpisodes,
        apprentice: eft && world.name === 'open-assistant',
        judge: cast.judge,
      }),
    generator: () =>
      machineRole(generatorMachine, {
        seed,
        cast: modelCast('generator', cast.generator),
        shots: { seedShots: invent.seedShots, madeShots: invent.madeShots },
        rules: { minWords: invent.minWords, maxWords: invent.maxWords, keywords: invent.keywords, similarity: invent.similarity },
        sampling: invent.sampling,
        format,
        asksPerRequest: flow.asksPerRequest,
        retries: flow.retries,
      }),
    responder: () =>
      machineRole(responderMachine, {
        seed,
        cast: modelCast('responder', cast.responder),
        candidates: respond.candidates,
        sampling: respond.sampling,
        format,
        retries: flow.retries,
      }),
    judge: () =>
      machineRole(judgeMachine, {
        seed,
        members: membersOf(parseCast('judge', cast.judge)),
        samples: judge.samples,
        sampling: judge.sampling,
        template,
        format,
        redraws: judge.retries,
        retries: flow.retries,
      }),
    trainer: () =>
      machineRole(trainerMachine, { seed, player: cast.trainer, eft, creditLot: Math.max(1, Math.floor(flow.openEpisodes / 8)), retries: 0 }),
  };
  const roles = new Map<Address, MachineRole>();
  return (address) => {
    const known = roles.get(address);
    if (known) return known;
    const role = address.startsWith('episode:') ? episodeRole(address, template.verdict.max, () => roles.delete(address)) : make[address]?.();
    if (role) roles.set(address, role);
    return role;
  };
}

/** An episode forgets itself when it is over. */
function episodeRole(address: Address, maxScore: number, forget: () => void): MachineRole {
  const id = address.slice('episode:'.length) as EpisodeId;
  const role = machineRole(episodeMachine, { id, iteration: Number(id.split('-')[0]), maxScore });
  return {
    get snapshot() {
      return role.snapshot;
    },
    receive(message) {
      const said = role.receive(message);
      if (role.snapshot.status === 'done') forget();
      return said;
    },
  };
}

/** Brings versions to the model, and new ones to the disk. */
function createVersionStore(model: SharedModel, folder: RunFolder) {
  const save = async (version: VersionId) => {
    await writeCheckpoint(folder.model(version), model.checkpoint(version));
  };
  const load = async (version: VersionId) => {
    if (model.has(version)) return;
    if (!version.startsWith('checkpoint:')) throw new SoliloquyError('checkpoint.missing', `version ${version} doesn't exist yet`, { version, fix: 'cast a version that is made before it is needed' });
    model.register(version, await readCheckpoint(version.slice('checkpoint:'.length)));
  };
  return { save, load };
}

/** Derives the data, trains, stores. No row, no step: the new version has the old one's weights, and says so by 0 steps. */
async function trainAndStore(
  job: BodyOf<'model.train'>,
  onStep: (step: TrainStep) => void,
  { config, model, folder, datasets, save }: { config: Config; model: SharedModel; folder: RunFolder; datasets: Datasets; save: (version: VersionId) => Promise<void> },
): Promise<TrainingResult> {
  const { from, to, objective, key } = job;
  const { weights } = model.checkpoint(from);
  const built = datasets.build(job, model.tokenizer(from), weights.architecture.maxPositions, (name, content) => writeAtomic(folder.data(name), content));
  const { rows, tooLong, dataHash, data } = built;
  if (rows === 0) {
    model.register(to, model.checkpoint(from));
    await save(to);
    return { rows, tooLong, dataHash, steps: 0, curve: [], weightsHash: weightsHash(weights) };
  }
  const outcome = await model.train({ from, to, data, optimizer: config[objective], key }, onStep);
  await save(to);
  return { rows, tooLong, dataHash, ...outcome };
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
      sequencer?.interject('model', { to: 'record', message: { type: 'worker.crashed', body: { task: task ?? 'idle', attempt, reason } } }),
    ...(options.faults ? { faults: options.faults } : {}),
  });
  try {
    const folder = createRunFolder(options.out);
    const M0 = versionOf(0);
    model.register(M0, base);
    const store = createVersionStore(model, folder);
    const datasets = createDatasets(config, world.format, template);
    const configText = `${JSON.stringify({ ...config, backend: model.backend, made: options.versions }, null, 2)}\n`;
    writeAtomic(folder.config, configText);
    await store.save(M0);
    const log = openLog(folder.log);
    const outcome = outcomeHash();
    const made: string[] = [M0];
    const addressees = [
      createWorldAddressee(world),
      createScorer(world),
      createEvaluator({
        config, model, world, template,
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
        train: (job, onStep) => trainAndStore(job, onStep, { config, model, folder, datasets, save: store.save }),
        onStep: (to, step, cause) => sequencer?.interject('model', { to: 'record', message: { type: 'training.stepped', body: stepped(to, step) } }, cause),
      }),
    ];
    const publish = (envelope: Envelope) => {
      datasets.observe(envelope);
      outcome.add(envelope);
      if (envelope.type === 'version.made') keepVersion(folder, made, envelope.body as BodyOf<'version.made'>);
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
    conductor.interject('user', { to: 'coordinator', message: { type: 'run.start', body: { configHash: sha256(configText), baseHash: weightsHash(base.weights) } } });
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
          return { status, folder, messages: log.count, outcomeHash: outcome.digest(), headHash: log.head, reason: failure };
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
      pause: () => conductor.interject('user', { to: 'coordinator', message: { type: 'run.pause', body: {} } }),
      resume: () => conductor.interject('user', { to: 'coordinator', message: { type: 'run.resume', body: {} } }),
      killWorker: (index) => model.kill(index),
    };
  } catch (error) {
    await model.close();
    throw error;
  }
}

const stepped = (to: VersionId, { step, steps, loss, gradNorm, learningRate, accuracy, margin }: TrainStep): BodyOf<'training.stepped'> => ({
  to, step, steps, loss, gradNorm, learningRate, accuracy: accuracy ?? null, margin: margin ?? null,
});

function keepVersion(folder: RunFolder, made: string[], lineage: BodyOf<'version.made'>): void {
  made.push(lineage.version);
  writeAtomic(join(folder.model(lineage.version), 'lineage.json'), `${JSON.stringify(lineage, null, 2)}\n`);
}

function keepMetrics(folder: RunFolder, { seq, body }: Envelope): void {
  const { version, metrics } = body as BodyOf<'evaluation.made'>;
  appendFileSync(folder.metrics, metrics.map((metric) => `${JSON.stringify({ version, ...metric, seq })}\n`).join(''));
}

/** When the disk is full the old manifest stays: the log is the truth. */
function tryManifest(folder: RunFolder, manifest: Manifest): void {
  try {
    folder.writeManifest(manifest);
  } catch {
    // the failure that brought us here is the one to report
  }
}

export const SFT = versionId('SFT');
