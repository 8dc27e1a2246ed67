/**
 * What `eval` measures and how: the model's folder, the config (a run's own, or the default world's), and where the other
 * versions lie that a cast judge may need.
 */
import { type Config, type ConfigPart, mergeParts, resolveConfig } from '../protocol/config.js';
import { type VersionId, versionId } from '../protocol/ids.js';
import { type WorldName, worldPresets } from '../protocol/presets.js';
import { modelFolder } from '../store/hub/repository.js';
import { readRunConfig } from '../store/run-config.js';
import { runFolder } from '../store/run-folder.js';
import { type WorldOptions, worldPart } from './config-options.js';
import { hubModel, pinnedConfig } from './hub.js';
import { type ModelArgument, runOrModel, versionsIn } from './model-argument.js';

export interface SubjectOptions extends WorldOptions {
  readonly version?: string;
  readonly seed?: number;
  readonly heldOut?: number;
  readonly probes?: number;
}

export interface Subject {
  readonly version: VersionId;
  readonly config: Config;
  /** A version of a run, with that run's config. */
  readonly inRun: boolean;
  /** What did the run's numbers; null for a plain model. */
  readonly backend: string | null;
  /** Folder of a version, among those that existed when this one was measured. */
  folderOf(version: VersionId): string | undefined;
}

/** Flags given, without those that are not: an absent one changes nothing. */
function flagsOf(options: SubjectOptions, world: WorldName): ConfigPart {
  const { seed, heldOut, probes } = options;
  return mergeParts({ seed, world: { ...worldPart(world, options), heldOut, probes } } as ConfigPart);
}

/** What a Hub id names is loaded; of a run, nothing is asked that its cache holds. */
export async function subjectOf(given: string, options: SubjectOptions): Promise<Subject> {
  const name = await hubModel(given);
  const model = runOrModel(name, options.version);
  const subject = model.run ? subjectInRun(model.run, options) : plainSubject(model, options);
  // M0 lies in the run's folder, whatever it was.
  const { model: base, ...rest } = subject.config;
  const config = { ...(await pinnedConfig(rest)), ...(base === undefined ? {} : { model: base }) };
  return { ...subject, config };
}

function subjectInRun(
  { path, version }: NonNullable<ModelArgument['run']>,
  options: SubjectOptions,
): Subject {
  const found = readRunConfig(path);
  const { backend } = found;
  const config = resolveConfig(found.config, flagsOf(options, options.world ?? found.config.world.name));
  const known = versionsIn(path);
  const born = new Set(known.slice(0, known.indexOf(version) + 1));
  const folderOf = (other: VersionId) => (born.has(other) ? runFolder(path).model(other) : castFolder(other));
  return { version: versionId(version), config, inRun: true, backend, folderOf };
}

function plainSubject({ dir }: ModelArgument, options: SubjectOptions): Subject {
  const world = options.world ?? (options.data === undefined ? 'microworld' : 'open-assistant');
  const version = versionId('model');
  const config = resolveConfig(worldPresets[world], flagsOf(options, world));
  return {
    version,
    config,
    inRun: false,
    backend: null,
    folderOf: (other) => (other === version ? dir : castFolder(other)),
  };
}

const PREFIX = 'checkpoint:';

/** A judge that was brought along lies where its name says. */
const castFolder = (version: VersionId): string | undefined =>
  version.startsWith(PREFIX) ? modelFolder(version.slice(PREFIX.length)) : undefined;
