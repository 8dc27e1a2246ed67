/**
 * The hash chain of the log: h = sha256(previous h + the line without its `h`), hex. A reader in any language checks it on
 * the raw text, with no canonical JSON: cut `,"h":"<64 hex>"}` off the line's end and put `}` back.
 */
import { createHash } from 'node:crypto';
import type { Envelope } from '../protocol/messages.js';

export const GENESIS = '0'.repeat(64);
/** `,"h":"` + 64 hex + `"}` */
const SUFFIX = 72;

export const sha256 = (text: string | Uint8Array): string => createHash('sha256').update(text).digest('hex');

/** The line (no newline) of an envelope, and the new head. */
export function sealLine(previous: string, envelope: Envelope): { line: string; head: string } {
  const { v, seq, at, from, to, cause, type, body } = envelope;
  const open = JSON.stringify({ v, seq, at, from, to, cause, type, body });
  const head = sha256(previous + open);
  return { line: `${open.slice(0, -1)},"h":"${head}"}`, head };
}

/** The head after `line`, or undefined if the line doesn't continue the chain. */
export function checkLine(previous: string, line: string): string | undefined {
  const head = line.slice(-66, -2);
  if (line.slice(-SUFFIX, -66) !== ',"h":"' || !line.endsWith('"}')) return undefined;
  return sha256(`${previous}${line.slice(0, -SUFFIX)}}`) === head ? head : undefined;
}
