/**
 * The compiled engine: binds graphs, sessions and weights to the port of ../engine.ts. Sessions that serve every version
 * of an architecture stay open for the last few architectures; a version's own is closed with it.
 */
import type { Architecture } from '../architecture.js';
import { doorOf } from '../door.js';
import type { Engine, LoadedModel, Weights } from '../engine.js';
import { type Compiled, compile, modelOf } from './compiled.js';
import { gradient } from './gradient.js';
import { sample } from './sample.js';
import { score } from './score.js';
import { checkProvider, type Provider } from './session.js';

export interface OnnxOptions {
  /** Default: `cpu`. What it lacks falls back to the CPU. */
  readonly provider?: Provider;
}

/** Architectures whose sessions stay open. */
const ARCHITECTURES = 2;

export async function createOnnxEngine({ provider = 'cpu' }: OnnxOptions = {}): Promise<Engine> {
  await checkProvider(provider);
  const compiled = createCompiledCache(provider);
  let loaded = 0;
  return {
    backend: provider === 'cpu' ? 'onnx' : `onnx:${provider}`,
    rowExact: provider === 'cpu',
    async load(weights) {
      const model = await loadModel(await compiled(weights.architecture), weights, provider);
      loaded += 1;
      return {
        ...model,
        async dispose() {
          await model.dispose();
          loaded -= 1;
        },
      };
    },
    liveTensors: () => loaded,
  };
}

/** The least recently used architecture makes room; its loaded models open their sessions anew when they need them. */
function createCompiledCache(provider: Provider): (architecture: Architecture) => Promise<Compiled> {
  const cache = new Map<string, Compiled>();
  return async (architecture) => {
    const key = JSON.stringify(architecture);
    const known = cache.get(key) ?? compile(architecture, provider);
    cache.delete(key);
    cache.set(key, known);
    for (const [oldest, compiled] of [...cache].slice(0, -ARCHITECTURES)) {
      cache.delete(oldest);
      await compiled.dispose();
    }
    return known;
  };
}

async function loadModel(compiled: Compiled, weights: Weights, provider: Provider): Promise<LoadedModel> {
  const door = doorOf(weights);
  const { model, dispose } = modelOf(compiled, weights, provider);
  return {
    async sample(rows) {
      door.checkPrompts(rows);
      return sample(model, rows);
    },
    async score(sequences) {
      door.checkSequences(sequences);
      return score(model, sequences);
    },
    async gradient(task, into) {
      door.checkTask(task, into);
      return gradient(model, task, into);
    },
    dispose,
  };
}
