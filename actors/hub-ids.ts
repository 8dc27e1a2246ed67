/**
 * Owns: where a config may name something on the Hub, and that a run's config names commits: a branch is another tomorrow.
 * Nothing here asks the network.
 */
import { castText, parseCast, type Role } from '../src/protocol/cast.js';
import type { ConfigPart } from '../src/protocol/config.js';
import { SoliloquyError } from '../src/protocol/errors.js';
import { isCommit, isHubId, parseHubId } from '../src/store/hub/hub-id.js';

export interface HubNames {
  /** Another name for a model. */
  model(id: string): Promise<string>;
  /** Other names for data: a folder is its files. */
  data(id: string): Promise<readonly string[]>;
  /** Another name for the one data file that is wanted. */
  file(id: string): Promise<string>;
}

/** The same config with every Hub id named anew; what is no Hub id stays. */
export async function mapHubIds<T extends ConfigPart>(config: T, names: HubNames): Promise<T> {
  const { model, cast, world } = config;
  const changed: Record<string, unknown> = { ...config };
  if (model !== undefined && isHubId(model)) changed.model = await names.model(model);
  if (cast !== undefined) changed.cast = await castOf(cast, names);
  if (world !== undefined) changed.world = await worldOf(world, names);
  return changed as T;
}

async function castOf(cast: NonNullable<ConfigPart['cast']>, names: HubNames) {
  const changed: Record<string, unknown> = { ...cast };
  for (const role of ['generator', 'responder', 'judge'] as const) {
    const text = cast[role];
    if (text?.includes('checkpoint:hf:')) changed[role] = await renamedCast(role, text, names);
  }
  return changed;
}

async function renamedCast(role: Role, text: string, names: HubNames): Promise<string> {
  const cast = parseCast(role, text);
  const renamed = async <C extends typeof cast>(one: C): Promise<C> =>
    one.player === 'checkpoint' && isHubId(one.dir) ? { ...one, dir: await names.model(one.dir) } : one;
  if (cast.player !== 'ensemble') return castText(await renamed(cast));
  return castText({ ...cast, members: await Promise.all(cast.members.map(renamed)) });
}

async function worldOf(world: NonNullable<ConfigPart['world']>, names: HubNames) {
  const many = async (texts: readonly string[] | undefined) =>
    texts && (await Promise.all(texts.map(async (one) => (isHubId(one) ? names.data(one) : [one])))).flat();
  const { data } = world;
  const [files, evalFiles] = await Promise.all([many(world.files), many(world.evalFiles)]);
  return {
    ...world,
    ...(data !== undefined && isHubId(data) ? { data: await names.file(data) } : {}),
    ...(files ? { files } : {}),
    ...(evalFiles ? { evalFiles } : {}),
  };
}

/** Refuses a config whose Hub ids don't name commits: it could not say what the run was made with. */
export async function checkPinned(config: ConfigPart): Promise<void> {
  const check = (id: string): string => {
    if (isCommit(parseHubId(id).revision)) return id;
    throw new SoliloquyError('config.invalid', `${id} names no commit`, {
      id,
      fix: 'name one (hf:org/name@<40 hex digits>); the command line does so by itself',
    });
  };
  const one = async (id: string) => check(id);
  await mapHubIds(config, { model: one, file: one, data: async (id) => [check(id)] });
}
