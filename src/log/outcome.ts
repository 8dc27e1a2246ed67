/**
 * The outcome hash: what a run found out, whatever the order of its log lines. Each fact, without seqs and times, is hashed; the
 * hashes are added up modulo 2^256, so that memory stays flat and order does not matter; count and sum are hashed again. Equal
 * across worker counts on one backend. Crash notes, progress and pauses are no facts.
 */
import { hash } from 'node:crypto';
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
  'pair.revised',
  'meta-judgement.made',
  'judgement-pair.made',
  'judgement-pair.withheld',
  'demonstration.answered',
  'eft.given',
  'version.made',
  'evaluation.answered',
  'evaluation.compared',
  'evaluation.judged',
  'evaluation.made',
]);

/** What depends on places in the log: the seqs behind a pair, what is still to come, the hash of files that name seqs. */
const PLACES = new Set(['judgements', 'metaJudgements', 'left', 'dataHash']);
const withoutPlaces = (key: string, value: unknown) => (PLACES.has(key) ? undefined : value);

/** Facts whose places lie deep: a replacer is slow. */
const DEEP: ReadonlySet<MessageType> = new Set<MessageType>([
  'pair.made',
  'pair.withheld',
  'pair.revised',
  'judgement-pair.made',
]);

/** A fact as text. */
function factOf({ type, body }: Pick<Envelope, 'type' | 'body'>): string {
  if (DEEP.has(type)) return JSON.stringify([type, body], withoutPlaces);
  if (type === 'judgement.made') return JSON.stringify([type, { ...body, left: undefined }]);
  if (type === 'version.made') return JSON.stringify([type, { ...body, dataHash: undefined }]);
  return JSON.stringify([type, body]);
}

const WORDS = 8;

export interface OutcomeHash {
  add(envelope: Envelope): void;
  readonly facts: number;
  digest(): string;
}

export function outcomeHash(): OutcomeHash {
  /** Big-endian words of a 256-bit sum. */
  const sum = new Uint32Array(WORDS);
  let facts = 0;
  const addDigest = (digest: Buffer): void => {
    let carry = 0;
    for (let word = WORDS - 1; word >= 0; word--) {
      const total = sum[word]! + digest.readUInt32BE(4 * word) + carry;
      sum[word] = total;
      carry = total > 0xffffffff ? 1 : 0;
    }
  };
  return {
    add(envelope) {
      if (!FACTS.has(envelope.type)) return;
      facts++;
      addDigest(hash('sha256', factOf(envelope), 'buffer'));
    },
    get facts() {
      return facts;
    },
    digest() {
      const hex = [...sum].map((word) => word.toString(16).padStart(8, '0')).join('');
      return sha256(`${facts} ${hex}`);
    },
  };
}
