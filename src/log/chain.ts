/**
 * The hash chain of the log: h = sha256(previous h + the line without its `h`), hex. A reader in any language checks it on
 * the raw text, with no canonical JSON: cut `,"h":"<64 hex>"}` off the line's end and put `}` back.
 */
import { hash } from 'node:crypto';
import type { Envelope } from '../protocol/messages.js';

export const GENESIS = '0'.repeat(64);
/** `,"h":"` + 64 hex + `"}` */
const SUFFIX = 72;

export const sha256 = (text: string | Uint8Array): string => hash('sha256', text, 'hex');

/** The line of an envelope before it is sealed: all but its `h`, in a fixed order of fields. */
export const openLine = ({ v, seq, at, from, to, cause, type, body }: Envelope): string =>
  JSON.stringify({ v, seq, at, from, to, cause, type, body });

/** The line (no newline) of an envelope, and the new head. */
export function sealLine(previous: string, envelope: Envelope): { line: string; head: string } {
  const open = openLine(envelope);
  const head = sha256(previous + open);
  return { line: `${open.slice(0, -1)},"h":"${head}"}`, head };
}

const HASH_FIELD = Buffer.from(',"h":"');
const HEX = 64;
let scratch = Buffer.alloc(1 << 16);

/** The head after a line, or undefined if the line doesn't continue the chain. `line`: its bytes, without the newline. */
export function checkBytes(previous: string, line: Buffer): string | undefined {
  const open = line.length - SUFFIX;
  if (open < 1 || line.compare(HASH_FIELD, 0, HASH_FIELD.length, open, open + HASH_FIELD.length) !== 0)
    return undefined;
  if (line[line.length - 1] !== 0x7d || line[line.length - 2] !== 0x22) return undefined;
  const length = HEX + open + 1;
  if (scratch.length < length) scratch = Buffer.alloc(2 * length);
  scratch.write(previous, 0, 'latin1');
  line.copy(scratch, HEX, 0, open);
  scratch[length - 1] = 0x7d;
  const head = line.toString('latin1', line.length - 2 - HEX, line.length - 2);
  return sha256(scratch.subarray(0, length)) === head ? head : undefined;
}

/** The same for a line as text. */
export const checkLine = (previous: string, line: string): string | undefined =>
  checkBytes(previous, Buffer.from(line));

/** Whether a sealed line is this text (a line before it was sealed, without its last brace) with a hash behind it. */
export const isSealed = (line: string, open: string): boolean =>
  line.length === open.length + SUFFIX && line.startsWith(open);
