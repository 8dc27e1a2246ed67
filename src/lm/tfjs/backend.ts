/**
 * Which TensorFlow.js backend does the arithmetic: tensorflow (native, optional) before wasm before cpu.
 * Owns the process-wide choice that tfjs keeps; nothing else calls `setBackend`.
 */
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { reasonOf, SoliloquyError } from '../../protocol/errors.js';

export type BackendName = 'tensorflow' | 'wasm' | 'cpu';

const BEST_FIRST: readonly BackendName[] = ['tensorflow', 'wasm', 'cpu'];
const NATIVE_PACKAGES: readonly string[] = ['@tensorflow/tfjs-node-gpu', '@tensorflow/tfjs-node'];

const HOW_TO_GET: Record<BackendName, string> = {
  tensorflow:
    'npm run build:tensorflow, which compiles tfjs-node for the TensorFlow of a Python wheel (`pip install tensorflow-cpu`; with a GPU `tensorflow[and-cuda]`); or npm install @tensorflow/tfjs-node-gpu where its download works (docs/backends.md); or use --backend wasm',
  wasm: 'reinstall with `npm ci`: @tensorflow/tfjs-backend-wasm ships its .wasm files in dist/; or use --backend cpu',
  cpu: 'reinstall with `npm ci`: @tensorflow/tfjs-backend-cpu is missing',
};

/** tfjs-node 4.22 calls two functions that Node 22 warns about and Node 23 took away (tensorflow/tfjs#8609). */
function restoreUtil(): void {
  const util = createRequire(import.meta.url)('node:util') as Record<string, unknown>;
  util.isNullOrUndefined = (x: unknown) => x === null || x === undefined;
  util.isArray = Array.isArray;
}

async function importNative(): Promise<void> {
  restoreUtil();
  const reasons: string[] = [];
  for (const name of NATIVE_PACKAGES) {
    try {
      await import(name);
      return;
    } catch (error) {
      reasons.push(`${name}: ${reasonOf(error).split('\n')[0]}`);
    }
  }
  throw new Error(reasons.join('; '));
}

const REGISTER: Record<BackendName, () => Promise<void>> = {
  tensorflow: importNative,
  wasm: async () => {
    const wasm = await import('@tensorflow/tfjs-backend-wasm');
    const main = createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm');
    wasm.setWasmPaths(`${dirname(main)}/`);
  },
  cpu: async () => {
    await import('@tensorflow/tfjs-backend-cpu');
  },
};

async function start(name: BackendName): Promise<void> {
  await REGISTER[name]();
  if (!(await tf.setBackend(name))) throw new Error(`tfjs could not initialise ${name}`);
  await tf.ready();
}

/** Starts the named backend, or the best one there is. */
export async function startBackend(wanted?: BackendName): Promise<BackendName> {
  tf.enableProdMode();
  const reasons: Record<string, string> = {};
  for (const name of wanted === undefined ? BEST_FIRST : [wanted]) {
    try {
      await start(name);
      return name;
    } catch (error) {
      reasons[name] = reasonOf(error);
    }
  }
  const fix = HOW_TO_GET[wanted ?? 'wasm'];
  throw new SoliloquyError(
    'backend.unavailable',
    `The TensorFlow.js backend ${wanted ?? '(any)'} does not load here.`,
    {
      fix,
      reasons,
    },
  );
}

/** Makes a started backend the current one: engines of two backends may live in one thread. */
export function useBackend(name: BackendName): void {
  if (tf.getBackend() !== name) void tf.setBackend(name); // already initialised: takes effect at once
}
