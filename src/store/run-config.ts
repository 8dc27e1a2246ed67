/**
 * A run's config.json: the resolved config, what it was used with (`used`: backend, template, versions), and in a fork the
 * parent's own file (`initial`), since the log's first part was made with that.
 */
import { existsSync, readFileSync } from 'node:fs';
import { type Config, type ConfigPart, configSchema, resolveConfig } from '../protocol/config.js';
import { reasonOf, SoliloquyError } from '../protocol/errors.js';
import type { BodyOf } from '../protocol/messages.js';
import { runFolder } from './run-folder.js';

/** What a config was used with: backend, template, format, versions. */
export type RunUse = Readonly<Record<string, unknown>>;

export interface RunConfig {
  /** What the run's newest part is made with. */
  readonly config: Config;
  /** Its first part was made by another run, with another config. */
  readonly isFork: boolean;
  /** What the log's first part was made with. */
  readonly initial: Config;
  /** The file's text of that time: its hash stands in `run.start`. */
  readonly initialText: string;
  /** Null where the file doesn't say. */
  readonly backend: string | null;
  readonly used: RunUse;
  /** The same of the log's first part. */
  readonly initialUsed: RunUse;
  /** A fork's seam, as it stands or will stand on the log. */
  readonly fork: ForkSeam | null;
}

/** What `run.forked` says beside the config. */
export type ForkSeam = Omit<BodyOf<'run.forked'>, 'config'>;

type Raw = Readonly<Record<string, unknown>>;

/** A config.json without what it holds beside the config. */
export const configPartOf = (raw: Raw): ConfigPart =>
  Object.fromEntries(Object.entries(raw).filter(([key]) => key in configSchema.shape)) as ConfigPart;

/** A run from before there were formats was made with plain text. */
const settled = (config: Config): Config =>
  config.world.format === 'auto' ? { ...config, world: { ...config.world, format: 'plain' } } : config;

export const configText = (raw: Raw): string => `${JSON.stringify(raw, null, 2)}\n`;

export function readRunConfig(path: string): RunConfig {
  const file = runFolder(path).config;
  if (!existsSync(file))
    throw new SoliloquyError('run.missing', `${path} is no run folder: it has no config.json`, {
      path,
      fix: 'name the folder of a run, such as runs/paper-1',
    });
  try {
    const raw = JSON.parse(readFileSync(file, 'utf8')) as Raw;
    const first = (raw.initial ?? raw) as Raw;
    const used = (raw.used ?? {}) as Raw;
    return {
      config: settled(resolveConfig(configPartOf(raw))),
      isFork: raw.initial !== undefined,
      initial: settled(resolveConfig(configPartOf(first))),
      initialText: configText(first),
      backend: typeof used.backend === 'string' ? used.backend : null,
      used,
      initialUsed: (first.used ?? {}) as RunUse,
      fork: (raw.fork ?? null) as ForkSeam | null,
    };
  } catch (cause) {
    throw new SoliloquyError(
      'data.unreadable',
      `${file} can't be read as a run's config: ${reasonOf(cause)}`,
      { file, fix: 'name the folder of a run that has its config.json' },
      { cause },
    );
  }
}
