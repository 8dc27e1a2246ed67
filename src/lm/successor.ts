/**
 * A checkpoint that somebody else has trained, taken as the successor of one of ours: the same architecture, every tensor in its
 * shape, finite numbers (a reader of checkpoints refuses others), the same vocabulary; a PEFT adapter is merged into its base.
 * Only its numbers are taken: config, tokenizer and end tokens stay those of the model it came from, so a trainer can't change
 * how the model is asked.
 */
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { SoliloquyError } from '../protocol/errors.js';
import { type Checkpoint, readCheckpoint, type TokenizerFiles } from './checkpoint.js';
import { invalidCheckpoint } from './safetensors-header.js';

const FIX = 'the trainer must save the model that it was given, trained: same shapes, same tokenizer';

const vocabularySchema = z.looseObject({
  model: z.looseObject({
    vocab: z.union([z.record(z.string(), z.number()), z.array(z.tuple([z.string(), z.number()]))]),
  }),
  added_tokens: z
    .array(z.looseObject({ id: z.number(), content: z.string() }))
    .nullish()
    .transform((tokens) => tokens ?? []),
});

/** Token → id, whatever else tokenizer.json says: other programs write the same tokenizer in other words. */
function vocabularyOf(dir: string, { json }: TokenizerFiles): ReadonlyMap<string, number> {
  let parsed: z.output<typeof vocabularySchema>;
  try {
    parsed = vocabularySchema.parse(JSON.parse(json));
  } catch (cause) {
    throw new SoliloquyError(
      'checkpoint.invalid',
      `${dir}: its tokenizer.json can't be read`,
      { dir, fix: FIX },
      { cause },
    );
  }
  const { vocab } = parsed.model;
  const words: [string, number][] = Array.isArray(vocab)
    ? vocab.map(([text], id) => [text, id])
    : Object.entries(vocab);
  return new Map([
    ...words,
    ...parsed.added_tokens.map(({ content, id }): [string, number] => [content, id]),
  ]);
}

/** Where a vocabulary parts from another, or null. */
function vocabularyFault(before: ReadonlyMap<string, number>, after: ReadonlyMap<string, number>) {
  for (const [token, id] of before)
    if (after.get(token) !== id)
      return `token ${JSON.stringify(token)} was ${id}, is ${after.get(token) ?? 'gone'}`;
  return after.size === before.size ? null : `it has ${after.size} tokens, not ${before.size}`;
}

/**
 * Reads `dir` as the successor of `before`.
 * Throws `checkpoint.missing`, `checkpoint.invalid` or `checkpoint.unsupported`, naming what is wrong with it.
 */
export async function readSuccessor(dir: string, before: Checkpoint): Promise<Checkpoint> {
  const after = await readCheckpoint(dir);
  const [was, is] = [before.weights.architecture, after.weights.architecture];
  const changed = Object.keys({ ...was, ...is }).filter(
    (key) => !isDeepStrictEqual(was[key as keyof typeof was], is[key as keyof typeof is]),
  );
  if (changed.length > 0) {
    const [first] = changed as (keyof typeof was)[];
    const told = [was, is].map((one) => JSON.stringify(one[first!]));
    throw invalidCheckpoint(
      dir,
      `another architecture: ${changed.join(', ')} (${first} was ${told[0]}, is ${told[1]})`,
      {
        changed,
        fix: FIX,
      },
    );
  }
  if (before.tokenizer && after.tokenizer) {
    const [old, own] = [before.tokenizer, after.tokenizer].map((files) => vocabularyOf(dir, files));
    const fault = vocabularyFault(old!, own!);
    if (fault !== null) throw invalidCheckpoint(dir, `another vocabulary: ${fault}`, { fix: FIX });
  }
  // Its numbers stand whole, whatever adapter the model before was made by.
  const { adapter: _, ...kept } = before;
  return { ...kept, weights: after.weights };
}
