/** A run's folder with its log changed and sealed again: as somebody would write it who knows the format. */
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { GENESIS, sealLine } from '../../src/log/chain.js';
import type { Envelope } from '../../src/protocol/messages.js';

/** Copies the run `from` to `to`, its log mapped by `change`; seqs are given anew. */
export function resealedRun(from: string, to: string, change: (envelopes: Envelope[]) => Envelope[]): string {
  cpSync(from, to, { recursive: true });
  const file = join(to, 'messages.jsonl');
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
  const envelopes = lines.map((line) => {
    const { h: _, ...envelope } = JSON.parse(line) as Envelope & { h: string };
    return envelope;
  });
  let head = GENESIS;
  const sealed = change(envelopes).map((envelope, seq) => {
    const next = sealLine(head, { ...envelope, seq });
    head = next.head;
    return `${next.line}\n`;
  });
  writeFileSync(file, sealed.join(''));
  return to;
}
