/**
 * Follows a log's file: whole lines from where the last reading ended, each checked against the chain. The file may be growing
 * under another process. Owns the file handle. A last line that is not whole yet waits for its rest.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { checkBytes, GENESIS } from '../log/chain.js';
import { broken, checkThere } from '../log/reader.js';

const BLOCK = 1 << 20;

export interface Tail {
  /** Whole lines that were taken, the byte behind them, and the head of the chain there. */
  readonly count: number;
  readonly bytes: number;
  readonly head: string;
  /** Takes what fits into one block; false if there is nothing new. */
  next(take: (line: Buffer, offset: number) => void): boolean;
  /** Bytes of the file now. */
  size(): number;
  read(offset: number, bytes: number): Buffer;
  close(): void;
}

export interface TailStart {
  readonly count: number;
  readonly bytes: number;
  readonly head: string;
}

export function openTail(file: string, start: TailStart = { count: 0, bytes: 0, head: GENESIS }): Tail {
  checkThere(file);
  const fd = openSync(file, 'r');
  let { count, bytes, head } = start;
  let block = Buffer.allocUnsafe(BLOCK);
  const size = () => fstatSync(fd).size;
  const read = (offset: number, length: number): Buffer => {
    const into = Buffer.allocUnsafe(length);
    return into.subarray(0, readSync(fd, into, 0, length, offset));
  };
  return {
    get count() {
      return count;
    },
    get bytes() {
      return bytes;
    },
    get head() {
      return head;
    },
    next(take) {
      const got = readSync(fd, block, 0, block.length, bytes);
      const data = block.subarray(0, got);
      let at = 0;
      for (let end = data.indexOf(10); end >= 0; end = data.indexOf(10, at)) {
        const line = data.subarray(at, end);
        const next = checkBytes(head, line);
        if (next === undefined) {
          // A torn line of a crash, on which a resume has not yet written: it waits. With more behind it, it is damage.
          if (bytes + (end - at) + 1 < size()) throw broken(file, count);
          return at > 0;
        }
        take(line, bytes);
        head = next;
        bytes += end + 1 - at;
        count++;
        at = end + 1;
      }
      // A line longer than the block.
      if (at === 0 && got === block.length) {
        block = Buffer.allocUnsafe(2 * block.length);
        return true;
      }
      return at > 0;
    },
    size,
    read,
    close: () => closeSync(fd),
  };
}
