/**
 * Appends to messages.jsonl. Owns the file handle and the head of the chain. Lines are gathered and written whole:
 * `flush` before anything acts on them, `sync` at rest points; a failed write stops the run and loses nothing before it.
 */
import { closeSync, fdatasyncSync, openSync, writeSync } from 'node:fs';
import { reasonOf, SoliloquyError } from '../protocol/errors.js';
import type { Envelope } from '../protocol/messages.js';
import { GENESIS, sealLine } from './chain.js';

export interface LogWriter {
  append(envelope: Envelope): void;
  /** Hands every appended line to the operating system. */
  flush(): void;
  /** Flushes, and waits until the disk has it. */
  sync(): void;
  close(): void;
  readonly head: string;
  readonly count: number;
}

const FLUSH_AT = 1 << 16;

/** Appends after `head`/`count` of what the file holds already; a new file starts at the genesis. */
export function openLog(
  file: string,
  from: { head: string; count: number } = { head: GENESIS, count: 0 },
): LogWriter {
  const fd = openSync(file, 'a');
  let { head, count } = from;
  let pending = '';
  const guard = (act: () => void) => {
    try {
      act();
    } catch (error) {
      throw new SoliloquyError(
        'log.write',
        `can't write ${file}: ${reasonOf(error)}; messages before it are kept`,
        { file, count, fix: 'free disk space or choose another --out folder' },
        { cause: error },
      );
    }
  };
  const flush = () => {
    if (pending === '') return;
    const bytes = Buffer.from(pending);
    pending = '';
    guard(() => {
      for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
    });
  };
  return {
    append(envelope) {
      const sealed = sealLine(head, envelope);
      head = sealed.head;
      count++;
      pending += `${sealed.line}\n`;
      if (pending.length > FLUSH_AT) flush();
    },
    flush,
    sync() {
      flush();
      guard(() => fdatasyncSync(fd));
    },
    close: () => closeSync(fd),
    get head() {
      return head;
    },
    get count() {
      return count;
    },
  };
}
