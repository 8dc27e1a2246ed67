/**
 * The layout of a run's folder, and its manifest. Owns names and atomic writing; knows nothing of what is in the files.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { reasonOf, SoliloquyError } from '../protocol/errors.js';
import { writeAtomic } from './files.js';

/** Format 1 had no parent, and hashed outcomes in another way. */
const FORMAT = 2;

const manifestSchema = z.object({
  formatVersion: z.literal(FORMAT),
  status: z.enum(['running', 'finished', 'stopped', 'failed']),
  /** Messages that the log held, and the head of its chain, when this was written. */
  count: z.number().int(),
  headHash: z.string(),
  outcomeHash: z.string().nullable(),
  reason: z.string().nullable(),
  versions: z.array(z.string()),
  /** Of a fork: the run whose messages before `seq` it shares, and the head of the chain there. */
  parent: z.object({ run: z.string(), seq: z.number().int(), headHash: z.string() }).nullable(),
});
export type Manifest = z.output<typeof manifestSchema>;

export interface RunFolder {
  readonly path: string;
  readonly log: string;
  readonly config: string;
  readonly metrics: string;
  readonly models: string;
  readonly lock: string;
  model(version: string): string;
  /** A training in mid-epoch; gone when its version is made. */
  training(version: string): string;
  /** A training by an external command. */
  command(version: string): string;
  data(name: string): string;
  writeManifest(manifest: Manifest): void;
}

export function runFolder(path: string): RunFolder {
  return {
    path,
    log: join(path, 'messages.jsonl'),
    config: join(path, 'config.json'),
    metrics: join(path, 'metrics.jsonl'),
    models: join(path, 'models'),
    lock: join(path, 'lock'),
    training: (version) => join(path, 'training', `${version}.safetensors`),
    command: (version) => join(path, 'training', `${version}.command`),
    model: (version) => join(path, 'models', version),
    data: (name) => join(path, 'data', `${name}.jsonl`),
    writeManifest: (manifest) =>
      writeAtomic(join(path, 'manifest.json'), `${JSON.stringify(manifest, null, 2)}\n`),
  };
}

/** What a run that died at once leaves is nothing: empty folders, drafts and a lock. */
const holdsSomething = (path: string): boolean =>
  readdirSync(path, { recursive: true, withFileTypes: true }).some(
    (entry) => !entry.isDirectory() && !/^lock(\.|$)|\.tmp$/.test(entry.name),
  );

const DRAFT = /\.\d+\.(tmp|part)$|^lock\.\d+$/;

/** What a dead process left half-written. For who holds the lock. */
export function removeDrafts(path: string): void {
  for (const entry of readdirSync(path, { recursive: true, withFileTypes: true }))
    if (entry.isFile() && DRAFT.test(entry.name)) rmSync(join(entry.parentPath, entry.name), { force: true });
}

/** Makes the folder of a new run; one that holds anything already is refused. */
export function createRunFolder(path: string): RunFolder {
  try {
    if (existsSync(path) && holdsSomething(path))
      throw new SoliloquyError('run.exists', `${path} holds something already`, {
        path,
        fix: 'name another folder with --out, or remove this one',
      });
    mkdirSync(join(path, 'models'), { recursive: true });
    mkdirSync(join(path, 'data'), { recursive: true });
  } catch (error) {
    if (error instanceof SoliloquyError) throw error;
    throw new SoliloquyError(
      'log.write',
      `can't make the run folder ${path}: ${reasonOf(error)}`,
      { path, fix: 'name a folder that can be written with --out' },
      { cause: error },
    );
  }
  return runFolder(path);
}

function upgraded(raw: unknown): unknown {
  const { formatVersion } = (raw ?? {}) as { readonly formatVersion?: unknown };
  return formatVersion === 1
    ? { ...(raw as object), formatVersion: FORMAT, outcomeHash: null, parent: null }
    : raw;
}

/** Reads the manifest of an existing run. */
export function readManifest(path: string): Manifest {
  const file = join(path, 'manifest.json');
  if (!existsSync(file))
    throw new SoliloquyError('run.missing', `${path} is no run folder: it has no manifest.json`, {
      path,
      fix: 'name the folder of a run, such as runs/paper-1',
    });
  try {
    return manifestSchema.parse(upgraded(JSON.parse(readFileSync(file, 'utf8'))));
  } catch (error) {
    throw new SoliloquyError(
      'data.invalid',
      `${file} is not a manifest: ${reasonOf(error)}`,
      { file, fix: 'restore it from a copy' },
      { cause: error },
    );
  }
}

/** The first of `<base>`, `<base>-2`, `<base>-3` … that doesn't exist. */
export function freeName(base: string): string {
  for (let n = 1; ; n++) {
    const path = n === 1 ? base : `${base}-${n}`;
    if (!existsSync(path)) return path;
  }
}
