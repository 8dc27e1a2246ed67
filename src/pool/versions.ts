/**
 * The model versions that the pool knows. Versions are immutable: a name is given once, and given again only after it was released.
 * Each has its weights once, in shared memory. Of those that stand on disk too, only the few that were used last stay in memory
 * where they are large; the others are read again when they are wanted, and must then be what they were.
 */
import { sizeOf } from '../lm/architecture.js';
import { withChat } from '../lm/chat-encoding.js';
import type { Checkpoint } from '../lm/checkpoint.js';
import { RESIDENT_BYTES, RESIDENT_VERSIONS } from '../lm/memory-estimate.js';
import { tokenizerOf } from '../lm/tokenizer.js';
import { weightsHash } from '../lm/weights.js';
import { SoliloquyError } from '../protocol/errors.js';
import type { VersionId } from '../protocol/ids.js';
import type { Clock, Tokenizer } from '../protocol/ports.js';
import type { ModelRef } from './messages.js';

/** Where a version's weights stand beside memory. */
export interface Settled {
  /** weightsHash of what `read` must give; absent: taken when the weights leave memory. */
  readonly hash?: string;
  readonly read: () => Promise<Checkpoint>;
}

/** What of a version is always at hand. */
export type Facts = Omit<Checkpoint, 'weights'>;

export interface Versions {
  register(version: VersionId, checkpoint: Checkpoint): void;
  /** From now on the version's weights may leave memory. */
  settle(version: VersionId, settled: Settled): void;
  has(version: VersionId): boolean;
  facts(version: VersionId): Facts;
  architecture(version: VersionId): ModelRef['architecture'];
  tokenizer(version: VersionId): Tokenizer;
  checkpoint(version: VersionId): Promise<Checkpoint>;
  /** `work` is given what a worker needs to load the version, whose weights stay in memory meanwhile. */
  using<T>(version: VersionId, work: (model: ModelRef) => Promise<T>): Promise<T>;
  release(version: VersionId): void;
  names(): readonly VersionId[];
}

interface Entry {
  readonly facts: Facts;
  readonly architecture: ModelRef['architecture'];
  /** Null: not in memory. */
  ref: ModelRef | null;
  waking: Promise<ModelRef> | null;
  /** Reads the weights again; null: they stand nowhere else. */
  read: Settled['read'] | null;
  hash: string | null;
  users: number;
  /** Grows with each use, of whatever version. */
  used: number;
}

export interface Residency {
  /** Weights of so many bytes together stay in memory, however many versions they are. */
  readonly bytes: number;
  /** And so many versions, however large. */
  readonly versions: number;
}

export const immutable = (version: VersionId): SoliloquyError =>
  new SoliloquyError('protocol.violation', `version ${version} exists and is immutable`, { version });

/** The same bytes if they are shared already, else a shared copy. */
function shared(data: Float32Array): SharedArrayBuffer {
  const { buffer } = data;
  if (buffer instanceof SharedArrayBuffer && buffer.byteLength === data.byteLength) return buffer;
  const block = new SharedArrayBuffer(data.byteLength);
  new Float32Array(block).set(data);
  return block;
}

/** Weights that were read again; what has changed on disk meanwhile is not the version any more. */
async function readAgain(version: VersionId, { hash, read }: Entry): Promise<SharedArrayBuffer> {
  const { weights } = await read!();
  if (weightsHash(weights) !== hash)
    throw new SoliloquyError(
      'checkpoint.invalid',
      `the files of ${version} were changed while the run went on: they hold other weights than it was made with`,
      { version, fix: 'restore them from a copy, and resume the run' },
    );
  return shared(weights.data);
}

export interface VersionsOptions {
  /** Hears the key of weights that no task will ask for soon. */
  readonly onRelease: (key: string) => void;
  /** Chat templates that ask for today ask it. */
  readonly clock?: Clock | undefined;
  readonly residency?: Residency;
}

