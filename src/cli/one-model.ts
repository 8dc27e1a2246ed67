/**
 * One model on worker threads for as long as a command needs it, and the tokens a command line names.
 */
import { Option } from 'commander';
import { type Checkpoint, readCheckpoint } from '../lm/checkpoint.js';
import { createLanguageModel, type SharedModel } from '../pool/language-model.js';
import { BACKEND_CHOICES, type BackendChoice } from '../protocol/backends.js';
import { SoliloquyError } from '../protocol/errors.js';
import { type VersionId, versionId } from '../protocol/ids.js';
import type { Clock } from '../protocol/ports.js';
import type { Machinery } from './options.js';
import { systemClock, tokenIds } from './options.js';

export const MODEL: VersionId = versionId('model');

export const backendOption = (): Option =>
  new Option('--backend <name>', 'what does the numbers')
    .choices(BACKEND_CHOICES)
    .default('auto' satisfies BackendChoice);

/** Runs `use` with worker threads that are gone when it ends, however it ends. A thread that died is told on standard error. */
export async function withLanguageModel<T>(
  { workers, backend, clock = systemClock }: Machinery & { readonly clock?: Clock | undefined },
  use: (model: SharedModel) => Promise<T>,
): Promise<T> {
  const model = await createLanguageModel({
    workers,
    backend,
    clock,
    onWorkerCrash: ({ task, reason, retried }) =>
      process.stderr.write(
        `a worker thread died (${task ?? 'idle'}): ${reason}${retried ? '; its task is done again' : ''}\n`,
      ),
  });
  try {
    return await use(model);
  } finally {
    await model.close();
  }
}

/** The checkpoint of a folder as version `model`. One sequence is one task, so one thread does. */
export async function withOneModel<T>(
  dir: string,
  backend: BackendChoice,
  use: (model: SharedModel, checkpoint: Checkpoint) => Promise<T>,
): Promise<T> {
  const checkpoint = await readCheckpoint(dir);
  return withLanguageModel({ workers: 1, backend }, (model) => {
    model.register(MODEL, checkpoint);
    return use(model, checkpoint);
  });
}

export const idsOption = (): Option =>
  new Option('--ids <ids>', 'token ids, such as 1,2,3, taken as they are').argParser(tokenIds);

export interface TokensGiven {
  readonly ids?: readonly number[];
  readonly text?: string;
  /** The flag that gives text, for messages. */
  readonly flag: '--text' | '--prompt';
}

/** The ids as given, or of the text as a sequence starts: with BOS where the checkpoint's sequences have one. */
export function idsOf({ ids, text, flag }: TokensGiven, model: SharedModel): readonly number[] {
  if (ids) return ids;
  const encoded = model.tokenizer(MODEL).encodePrompt(text ?? '');
  if (encoded.length > 0) return encoded;
  throw new SoliloquyError('usage', `${flag} ${JSON.stringify(text)} is no token of this model`, {
    fix: `give ${flag} some text, or --ids`,
  });
}

/** Before anything is loaded: exactly one of the two (commander refuses both). */
export function checkTokensGiven({ ids, text, flag }: TokensGiven): void {
  if (ids === undefined && text === undefined)
    throw new SoliloquyError('usage', `nothing to read: neither ${flag} nor --ids is given`, {
      fix: `add ${flag} "…" or --ids 1,2,3`,
    });
}
