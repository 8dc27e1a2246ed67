/**
 * The few models that a worker has on its backend: enough for a version, its judge, and the weights of a training step, but no more
 * than some bytes of weights together, unless it is one alone. The least recently used one makes room.
 */
import type { Engine, LoadedModel } from '../lm/engine.js';
import { KEPT_MODELS, keptModels } from '../lm/memory-estimate.js';
import type { ModelRef } from './messages.js';

export interface LoadedModels {
  /** Valid until the next call. One call at a time. */
  get(model: ModelRef): Promise<LoadedModel>;
  drop(keys: readonly string[]): Promise<void>;
  keys(): string[];
}

export function createLoadedModels(engine: Engine, capacity?: number): LoadedModels {
  const most = ({ byteLength }: SharedArrayBuffer): number => capacity ?? keptModels(byteLength, KEPT_MODELS);
  // Insertion order is order of use.
  const loaded = new Map<string, LoadedModel>();
  const drop = async (key: string): Promise<void> => {
    const model = loaded.get(key);
    loaded.delete(key);
    await model?.dispose();
  };
  return {
    async get({ key, architecture, data }) {
      const known = loaded.get(key);
      if (known) loaded.delete(key);
      else
        for (const oldest of [...loaded.keys()].slice(0, Math.max(0, loaded.size - most(data) + 1)))
          await drop(oldest);
      const model = known ?? (await engine.load({ architecture, data: new Float32Array(data) }));
      loaded.set(key, model);
      return model;
    },
    async drop(keys) {
      for (const key of keys) await drop(key);
    },
    keys: () => [...loaded.keys()],
  };
}
