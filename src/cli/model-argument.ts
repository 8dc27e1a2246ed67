/**
 * What MODEL and RUN name on a command line: a folder in Hugging Face layout, or a version in a run's folder (RUN/M3, or
 * RUN/models/M3). Only names and folders; reading a checkpoint is strict by itself (src/lm/checkpoint.ts).
 */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { SoliloquyError } from '../protocol/errors.js';
import { isHubId } from '../store/hub/hub-id.js';
import { cachedModel } from '../store/hub/repository.js';
import { runFolder } from '../store/run-folder.js';

export interface ModelArgument {
  /** A folder in Hugging Face layout. */
  readonly dir: string;
  /** Where it is a version of a run. */
  readonly run?: { readonly path: string; readonly version: string };
  /** Where it is of the Hub: its id, with the commit. */
  readonly hub?: string;
}

export const MODEL_HELP =
  'a folder in Hugging Face layout, a version of a run (RUN/M3), or hf:org/name@revision';

const isFolder = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;

/** A run's folder: it has a manifest, or at least its config and models. */
export const isRun = (path: string): boolean =>
  existsSync(join(path, 'manifest.json')) ||
  (existsSync(join(path, 'config.json')) && isFolder(runFolder(path).models));

/** Versions stored in a run, in the order of their birth. */
export function versionsIn(run: string): string[] {
  const { models } = runFolder(run);
  const names = isFolder(models) ? readdirSync(models).filter((name) => isFolder(join(models, name))) : [];
  const rank = (name: string) =>
    name === 'SFT' ? 0.5 : Number(/^M(\d+)$/.exec(name)?.[1] ?? Number.MAX_SAFE_INTEGER);
  return names.sort((a, b) => rank(a) - rank(b));
}

function versionOfRun(path: string, version: string): ModelArgument {
  const known = versionsIn(path);
  if (known.includes(version)) return { dir: runFolder(path).model(version), run: { path, version } };
  throw new SoliloquyError('checkpoint.missing', `the run ${path} has no version ${version}`, {
    run: path,
    version,
    fix:
      known.length === 0
        ? 'the run has stored no version yet'
        : `one of: ${known.map((name) => join(path, name)).join(', ')}`,
  });
}

/** The model that MODEL names. A Hub id must be in the cache: `hubModel` (hub.ts) puts it there. */
export function modelArgument(text: string): ModelArgument {
  if (isHubId(text)) {
    const { path: dir, pinned: hub } = cachedModel(text);
    return { dir, hub };
  }
  const path = resolve(text);
  if (isFolder(path)) {
    const parent = dirname(path);
    if (basename(parent) === 'models' && isRun(dirname(parent)))
      return versionOfRun(dirname(parent), basename(path));
    if (!isRun(path)) return { dir: path };
    throw new SoliloquyError('usage', `${text} is a run, not a model`, {
      run: path,
      fix: `name one of its versions: ${
        versionsIn(path)
          .map((name) => join(text, name))
          .join(', ') || '(none yet)'
      }`,
    });
  }
  if (isRun(dirname(path))) return versionOfRun(dirname(path), basename(path));
  const what = existsSync(path) ? 'is a file, not a folder' : 'does not exist';
  throw new SoliloquyError('checkpoint.missing', `MODEL ${text} ${what}`, {
    model: path,
    fix: `name ${MODEL_HELP}`,
  });
}

/** What a model is called: RUN/M3, its Hub id, or its folder's name. */
export const modelName = ({ dir, run, hub }: ModelArgument): string =>
  run === undefined ? (hub ?? basename(dir)) : `${basename(run.path)}/${run.version}`;

/** What RUN|MODEL names; of a run without a version, the newest. */
export function runOrModel(text: string, version?: string): ModelArgument {
  const path = resolve(text);
  if (!isRun(path)) {
    const model = modelArgument(text);
    if (version === undefined || version === model.run?.version) return model;
    throw new SoliloquyError('usage', `--version ${version}: ${text} is one model, not a run`, {
      fix: 'leave --version out, or name the run’s folder',
    });
  }
  const newest = version ?? versionsIn(path).at(-1);
  if (newest === undefined)
    throw new SoliloquyError('checkpoint.missing', `the run ${text} has stored no version yet`, {
      run: path,
      fix: 'wait for its first version, or name another run',
    });
  return versionOfRun(path, newest);
}
