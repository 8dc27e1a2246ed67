/**
 * The model versions that the pool knows, each with its weights once in shared memory. Versions are immutable: a name is given
 * once, and given again only after it was released.
 */
import { withChat } from '../lm/chat-encoding.js';
import type { Checkpoint } from '../lm/checkpoint.js';
import { tokenizerOf } from '../lm/tokenizer.js';
import { SoliloquyError } from '../protocol/errors.js';
import type { VersionId } from '../protocol/ids.js';
import type { Clock, Tokenizer } from '../protocol/ports.js';
import type { ModelRef } from './messages.js';

export interface Versions {
  register(version: VersionId, checkpoint: Checkpoint): void;
  has(version: VersionId): boolean;
  checkpoint(version: VersionId): Checkpoint;
  tokenizer(version: VersionId): Tokenizer;
  /** What a worker needs to load it. */
  ref(version: VersionId): ModelRef;
  release(version: VersionId): void;
  names(): readonly VersionId[];
}

interface Entry {
  readonly checkpoint: Checkpoint;
  readonly ref: ModelRef;
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

/** `onRelease` hears the key of weights that no task will ask for again; chat templates that ask for today ask `clock`. */
export function createVersions(onRelease: (key: string) => void, clock?: Clock): Versions {
  const entries = new Map<VersionId, Entry>();
  // Versions that descend from one another share their tokenizer's files.
  const tokenizers = new WeakMap<object, Tokenizer>();
  let registered = 0;

  const entry = (version: VersionId): Entry => {
    const found = entries.get(version);
    if (found) return found;
    const known = [...entries.keys()];
    throw new SoliloquyError(
      'checkpoint.missing',
      `no model version ${version}; there are: ${known.join(', ') || 'none'}`,
      { version },
    );
  };
  return {
    register(version, checkpoint) {
      if (entries.has(version)) throw immutable(version);
      const { architecture, data } = checkpoint.weights;
      const block = shared(data);
      const key = `${version}#${registered++}`;
      const weights = { architecture, data: new Float32Array(block) };
      entries.set(version, {
        checkpoint: { ...checkpoint, weights },
        ref: { key, architecture, data: block },
      });
    },
    has: (version) => entries.has(version),
    checkpoint: (version) => entry(version).checkpoint,
    tokenizer(version) {
      const { checkpoint } = entry(version);
      const { tokenizer: files } = checkpoint;
      if (!files)
        throw new SoliloquyError('tokenizer.invalid', `version ${version} has no tokenizer.json`, {
          version,
        });
      const made = tokenizers.get(files) ?? withChat(tokenizerOf(files, checkpoint), files, clock);
      tokenizers.set(files, made);
      return made;
    },
    ref: (version) => entry(version).ref,
    release(version) {
      const { key } = entry(version).ref;
      entries.delete(version);
      onRelease(key);
    },
    names: () => [...entries.keys()],
  };
}
