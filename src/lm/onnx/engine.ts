/**
 * The compiled engine: binds graphs, sessions and weights to the port of ../engine.ts. Sessions that serve every version
 * of an architecture stay open for the last few architectures; a version's own is closed with it.
 */
import type { Architecture } from '../architecture.js';
import { type Door, doorOf } from '../door.js';
import type { Engine, LoadedModel } from '../engine.js';
import { type Compiled, compile, type Model, modelOf } from './compiled.js';
import { gradient } from './gradient.js';
import { sample } from './sample.js';
import { score } from './score.js';
import { checkProvider, type Provider, type Runtime } from './session.js';

export interface OnnxOptions {
  /** Default: `cpu`. What it lacks falls back to the CPU. */
  readonly provider?: Provider;
  /** Bytes of weights that a decode graph may hold inside. */
  readonly mostInside?: number;
  readonly interrupted?: Runtime['interrupted'];
}

/** Architectures whose sessions stay open. */
const ARCHITECTURES = 2;

export async function createOnnxEngine(options: OnnxOptions = {}): Promise<Engine> {
  const { provider = 'cpu', mostInside, interrupted = () => false } = options;
  const runtime: Runtime = { provider, interrupted };
  await checkProvider(provider);
  const architectures = createArchitectures(runtime);
  let loaded = 0;
  return {
    backend: provider === 'cpu' ? 'onnx' : `onnx:${provider}`,
    async load(weights) {
      const { compiled, release } = await architectures(weights.architecture);
      const { model, dispose } = modelOf(compiled, weights, runtime, mostInside);
      loaded += 1;
      return {
        ...callsOf(model, doorOf(weights)),
        async dispose() {
          await dispose();
          await release();
          loaded -= 1;
        },
      };
    },
    liveTensors: () => loaded,
  };
}

interface Held {
  readonly compiled: Compiled;
  users: number;
}

/** The least recently used architecture makes room once no model of it is loaded. */
function createArchitectures(runtime: Runtime) {
  const held = new Map<string, Held>();
  const makeRoom = async (): Promise<void> => {
    const unused = [...held].filter(([, { users }]) => users === 0);
    for (const [key, { compiled }] of unused.slice(0, Math.max(0, held.size - ARCHITECTURES))) {
      held.delete(key);
      await compiled.dispose();
    }
  };
  return async (architecture: Architecture) => {
    const key = JSON.stringify(architecture);
    const entry = held.get(key) ?? { compiled: compile(architecture, runtime), users: 0 };
    held.delete(key);
    held.set(key, entry);
    entry.users += 1;
    await makeRoom();
    const release = async (): Promise<void> => {
      entry.users -= 1;
      await makeRoom();
    };
    return { compiled: entry.compiled, release };
  };
}

/** What is refused is refused before anything is computed. */
function callsOf(model: Model, door: Door): Omit<LoadedModel, 'dispose'> {
  return {
    async sample(rows) {
      door.checkPrompts(rows);
      return sample(model, rows);
    },
    async score(sequences) {
      door.checkSequences(sequences);
      return score(model, sequences);
    },
    async gradient(task, into, adapter) {
      door.checkTask(task, into, adapter);
      return gradient(model, task, into, adapter);
    },
  };
}
