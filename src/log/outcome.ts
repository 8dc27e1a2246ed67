/**
 * The outcome hash: what a run found out, whatever the order of its log lines. Facts without seqs and times, sorted,
 * hashed; equal across worker counts on one backend. Crash notes, progress and pauses are no facts.
 */
import { createHash } from 'node:crypto';
import type { Envelope, MessageType } from '../protocol/messages.js';
import { sha256 } from './chain.js';

const FACTS: ReadonlySet<MessageType> = new Set<MessageType>([
  'seed.given',
  'prompt.made',
  'prompt.filtered',
  'prompt.failed',
  'responses.made',
  'responses.failed',
  'judgement.made',
  'judgements.failed',
  'pair.made',
  'pair.withheld',
  'eft.given',
  'version.made',
  'evaluation.answered',
  'evaluation.compared',
  'evaluation.judged',
  'evaluation.made',
]);

/** What depends on places in the log: the seqs behind a pair, what is still to come, the hash of files that name seqs. */
const PLACES = new Set(['judgements', 'left', 'dataHash']);
const withoutPlaces = (key: string, value: unknown) => (PLACES.has(key) ? undefined : value);

export interface OutcomeHash {
  add(envelope: Envelope): void;
  readonly facts: number;
  digest(): string;
}

export function outcomeHash(): OutcomeHash {
  const digests: string[] = [];
  return {
    add(envelope) {
      if (FACTS.has(envelope.type))
        digests.push(sha256(JSON.stringify([envelope.type, envelope.body], withoutPlaces)));
    },
    get facts() {
      return digests.length;
    },
    digest() {
      const hash = createHash('sha256');
      for (const digest of [...digests].sort()) hash.update(digest);
      return hash.digest('hex');
    },
  };
}
