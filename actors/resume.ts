/**
 * Goes on with a run after a crash or a stop, in its own folder: the log is folded, a torn last line dropped, what a dead process
 * left half-written removed, and all that was under way is done again with the same random numbers.
 */
import { existsSync, readdirSync, rmSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { readCheckpoint } from '../src/lm/checkpoint.js';
import { weightsHash } from '../src/lm/weights.js';
import { openLog } from '../src/log/writer.js';
import type { BackendChoice } from '../src/protocol/backends.js';
import { SoliloquyError } from '../src/protocol/errors.js';
import { versionOf } from '../src/protocol/ids.js';
import type { Outgoing } from '../src/protocol/messages.js';
import { type Lock, takeLock } from '../src/store/lock.js';
import { type ForkSeam, type RunConfig, readRunConfig } from '../src/store/run-config.js';
import {
  type Manifest,
  type RunFolder,
  readManifest,
  removeDrafts,
  runFolder,
} from '../src/store/run-folder.js';
import { inheritedConsent } from './command/consent.js';
import { createKeeper, type Keeper } from './keeper.js';
import { checkFits } from './memory.js';
import { createParts, type Machinery, type Parts } from './parts.js';
import { type Refolded, refold } from './refold.js';
import { FRESH } from './sequencer.js';
import { type Progress, START } from './streams.js';
import { backendOf, begin, bind, type Run, startAfter } from './system.js';
import { baseModel } from './worlds.js';

export interface ResumeOptions extends Omit<Machinery, 'backend'> {
  readonly path: string;
  /** Where the world's own M0 lies. */
  readonly assets: string;
  /** `auto`: the one that the run was begun with. */
  readonly backend: BackendChoice;
  /** The run's external trainer may be run: somebody has read its command. */
  readonly allowCommand?: boolean;
}

export interface Resumed {
  /** Null where the run is finished: there is nothing to do. */
  readonly run: Run | null;
  readonly config: RunConfig['config'];
  /** What a person should know of how the log was found. */
  readonly notes: readonly string[];
  readonly messages: number;
  readonly progress: Progress;
}

export async function resumeRun(options: ResumeOptions): Promise<Resumed> {
  const { path } = options;
  const folder = runFolder(path);
  const found = readRunConfig(path);
  const lock = takeLock(folder.lock, path);
  let parts: Parts | undefined;
  try {
    const manifest = existsSync(join(path, 'manifest.json')) ? readManifest(path) : null;
    const backend = backendOf(options.backend, found);
    const going = manifest?.status !== 'finished';
    const consent = going ? inheritedConsent(found.config, options.allowCommand ?? false) : {};
    const machinery: Machinery = { ...options, backend, ...consent };
    parts = await createParts(machinery, folder, found.initial, found.config);
    checkRecorded(found, parts.recorded);
    const resumed = await goOn({ parts, folder, found, manifest, machinery, lock, assets: options.assets });
    if (resumed.run === null) {
      lock.release();
      await parts.close();
    }
    return resumed;
  } catch (error) {
    lock.release();
    await parts?.close();
    throw error;
  }
}

/** Another log under the same name would give other answers. */
function checkRecorded({ used }: RunConfig, recorded: Parts['recorded']): void {
  const before = (used.recorded ?? {}) as Readonly<Record<string, string>>;
  const changed = Object.keys(recorded).find(
    (run) => before[run] !== undefined && before[run] !== recorded[run],
  );
  if (changed !== undefined)
    throw new SoliloquyError(
      'data.invalid',
      `${changed} is not the run that answered before: its log has changed`,
      {
        run: changed,
        fix: 'restore that run, or fork this one with another cast',
      },
    );
}

interface Going {
  readonly parts: Parts;
  readonly folder: RunFolder;
  readonly found: RunConfig;
  readonly manifest: Manifest | null;
  readonly machinery: Machinery;
  readonly lock: Lock;
  readonly assets: string;
}

async function goOn(going: Going): Promise<Resumed> {
  const { parts, folder, found, manifest, machinery, lock } = going;
  const { config } = found;
  const keeper = createKeeper();
  if (!existsSync(folder.log))
    return { ...(await fromTheStart(going)), notes: ['it had written no message yet'] };
  const refolded = await refold(folder.log, parts.company, keeper);
  const { fold, log, end, made } = refolded;
  if (fold.finished) {
    if (keeper.failure !== null) throw failed(folder.path, keeper.failure, fold.seq);
    if (manifest?.status !== 'finished') finish(going, keeper, refolded);
    return { run: null, config, notes: [], messages: fold.seq, progress: refolded.progress };
  }
  const notes = notesOn(end!, manifest);
  if (fold.seq === 0) {
    truncateSync(folder.log, log.bytes);
    return { ...(await fromTheStart(going)), notes };
  }
  for (const [version, hash] of made) await parts.store.recall(version, hash);
  await checkFits(parts, config, machinery);
  truncateSync(folder.log, log.bytes);
  clean(folder, new Set<string>(made.keys()));
  const seam = seamOf(found, refolded, end!.size - log.bytes);
  const start = startAfter(fold, seam);
  const parent = manifest?.parent ?? found.fork?.parent ?? null;
  const run = bind(parts, machinery, { folder, lock, keeper, parent, log, start });
  return { run, config, notes, messages: fold.seq, progress: refolded.progress };
}

/** It died after its last message: what is derived from the log may be behind it. */
function finish({ folder, found, manifest }: Going, keeper: Keeper, { log, made }: Refolded): void {
  clean(folder, new Set<string>(made.keys()));
  const writer = openLog(folder.log, log);
  keeper.attach(folder, writer, manifest?.parent ?? found.fork?.parent ?? null);
  keeper.writeManifest('finished', null);
  writer.close();
}

/** A run that had got no further than its folder. */
async function fromTheStart({
  parts,
  folder,
  found,
  machinery,
  lock,
  assets,
}: Going): Promise<Omit<Resumed, 'notes'>> {
  const base = await readCheckpoint(baseModel(found.config, assets));
  parts.model.register(versionOf(0), base);
  await checkFits(parts, found.config, machinery);
  clean(folder, new Set());
  const hash = weightsHash(base.weights);
  await parts.store.save(versionOf(0), hash);
  const run = bind(parts, machinery, {
    folder,
    lock,
    keeper: createKeeper(),
    parent: null,
    log: undefined,
    start: FRESH,
  });
  begin(parts, found.initialText, hash);
  return { run, config: found.config, messages: 0, progress: START };
}

/** A fork that died before it said that it is one says so now. */
function seamOf({ fork, config }: RunConfig, { forkedAt }: Refolded, tornBytes: number): Outgoing {
  const seam: ForkSeam | null = fork;
  if (seam && !forkedAt.includes(seam.parent.seq))
    return { to: 'record', message: { type: 'run.forked', body: { ...seam, config: { ...config } } } };
  return { to: 'record', message: { type: 'run.resumed', body: { tornBytes } } };
}

function notesOn(
  end: { readonly torn: boolean; readonly count: number; readonly bytes: number; readonly size: number },
  manifest: Manifest | null,
): string[] {
  const notes: string[] = [];
  if (end.torn) notes.push(`a torn last line of ${end.size - end.bytes} bytes was dropped`);
  if (manifest && end.count < manifest.count)
    notes.push(
      `the log ends at ${end.count} messages, though it once held ${manifest.count}: the rest is made again`,
    );
  return notes;
}

const failed = (path: string, reason: string, count: number) =>
  new SoliloquyError('run.missing', `${path} has failed: ${reason}`, {
    path,
    fix: `go on from before the failure with what caused it changed: soliloquy fork ${path} --at ${Math.max(0, count - 1)} --set …`,
  });

/** Drafts of a dead process, and versions that the log doesn't know. */
function clean(folder: RunFolder, known: ReadonlySet<string>): void {
  removeDrafts(folder.path);
  if (!existsSync(folder.models)) return;
  for (const name of readdirSync(folder.models))
    if (!known.has(name)) rmSync(join(folder.models, name), { recursive: true, force: true });
}