export function createVersions({ onRelease, clock, residency }: VersionsOptions): Versions {
  const { bytes: mostBytes, versions: mostVersions } = residency ?? {
    bytes: RESIDENT_BYTES,
    versions: RESIDENT_VERSIONS,
  };
  const entries = new Map<VersionId, Entry>();
  // Versions that descend from one another share their tokenizer's files.
  const tokenizers = new WeakMap<object, Tokenizer>();
  let registered = 0;
  let uses = 0;

  const entryOf = (version: VersionId): Entry => {
    const found = entries.get(version);
    if (found) return found;
    const known = [...entries.keys()];
    throw new SoliloquyError(
      'checkpoint.missing',
      `no model version ${version}; there are: ${known.join(', ') || 'none'}`,
      { version },
    );
  };
  /** The least recently used that nobody works with make room, also for a version of `coming` bytes. */
  const makeRoom = (coming = 0): void => {
    const present = [...entries.values()].filter(({ ref }) => ref !== null);
    let bytes = present.reduce((sum, { ref }) => sum + ref!.data.byteLength, coming);
    let count = present.length + (coming > 0 ? 1 : 0);
    const idle = present.filter(({ read, users }) => read !== null && users === 0);
    for (const entry of idle.sort((a, b) => a.used - b.used)) {
      if (bytes <= mostBytes || count <= mostVersions) return;
      const { key, architecture, data } = entry.ref!;
      bytes -= data.byteLength;
      count--;
      entry.hash ??= weightsHash({ architecture, data: new Float32Array(data) });
      onRelease(key);
      entry.ref = null;
    }
  };
  const place = (version: VersionId, entry: Entry, data: SharedArrayBuffer): ModelRef => {
    entry.ref = { key: `${version}#${registered++}`, architecture: entry.architecture, data };
    return entry.ref;
  };
  const wake = async (version: VersionId, entry: Entry): Promise<ModelRef> => {
    makeRoom(4 * sizeOf(entry.architecture));
    try {
      return place(version, entry, await readAgain(version, entry));
    } finally {
      entry.waking = null;
    }
  };
  const using: Versions['using'] = async (version, work) => {
    const entry = entryOf(version);
    entry.users++;
    entry.used = ++uses;
    try {
      entry.waking ??= entry.ref === null ? wake(version, entry) : null;
      return await work(entry.ref ?? (await entry.waking!));
    } finally {
      entry.users--;
      makeRoom();
    }
  };
  return {
    register(version, { weights, ...facts }) {
      if (entries.has(version)) throw immutable(version);
      const { architecture, data } = weights;
      const absent = { ref: null, waking: null, read: null, hash: null };
      const entry: Entry = { facts, architecture, ...absent, users: 0, used: ++uses };
      place(version, entry, shared(data));
      entries.set(version, entry);
      makeRoom();
    },
    settle(version, { hash = null, read }) {
      const entry = entryOf(version);
      entry.hash = hash;
      entry.read = read;
      makeRoom();
    },
    has: (version) => entries.has(version),
    facts: (version) => entryOf(version).facts,
    architecture: (version) => entryOf(version).architecture,
    tokenizer(version) {
      const { facts } = entryOf(version);
      const { tokenizer: files } = facts;
      if (!files)
        throw new SoliloquyError('tokenizer.invalid', `version ${version} has no tokenizer.json`, {
          version,
        });
      const made = tokenizers.get(files) ?? withChat(tokenizerOf(files, facts), files, clock);
      tokenizers.set(files, made);
      return made;
    },
    checkpoint: (version) =>
      using(version, async ({ architecture, data }) => ({
        ...entryOf(version).facts,
        weights: { architecture, data: new Float32Array(data) },
      })),
    using,
    release(version) {
      const { ref } = entryOf(version);
      entries.delete(version);
      if (ref) onRelease(ref.key);
    },
    names: () => [...entries.keys()],
  };
}
