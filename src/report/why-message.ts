/**
 * Why a message: the chain of what it answers, back to the run's start, and what it caused.
 */
import type { Envelope, Generation } from '../protocol/messages.js';
import { isPlainObject, type PlainObject } from '../protocol/plain.js';
import { handNote, type RunRecord } from './run-record.js';
import { type Fact, generationFacts, lineOf, type Trace } from './trace.js';

/** Longer than a hash. */
const LONG = 64;

interface Content {
  readonly facts: Record<string, Fact>;
  readonly texts: Record<string, string>;
}

/** Short fields as facts, texts and long fields as texts, lists as their lengths; objects field by field, one level deep. */
function addContent({ facts, texts }: Content, fields: PlainObject, prefix = ''): void {
  for (const [field, value] of Object.entries(fields)) {
    const name = prefix + field;
    if (name === 'generation' && isPlainObject(value)) {
      const generation = value as unknown as Generation;
      texts.raw = generation.text;
      Object.assign(facts, generationFacts(generation));
    } else if (typeof value === 'string' && (/(text|prompt)$/.test(field) || value.length > LONG))
      texts[name] = value;
    else if (Array.isArray(value)) facts[name] = listFact(value);
    else if (!isPlainObject(value)) facts[name] = value as Fact;
    else if (prefix === '') addContent({ facts, texts }, value, `${name}.`);
    else texts[name] = JSON.stringify(value);
  }
}

function contentOf(record: RunRecord, { body }: Envelope): Content {
  const content: Content = { facts: {}, texts: {} };
  addContent(content, body as Record<string, unknown>);
  const { version } = content.facts;
  const weights = typeof version === 'string' ? record.weightsOf(version) : null;
  if (weights !== null) content.facts.weights = weights;
  return content;
}

const listFact = (list: readonly unknown[]): Fact =>
  list.length <= 8 && list.every((one) => typeof one === 'number' || typeof one === 'string')
    ? (list as (string | number)[])
    : `${list.length} of them`;

export function messageTrace(record: RunRecord, envelope: Envelope): Trace {
  return {
    kind: 'message',
    title: envelope.type,
    line: lineOf(envelope),
    ...contentOf(record, envelope),
    notes: handNote(record, envelope),
  };
}

/** How many messages would not be there without this one. */
function descendants({ index }: RunRecord, seq: number): number {
  const from = new Uint8Array(index.count);
  from[seq] = 1;
  let count = 0;
  for (let one = seq + 1; one < index.count; one++)
    if (from[index.causeOf(one)]) {
      from[one] = 1;
      count++;
    }
  return count;
}

export function whyMessage(record: RunRecord, seq: number): Trace {
  const { index } = record;
  const chain: Trace[] = [];
  for (let cause = index.causeOf(seq); cause >= 0; cause = index.causeOf(cause))
    chain.push(messageTrace(record, index.read(cause)));
  const effects = index.effectsOf(seq).map((one) => messageTrace(record, index.read(one)));
  const envelope = index.read(seq);
  const trace = messageTrace(record, envelope);
  const origin =
    chain.length === 0 ? 'said from outside: it answers nothing' : `answers, back to ${chain.at(-1)!.title}`;
  return {
    ...trace,
    texts: { ...trace.texts, body: JSON.stringify(envelope.body) },
    parts: [
      { kind: 'causes', title: origin, facts: { messages: chain.length }, parts: chain },
      {
        kind: 'effects',
        title: effects.length === 0 ? 'caused nothing' : 'caused',
        facts: { messages: effects.length, withTheirs: descendants(record, seq) },
        parts: effects,
      },
    ],
  };
}
