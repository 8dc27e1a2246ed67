/**
 * The TensorFlow.js engine: binds a backend, the parameters and an attention to the port of ../engine.ts. Owns no
 * arithmetic.
 */
import * as tf from '@tensorflow/tfjs-core';
import { doorOf } from '../door.js';
import type { Engine, LoadedModel, Weights } from '../engine.js';
import { ropeTable } from '../rope.js';
import { type Attention, headsOf } from './attention.js';
import { hostAttention } from './attention-host.js';
import { tensorAttention } from './attention-tensor.js';
import { type BackendName, startBackend, useBackend } from './backend.js';
import type { Model } from './forward.js';
import { gradient } from './gradient.js';
import { uploadParameters } from './parameters.js';
import { sample } from './sample.js';
import { score } from './score.js';

export interface TfjsOptions {
  /** Default: `tensor` on tensorflow, `host` elsewhere. */
  readonly attention?: 'host' | 'tensor';
}

export async function createTfjsEngine(backend?: BackendName, options: TfjsOptions = {}): Promise<Engine> {
  const name = await startBackend(backend);
  const kind = options.attention ?? (name === 'tensorflow' ? 'tensor' : 'host');
  return {
    backend: name,
    load: async (weights) => {
      useBackend(name);
      return loadModel(weights, name, kind);
    },
    liveTensors: () => tf.memory().numTensors,
  };
}

function loadModel(weights: Weights, backend: BackendName, kind: 'host' | 'tensor'): LoadedModel {
  const { architecture } = weights;
  const make = kind === 'host' ? hostAttention : tensorAttention;
  const attention: Attention = make(headsOf(architecture), ropeTable(architecture));
  const model: Model = { parameters: uploadParameters(weights), attention };
  const door = doorOf(weights);
  return {
    async sample(rows) {
      useBackend(backend);
      door.checkPrompts(rows);
      return sample(model, rows);
    },
    async score(sequences) {
      useBackend(backend);
      door.checkSequences(sequences);
      return score(model, sequences);
    },
    async gradient(task, into, adapter) {
      useBackend(backend);
      door.checkTask(task, into, adapter);
      return gradient(model, task, into, adapter);
    },
    dispose: async () => model.parameters.dispose(),
  };
}
