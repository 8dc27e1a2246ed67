/**
 * What `doctor` looks at, one check a function: a finding says what is there, whether the default run needs it, and how to get
 * what is missing. Backends are tried where they would work: in a worker thread.
 */
import { accessSync, constants, existsSync, readFileSync, statfsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism, totalmem } from 'node:os';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { readCheckpoint } from '../lm/checkpoint.js';
import { weightsHash } from '../lm/weights.js';
import { createLanguageModel } from '../pool/language-model.js';
import type { Backend } from '../protocol/backends.js';
import { isSoliloquyError, reasonOf } from '../protocol/errors.js';
import { assetsFolder } from './package.js';

export interface Finding {
  readonly name: string;
  readonly ok: boolean;
  /** Whether the default run can't do without it. */
  readonly needed: boolean;
  readonly detail: string;
  /** How to get what is missing. */
  readonly fix?: string;
}

const OLDEST_NODE = [20, 19] as const;
const MEMORY_NEEDED = 1.5 * 2 ** 30;
const DISK_NEEDED = 200 * 2 ** 20;

const gigabytes = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(1)} GB`;

export function nodeCheck(version: string = process.versions.node): Finding {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const ok = major > OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1]);
  const found = {
    name: 'Node.js',
    ok,
    needed: true,
    detail: `${version} (${OLDEST_NODE.join('.')} or newer is needed)`,
  };
  return ok ? found : { ...found, fix: 'install Node.js 20.19, 22 or newer' };
}

export const coresCheck = (): Finding => {
  const cores = availableParallelism();
  return {
    name: 'cores',
    ok: true,
    needed: false,
    detail: `${cores}; the default run takes that many worker threads, at most 8`,
  };
};

/** What this process may use: a container's limit counts, where there is one. */
export function memoryCheck(): Finding {
  const limit = process.constrainedMemory();
  const bytes = limit > 0 ? Math.min(limit, totalmem()) : totalmem();
  const ok = bytes >= MEMORY_NEEDED;
  const found = {
    name: 'memory',
    ok,
    needed: true,
    detail: `${gigabytes(bytes)} (the default run takes at most ${gigabytes(MEMORY_NEEDED)})`,
  };
  return ok ? found : { ...found, fix: 'free memory, raise the container’s limit, or run with --workers 1' };
}

export const threadsCheck = (): Finding => {
  const ok = typeof SharedArrayBuffer === 'function' && typeof Atomics === 'object';
  const found = {
    name: 'shared memory',
    ok,
    needed: true,
    detail: `SharedArrayBuffer ${ok ? 'is' : 'is not'} there`,
  };
  return ok ? found : { ...found, fix: 'run Node.js without flags that take shared memory away' };
};

export function diskCheck(dir = '.'): Finding {
  const at = resolve(dir);
  try {
    const { bavail, bsize } = statfsSync(at);
    accessSync(at, constants.W_OK);
    const free = bavail * bsize;
    const found = {
      name: 'disk',
      ok: free >= DISK_NEEDED,
      needed: true,
      detail: `${gigabytes(free)} free in ${at}`,
    };
    return found.ok
      ? found
      : { ...found, fix: `free ${gigabytes(DISK_NEEDED)}, or write runs elsewhere with --out` };
  } catch (error) {
    return {
      name: 'disk',
      ok: false,
      needed: true,
      detail: `${at} can't be written: ${reasonOf(error)}`,
      fix: 'work in a folder that can be written, or use --out',
    };
  }
}

/** Starts a worker thread with this backend. */
export async function backendCheck(backend: Backend): Promise<Finding> {
  const found = { name: `backend ${backend}`, needed: false };
  try {
    const model = await createLanguageModel({ workers: 1, backend });
    await model.close();
    return {
      ...found,
      ok: true,
      detail: `works in a worker thread${backend === 'tensorflow' ? ` (${nativePackages().join(', ')})` : ''}`,
    };
  } catch (error) {
    const fix = isSoliloquyError(error) ? error.fields.fix : undefined;
    const missing = backend === 'tensorflow' && nativePackages().length === 0;
    const why = missing
      ? 'not installed (optional: the GPU and native engine)'
      : `does not load: ${whyOf(error, backend)}`;
    return { ...found, ok: false, detail: why, ...(fix && { fix }) };
  }
}

function whyOf(error: unknown, backend: string): string {
  const reasons = isSoliloquyError(error) ? error.fields.reasons : undefined;
  const own = z.record(z.string(), z.string()).safeParse(reasons);
  return (own.success && own.data[backend]) || reasonOf(error);
}

/** Which of the native packages are installed, whether or not they load. */
function nativePackages(): string[] {
  const { resolve: find } = createRequire(import.meta.url);
  return ['@tensorflow/tfjs-node-gpu', '@tensorflow/tfjs-node'].filter((name) => {
    try {
      return find(name) !== '';
    } catch {
      return false;
    }
  });
}

const recipeSchema = z.looseObject({ weightsHash: z.string() });

/** The model that ships with the default world is what its recipe says. */
export async function assetCheck(dir: string = join(assetsFolder(), 'microworld-m0')): Promise<Finding> {
  const found = { name: 'default M0', needed: true };
  const fix =
    'reinstall the package, or make it again: soliloquy pretrain microworld --to DIR, then run --model DIR';
  if (!existsSync(dir)) return { ...found, ok: false, detail: `${dir} is not there`, fix };
  try {
    const recipe = recipeSchema.parse(JSON.parse(readFileSync(join(dir, 'recipe.json'), 'utf8')));
    const hash = weightsHash((await readCheckpoint(dir)).weights);
    const ok = hash === recipe.weightsHash;
    return ok
      ? { ...found, ok, detail: `whole: weights ${hash.slice(0, 16)}` }
      : {
          ...found,
          ok,
          detail: `its weights are ${hash.slice(0, 16)}, its recipe says ${recipe.weightsHash.slice(0, 16)}`,
          fix,
        };
  } catch (error) {
    return { ...found, ok: false, detail: `can't be read: ${reasonOf(error)}`, fix };
  }
}
