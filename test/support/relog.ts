/** A run folder made of another one's log, changed line by line and sealed again: forks, torn runs, worlds without truth. */
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { GENESIS, sealLine } from '../../src/log/chain.js';
import type { Envelope } from '../../src/protocol/messages.js';
import type { Manifest } from '../../src/store/run-folder.js';

export interface Relog {
  /** Null leaves the line and all after it out. */
  readonly edit?: (envelope: Envelope) => Envelope | null;
  readonly config?: (config: Record<string, unknown>) => Record<string, unknown>;
  readonly status?: Manifest['status'];
  /** Text after the last whole line. */
  readonly torn?: string;
}

const jsonOf = (file: string): Record<string, unknown> =>
  JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;

export function relog(from: string, to: string, { edit, config, status, torn = '' }: Relog): string {
  mkdirSync(to, { recursive: true });
  let head = GENESIS;
  const lines: string[] = [];
  for (const line of readFileSync(join(from, 'messages.jsonl'), 'utf8').trimEnd().split('\n')) {
    const envelope = JSON.parse(line) as Envelope;
    const edited = edit ? edit(envelope) : envelope;
    if (edited === null) break;
    const sealed = sealLine(head, edited);
    head = sealed.head;
    lines.push(`${sealed.line}\n`);
  }
  writeFileSync(join(to, 'messages.jsonl'), lines.join('') + torn);
  const stored = jsonOf(join(from, 'config.json'));
  writeFileSync(join(to, 'config.json'), JSON.stringify(config ? config(stored) : stored));
  const manifest = { ...jsonOf(join(from, 'manifest.json')), ...(status ? { status } : {}) };
  writeFileSync(
    join(to, 'manifest.json'),
    JSON.stringify({ ...manifest, count: lines.length, headHash: head }),
  );
  return to;
}

/** The folder as it is, under another name. */
export function copyRun(from: string, to: string): string {
  cpSync(from, to, { recursive: true });
  return to;
}
