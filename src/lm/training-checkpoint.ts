/**
 * A training in mid-epoch on disk: weights, AdamW's running means, the steps done and what they said, in one safetensors file
 * that is whole or absent. `identity` says of which training it is; one of another is none.
 */
import { existsSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { z } from 'zod';
import { SoliloquyError } from '../protocol/errors.js';
import type { TrainState, TrainStep } from '../protocol/lm.js';
import { writeWhole } from './checkpoint-writer.js';
import { openSafetensors, writeSafetensors } from './safetensors.js';

const metaSchema = z.object({
  identity: z.string(),
  steps: z.number().int().min(1),
  curve: z.array(z.custom<TrainStep>((value) => typeof value === 'object' && value !== null)),
});
const PARTS = ['weights', 'mean', 'square'] as const;

export async function writeTrainState(file: string, identity: string, state: TrainState): Promise<void> {
  const tensors = PARTS.map((name) => ({ name, shape: [state[name].length], data: state[name] }));
  const meta = JSON.stringify({ identity, steps: state.curve.length, curve: state.curve });
  await writeWhole(dirname(file), basename(file), (handle) =>
    writeSafetensors(handle, tensors, { training: meta }),
  );
}

/** Null where there is none of this training. A file that can't be read is none either: the steps are done again. */
export async function readTrainState(file: string, identity: string): Promise<TrainState | null> {
  if (!existsSync(file)) return null;
  try {
    const opened = await openSafetensors(file);
    try {
      const meta = metaSchema.parse(JSON.parse(opened.metadata.training ?? 'null'));
      if (meta.identity !== identity || meta.curve.length !== meta.steps) return null;
      const [weights, mean, square] = await Promise.all(
        PARTS.map(async (name) => {
          const entry = opened.entries.get(name);
          if (!entry) throw new SoliloquyError('checkpoint.invalid', `${file} lacks ${name}`, { file });
          const data = new Float32Array(entry.shape.reduce((a, b) => a * b, 1));
          await opened.read(entry, data);
          return data;
        }),
      );
      if (mean!.length !== weights!.length || square!.length !== weights!.length) return null;
      return { curve: meta.curve, weights: weights!, mean: mean!, square: square! };
    } finally {
      await opened.close();
    }
  } catch {
    return null;
  }
}
