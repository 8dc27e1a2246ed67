/**
 * The door of an engine: what it refuses before it computes, `model.failed`. The same for every engine.
 */
import { SoliloquyError } from '../protocol/errors.js';
import type { SampleRow } from '../protocol/lm.js';
import type { GradientTask, Weights } from './engine.js';
import { taskSequences } from './engine-rows.js';
import { type Adapter, adapterSize } from './lora.js';

export interface Door {
  checkPrompts(rows: readonly SampleRow[]): void;
  checkSequences(sequences: readonly (readonly number[])[]): void;
  checkTask(task: GradientTask, into: Float32Array, adapter?: Adapter): void;
}

const refuse = (message: string, fields: Record<string, unknown>): never => {
  throw new SoliloquyError('model.failed', message, fields);
};

export function doorOf({ architecture, data }: Weights): Door {
  const { vocabSize, maxPositions } = architecture;
  const floats = data.length;
  const checkTokens = (ids: readonly number[]): void => {
    if (ids.length > maxPositions) {
      refuse(`A sequence of ${ids.length} tokens does not fit the model's ${maxPositions} positions.`, {});
    }
    const bad = ids.find((id) => !Number.isInteger(id) || id < 0 || id >= vocabSize);
    if (bad !== undefined) refuse(`Token ${bad} is not in the vocabulary of ${vocabSize}.`, { token: bad });
  };
  return {
    checkPrompts(rows) {
      for (const { promptIds } of rows) {
        if (promptIds.length === 0) refuse('A prompt needs at least one token.', {});
        checkTokens(promptIds);
      }
    },
    checkSequences(sequences) {
      for (const ids of sequences) checkTokens(ids);
    },
    checkTask(task, into, adapter) {
      const rows = taskSequences(task);
      for (const row of rows) checkTokens(row.ids);
      const wanted = adapter === undefined ? floats : adapterSize(architecture, adapter.lora);
      if (adapter !== undefined && adapter.data.length !== wanted)
        refuse('The adapter does not fit the model.', { length: adapter.data.length });
      if (into.length !== wanted) refuse('The gradient block has the wrong length.', { length: into.length });
      if ((task.dropout > 0 || (adapter?.lora.dropout ?? 0) > 0) && task.keys.length !== rows.length) {
        refuse('Dropout wants one key a sequence.', { keys: task.keys.length, sequences: rows.length });
      }
    },
  };
}
