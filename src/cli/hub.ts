/**
 * Hub ids on a command line: what they name is loaded into the cache, with progress on standard error, and named by its commit
 * from then on. The only place that lets a command use the network for files; everything behind it reads the cache.
 */
import type { Command } from 'commander';
import { mapHubIds } from '../../actors/hub-ids.js';
import type { ConfigPart } from '../protocol/config.js';
import { isSoliloquyError } from '../protocol/errors.js';
import { isHubId } from '../store/hub/hub-id.js';
import {
  type Cached,
  cachedData,
  cachedModel,
  type Download,
  fetchData,
  fetchModel,
  onlyOne,
} from '../store/hub/repository.js';
import { sizeText } from './options.js';

/** Commands that no Hub id can be given to. */
const WITHOUT = new Set(['replay', 'compare', 'why', 'pretrain', 'machines', 'doctor']);

/** `--offline` for a command and those below it. */
export function withOffline(command: Command): Command {
  if (WITHOUT.has(command.name())) return command;
  for (const below of command.commands) withOffline(below);
  return command
    .option('--offline', 'Hub ids (hf:…) from the cache alone, as with HF_HUB_OFFLINE=1')
    .hook('preAction', (_, action) => {
      if (action.opts<{ offline?: true }>().offline) process.env.HF_HUB_OFFLINE = '1';
    });
}

/** On a terminal one line that changes; else a line a file. */
function progress() {
  let file = '';
  let share = -1;
  const { isTTY } = process.stderr;
  return {
    show(download: Download): void {
      const text = `loading ${download.repo} ${download.file}, ${sizeText(download.bytes)}`;
      const now = download.bytes === 0 ? 100 : Math.floor((100 * download.done) / download.bytes);
      const isNew = file !== download.file;
      if (isTTY && (isNew || now !== share)) process.stderr.write(`\r\x1b[2K${text}  ${now} %`);
      else if (!isTTY && isNew)
        process.stderr.write(`${text}${download.done > 0 ? `, on from ${sizeText(download.done)}` : ''}\n`);
      [file, share] = [download.file, now];
    },
    end(): void {
      if (isTTY && file !== '') process.stderr.write('\r\x1b[2K');
    },
  };
}

async function loaded<T>(load: (onDownload: (download: Download) => void) => Promise<T>): Promise<T> {
  const { show, end } = progress();
  try {
    return await load(show);
  } finally {
    end();
  }
}

/** MODEL as it is, or of a Hub id the one that names its commit, with its files in the cache. */
export const hubModel = async (text: string): Promise<string> =>
  isHubId(text) ? (await loaded((show) => fetchModel(text, show))).pinned : text;

const hubFiles = (text: string): Promise<readonly Cached[]> => loaded((show) => fetchData(text, show));

/** Data files: the path as it is, or those that a Hub id names. */
export const dataPaths = async (text: string): Promise<readonly string[]> =>
  isHubId(text) ? (await hubFiles(text)).map(({ path }) => path) : [text];

/** One data file: the path as it is, or the one that a Hub id names. */
export const dataPath = async (text: string): Promise<string> =>
  isHubId(text) ? onlyOne(text, await hubFiles(text)).path : text;

/** Names of data, of Hub ids those that name commits and files. */
export const pinnedData = async (texts: readonly string[]): Promise<readonly string[]> =>
  (
    await Promise.all(
      texts.map(async (text) =>
        isHubId(text) ? (await hubFiles(text)).map(({ pinned }) => pinned) : [text],
      ),
    )
  ).flat();

/** A config whose Hub ids name commits that are in the cache. */
export const pinnedConfig = <T extends ConfigPart>(config: T): Promise<T> =>
  mapHubIds(config, {
    model: hubModel,
    data: async (id) => (await hubFiles(id)).map(({ pinned }) => pinned),
    file: async (id) => onlyOne(id, await hubFiles(id)).pinned,
  });

/** What a run's config names is in the cache, or is loaded again. M0 is not looked for: it lies in the run's folder. */
export async function inCache({ model: _base, ...config }: ConfigPart): Promise<void> {
  const known = async <T>(cached: () => T, fetch: () => Promise<T>): Promise<T> => {
    try {
      return cached();
    } catch (error) {
      if (!isSoliloquyError(error) || error.code !== 'hub.unavailable') throw error;
      return fetch();
    }
  };
  const data = (id: string) =>
    known(
      () => cachedData(id),
      () => hubFiles(id),
    );
  await mapHubIds(config, {
    model: async (id) =>
      (
        await known(
          () => cachedModel(id),
          () => loaded((show) => fetchModel(id, show)),
        )
      ).pinned,
    data: async (id) => (await data(id)).map(({ pinned }) => pinned),
    file: async (id) => onlyOne(id, await data(id)).pinned,
  });
}
