/**
 * What RUN names on a command line, for commands that only read it: the folder, its log, and the config that it was made with.
 */
import { existsSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import type { Config } from '../protocol/config.js';
import { SoliloquyError } from '../protocol/errors.js';
import type { JudgeTemplate, PromptFormat } from '../protocol/records.js';
import type { RunConfig, Settings } from '../report/run-record.js';
import { type RunUse, readRunConfig } from '../store/run-config.js';
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
  return { name: basename(path), folder, log: folder.log, ...recordIn(path) };
}

/** A config, and the judge template that it was used with. */
function settingsOf(file: string, config: Config, used: RunUse): Settings {
  const { template } = used as { template?: JudgeTemplate };
  if (!template?.verdict) throw incomplete(file, 'judge template');
  return { config, template };
}

/** The config, what it was used with, and in a fork the parent's. */
function recordIn(path: string): RunConfig {
  const file = runFolder(path).config;
  const { config, used, isFork, initial, initialUsed } = readRunConfig(path);
  const { format } = used as { format?: PromptFormat };
  if (!format?.chat) throw incomplete(file, 'prompt format');
  const first = isFork ? settingsOf(file, initial, initialUsed) : null;
  return { ...settingsOf(file, config, used), format, initial: first };
}

const incomplete = (file: string, what: string) =>
  new SoliloquyError('data.unreadable', `${file} names no ${what} that the run was made with`, {
    file,
    fix: FIX,
  });
