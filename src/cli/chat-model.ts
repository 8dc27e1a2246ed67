/**
 * How a model that a command line names is talked to: its checkpoint's chat template, else the format of its run.
 */
import { hasChatTemplate } from '../../actors/format.js';
import type { Checkpoint } from '../lm/checkpoint.js';
import { SoliloquyError } from '../protocol/errors.js';
import type { Tokenizer } from '../protocol/ports.js';
import type { PromptFormat } from '../protocol/records.js';
import { chatFormat, plainFormat } from '../protocol/templates.js';
import { type ChatFormat, createChatFormat } from '../serve/chat-format.js';
import { readRunConfig } from '../store/run-config.js';
import type { ModelArgument } from './model-argument.js';
import { systemClock } from './options.js';

function runFormatOf({ run }: ModelArgument): PromptFormat | null {
  if (run === undefined) return null;
  const { format } = readRunConfig(run.path).used as { readonly format?: PromptFormat };
  return format?.chat === undefined ? null : format;
}

/** How a judge bench asks this model: as its run did, a plain checkpoint through its chat template where it has one. */
export function promptFormatOf(argument: ModelArgument, checkpoint: Checkpoint): PromptFormat {
  if (argument.run !== undefined) return runFormatOf(argument) ?? plainFormat;
  return hasChatTemplate(checkpoint) ? chatFormat : plainFormat;
}

export function chatFormatOf(
  argument: ModelArgument,
  { tokenizer: files }: Checkpoint,
  tokenizer: Tokenizer,
): ChatFormat {
  return createChatFormat({ files, tokenizer, runFormat: runFormatOf(argument), clock: systemClock });
}

/** Whoever speaks in texts needs a tokenizer. */
export function needTokenizer({ tokenizer }: Checkpoint, dir: string): void {
  if (tokenizer === null)
    throw new SoliloquyError('tokenizer.invalid', `${dir} has no tokenizer.json`, {
      dir,
      fix: 'put the tokenizer.json of the model beside it',
    });
}
