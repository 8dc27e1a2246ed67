/**
 * The TensorFlow.js engine: binds a backend, the parameters and an attention to the port of ../engine.ts, and checks
 * tokens at this door. Owns no arithmetic.
 */
import * as tf from '@tensorflow/tfjs-core';
import { SoliloquyError } from '../../protocol/errors.js';
import type { SampleRow } from '../../protocol/lm.js';
import type { Architecture } from '../architecture.js';
import type { Engine, GradientTask, LoadedModel, Weights } from '../engine.js';
import { type Attention, headsOf } from './attention.js';
import { hostAttention } from './attention-host.js';
import { tensorAttention } from './attention-tensor.js';
import { type BackendName, startBackend, useBackend } from './backend.js';
import type { Model } from './forward.js';
import { gradient } from './gradient.js';
import { sequencesOf } from './objectives.js';
import { uploadParameters } from './parameters.js';
import { ropeTable } from './rope.js';
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
    load: (weights) => {
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
  return {
    sample(rows) {
      useBackend(backend);
      for (const row of rows) checkPrompt(row, architecture);
      return sample(model, rows);
    },
    score(sequences) {
      useBackend(backend);
      for (const ids of sequences) checkTokens(ids, architecture);
      return score(model, sequences);
    },
    gradient(task, into) {
      useBackend(backend);
      checkTask(task, into, weights);
      return gradient(model, task, into);
    },
    dispose: () => model.parameters.dispose(),
  };
}

const refuse = (message: string, fields: Record<string, unknown>): never => {
  throw new SoliloquyError('model.failed', message, fields);
};

function checkTokens(ids: readonly number[], { vocabSize, maxPositions }: Architecture): void {
  if (ids.length > maxPositions) {
    refuse(`A sequence of ${ids.length} tokens does not fit the model's ${maxPositions} positions.`, {});
  }
  const bad = ids.find((id) => !Number.isInteger(id) || id < 0 || id >= vocabSize);
  if (bad !== undefined) refuse(`Token ${bad} is not in the vocabulary of ${vocabSize}.`, { token: bad });
}

function checkPrompt({ promptIds }: SampleRow, architecture: Architecture): void {
  if (promptIds.length === 0) refuse('A prompt needs at least one token.', {});
  checkTokens(promptIds, architecture);
}

function checkTask(task: GradientTask, into: Float32Array, { architecture, data }: Weights): void {
  const rows = sequencesOf(task);
  for (const row of rows) checkTokens(row.ids, architecture);
  if (into.length !== data.length)
    refuse('The gradient block has the wrong length.', { length: into.length });
  if (task.dropout > 0 && task.keys.length !== rows.length) {
    refuse('Dropout wants one key a sequence.', { keys: task.keys.length, sequences: rows.length });
  }
}
