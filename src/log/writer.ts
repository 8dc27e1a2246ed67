/**
 * Appends to messages.jsonl. Owns the file handle and the head of the chain. Lines are gathered and written whole:
 * `flush` before anything acts on them, `sync` at rest points; a failed write stops the run and loses nothing before it.
 */
import { closeSync, fdatasync, fdatasyncSync, openSync, writeSync } from 'node:fs';
import { type Durability, WINDOW_MS } from '../protocol/durability.js';
import { reasonOf, SoliloquyError } from '../protocol/errors.js';
import type { Envelope } from '../protocol/messages.js';
import { GENESIS, sealLine } from './chain.js';

export interface LogWriter {
  append(envelope: Envelope): void;
  /** Hands every appended line to the operating system, and to the disk if it is time (`now` as the lines' times). */
  flush(now: number): void;
  /** Flushes, and waits until the disk has it; with durability `none` it doesn't wait. */
  sync(): void;
  close(): void;
  readonly head: string;
  readonly count: number;
  /** What the operating system has: behind `count` where lines are gathered, or could not be written. */
  readonly stored: LogStart;
}

export interface LogStart {
  /** Of what the file holds already; a new file starts at the genesis. */
  readonly head: string;
  readonly count: number;
}

const FLUSH_AT = 1 << 16;

/** Appends after what the file holds. */
export function openLog(
  file: string,
  from: LogStart = { head: GENESIS, count: 0 },
  durability: Durability = 'grouped',
): LogWriter {
  const fd = openSync(file, 'a');
  let { head, count } = from;
  let pending = '';
  let syncedAt = Number.NEGATIVE_INFINITY;
  let dirty = false;
  let stored: LogStart = { head, count };
  /** A grouped sync on its way: the run does not wait for it, the next flush tells if it failed. */
  let syncing = false;
  let closed = false;
  let failed: Error | null = null;
  const guard = (act: () => void) => {
    try {
      act();
    } catch (error) {
      throw new SoliloquyError(
        'log.write',
        `can't write ${file}: ${reasonOf(error)}; messages before it are kept`,
        { file, count, fix: 'free disk space (then `soliloquy resume`) or choose another --out folder' },
        { cause: error },
      );
    }
  };
  const write = () => {
    if (pending === '') return;
    const bytes = Buffer.from(pending);
    pending = '';
    dirty = true;
    guard(() => {
      for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
    });
    stored = { head, count };
  };
  const toDisk = () => {
    if (!dirty || durability === 'none') return;
    dirty = false;
    guard(() => fdatasyncSync(fd));
  };
  return {
    append(envelope) {
      const sealed = sealLine(head, envelope);
      head = sealed.head;
      count++;
      pending += `${sealed.line}\n`;
      if (durability === 'message') {
        write();
        toDisk();
      } else if (pending.length > FLUSH_AT) write();
    },
    flush(now) {
      write();
      guard(() => {
        if (failed) throw failed;
      });
      if (durability !== 'grouped' || syncing || !dirty || now - syncedAt < WINDOW_MS) return;
      syncedAt = now;
      dirty = false;
      syncing = true;
      fdatasync(fd, (error) => {
        syncing = false;
        failed = error;
        if (closed) closeSync(fd);
      });
    },
    sync() {
      write();
      toDisk();
    },
    close() {
      closed = true;
      if (!syncing) closeSync(fd);
    },
    get head() {
      return head;
    },
    get count() {
      return count;
    },
    get stored() {
      return stored;
    },
  };
}
