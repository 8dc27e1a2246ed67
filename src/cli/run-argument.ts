/**
 * What RUN names on a command line, for commands that only read it: the folder, its log, and the config that it was made with.
 */
import { existsSync, readFileSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { configSchema, resolveConfig } from '../protocol/config.js';
import { isSoliloquyError, reasonOf, SoliloquyError } from '../protocol/errors.js';
import type { JudgeTemplate, PromptFormat } from '../protocol/records.js';
import type { RunConfig, Settings } from '../report/run-record.js';
import { type RunFolder, runFolder } from '../store/run-folder.js';

export interface RunArgument extends RunConfig {
  readonly name: string;
  readonly folder: RunFolder;
  readonly log: string;
}

const FIX = 'name the folder of a run, such as runs/paper-1';

export function runArgument(text: string): RunArgument {
  const path = resolve(text);
  const folder = runFolder(path);
  if (!existsSync(folder.log))
    throw new SoliloquyError('run.missing', `${text} is no run folder: it has no messages.jsonl`, {
      run: path,
      fix: FIX,
    });
  return { name: basename(path), folder, log: folder.log, ...configIn(folder.config) };
}

type Raw = Readonly<Record<string, unknown>>;

/** A config, and the judge template that it was used with. */
function settingsIn(raw: Raw): Settings {
  const part = Object.fromEntries(Object.entries(raw).filter(([key]) => key in configSchema.shape));
  const { template } = raw.used as { template: JudgeTemplate };
  if (!template?.verdict) throw new Error('it names no judge template');
  return { config: resolveConfig(part), template };
}

/** A run's config.json: the config, what it was used with, and in a fork the parent's (`initial`). */
function configIn(file: string): RunConfig {
  try {
    const text = readFileSync(file, 'utf8');
    const raw = JSON.parse(text) as Raw;
    const { format } = raw.used as { format: PromptFormat };
    if (!format?.chat) throw new Error('it names no prompt format');
    const { initial } = raw as { initial?: Raw };
    return { ...settingsIn(raw), format, initial: initial ? settingsIn(initial) : null };
  } catch (cause) {
    throw new SoliloquyError(
      'data.unreadable',
      `${file} can't be read as a run's config: ${reasonOf(cause)}`,
      { file, fix: isSoliloquyError(cause) ? (cause.fields.fix ?? FIX) : FIX },
      { cause },
    );
  }
}
