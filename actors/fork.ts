/**
 * A new run that shares another's beginning: its messages up to a seq are copied, its weights shared by hard links; then a
 * `run.forked` says what is different, what was under way is delivered, and the run goes on live.
 */
import {
  copyFileSync,
  createReadStream,
  createWriteStream,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  renameSync,
} from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { OverrideRequest } from '../src/log/overrides.js';
import type { BackendChoice } from '../src/protocol/backends.js';
import { type Config, type ConfigPart, resolveConfig } from '../src/protocol/config.js';
import { versionOf } from '../src/protocol/ids.js';
import { writeAtomic } from '../src/store/files.js';
import { type Lock, takeLock } from '../src/store/lock.js';
import { configText, type ForkSeam, type RunConfig, readRunConfig } from '../src/store/run-config.js';
import { createRunFolder, type RunFolder, runFolder } from '../src/store/run-folder.js';
import { inheritedConsent, isOwnCommand } from './command/consent.js';
import { findForkPoint } from './fork-point.js';
import { changesBetween, checkChanges } from './fork-rules.js';
import { checkPinned } from './hub-ids.js';
import { createKeeper, type Keeper } from './keeper.js';
import { checkFits } from './memory.js';
import { createParts, type Machinery, type Parts } from './parts.js';
import { type Refolded, refold } from './refold.js';
import type { Progress } from './streams.js';
import { backendOf, bind, type Run, startAfter, usedBy } from './system.js';

export interface ForkOptions extends Omit<Machinery, 'backend'> {
  readonly parent: string;
  readonly out: string;
  /** A seq, a version, `type:n`; absent: the first overridden fact. */
  readonly at: string | undefined;
  readonly changes: ConfigPart;
  readonly overrides: readonly OverrideRequest[];
  /** `auto`: the parent's. */
  readonly backend: BackendChoice;
  /** The parent's external trainer may be run: somebody has read its command. One that `changes` give needs no leave. */
  readonly allowCommand?: boolean;
}

export interface Forked {
  readonly run: Run;
  readonly config: Config;
  readonly seq: number;
  /** Dotted path → new value. */
  readonly changes: Readonly<Record<string, unknown>>;
  readonly progress: Progress;
}

export async function forkRun(options: ForkOptions): Promise<Forked> {
  const { parent, out } = options;
  const from = runFolder(parent);
  const found = readRunConfig(parent);
  const point = await findForkPoint(from.log, options.at, options.overrides);
  const config = resolveConfig(found.config, options.changes);
  const changes = changesBetween(found.config, config);
  await checkPinned(config);
  const backend = backendOf(options.backend, found);
  const allowed = options.allowCommand || isOwnCommand(options.changes, config);
  const machinery: Machinery = { ...options, backend, ...inheritedConsent(config, allowed) };
  const folder = runFolder(out);
  const parts = await createParts(machinery, folder, found.initial, config);
  let lock: Lock | undefined;
  try {
    const keeper = createKeeper();
    const refolded = await refold(from.log, parts.company, keeper, point.seq);
    checkChanges({ ...refolded, seq: point.seq }, config, changes);
    const base = refolded.made.get(versionOf(0));
    if (base !== undefined) {
      await parts.store.recall(versionOf(0), base, from.model(versionOf(0)));
      await checkFits(parts, config, machinery);
    }
    const { head } = refolded.log;
    const seam: ForkSeam = {
      parent: { run: basename(resolve(parent)), seq: point.seq, headHash: head },
      changes,
      overrides: point.overrides,
    };
    createRunFolder(out);
    lock = takeLock(folder.lock, out);
    const run = await populate({
      parts,
      machinery,
      from,
      folder,
      found,
      config,
      keeper,
      refolded,
      seam,
      lock,
    });
    return { run, config, seq: point.seq, changes, progress: refolded.progress };
  } catch (error) {
    lock?.release();
    await parts.close();
    throw error;
  }
}

interface Populating {
  readonly parts: Parts;
  readonly machinery: Machinery;
  readonly from: RunFolder;
  readonly folder: RunFolder;
  readonly found: RunConfig;
  readonly config: Config;
  readonly keeper: Keeper;
  readonly refolded: Refolded;
  readonly seam: ForkSeam;
  readonly lock: Lock;
}

async function populate(populating: Populating): Promise<Run> {
  const { parts, machinery, from, folder, found, config, keeper, refolded, seam, lock } = populating;
  const { fold, made, ordered, log } = refolded;
  const initial = JSON.parse(found.initialText) as object;
  const used = usedBy(parts, machinery.versions);
  writeAtomic(folder.config, configText({ ...config, used, fork: seam, initial }));
  for (const version of made.keys()) share(from.model(version), folder.model(version));
  for (const name of new Set(ordered.flatMap(({ datasets }) => datasets)))
    if (existsSync(from.data(name))) shareFile(from.data(name), folder.data(name));
  await copyBeginning(from.log, folder.log, log.bytes);
  for (const [version, hash] of made) if (!parts.model.has(version)) await parts.store.recall(version, hash);
  const start = startAfter(fold, {
    to: 'record',
    message: { type: 'run.forked', body: { ...seam, config: { ...config } } },
  });
  return bind(parts, machinery, { folder, lock, keeper, parent: seam.parent, log, start });
}

/** The first bytes of a log: whole lines, whole or absent. */
async function copyBeginning(from: string, to: string, bytes: number): Promise<void> {
  const draft = `${to}.${process.pid}.tmp`;
  if (bytes === 0) writeAtomic(to, '');
  else {
    await pipeline(createReadStream(from, { end: bytes - 1 }), createWriteStream(draft, { flush: true }));
    renameSync(draft, to);
  }
}

/** A folder of files that are never written in place: a hard link is as good as a copy. */
function share(from: string, to: string): void {
  mkdirSync(to, { recursive: true });
  for (const name of readdirSync(from)) shareFile(join(from, name), join(to, name));
}

function shareFile(from: string, to: string): void {
  try {
    linkSync(from, to);
  } catch {
    copyFileSync(from, to); // another disk, or one without links
  }
}
