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

/** A sealed line as it was before. */
export const unsealed = (line: string): string => `${line.slice(0, -SUFFIX)}}`;

/** The line (no newline) of an envelope, and the new head. */
export function sealLine(previous: string, envelope: Envelope): { line: string; head: string } {
  const open = openLine(envelope);
  const head = sha256(previous + open);
  return { line: `${open.slice(0, -1)},"h":"${head}"}`, head };
}

/** The head after `line`, or undefined if the line doesn't continue the chain. */
export function checkLine(previous: string, line: string): string | undefined {
  const head = line.slice(-66, -2);
  if (line.slice(-SUFFIX, -66) !== ',"h":"' || !line.endsWith('"}')) return undefined;
  return sha256(previous + unsealed(line)) === head ? head : undefined;
}
