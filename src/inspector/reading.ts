/**
 * The pages' questions about one run, answered from its index and file. Every answer is JSON; nothing here changes anything.
 */

import { join } from 'node:path';
import { z } from 'zod';
import type { BodyOf, Candidate, Envelope } from '../protocol/messages.js';
import { shellWord } from '../protocol/shell-word.js';
import { jsonIn } from '../store/files.js';
import { refusal, valid } from './door.js';
import { type Ending, episodesIn, type ListedEpisode, listedEpisode } from './episodes.js';
import { filterSchema, placeOf } from './filter.js';
import type { House, OpenRun } from './house.js';
import type { Row } from './run-index.js';

const whole = z.coerce.number().int().min(0);
const windowSchema = z.object({ from: whole.default(0), count: whole.max(500).default(100) });

const parsed = <T>(schema: z.ZodType<T>, query: URLSearchParams): T =>
  valid(schema, Object.fromEntries(query), 'query');

function seqIn({ watched: { index } }: OpenRun, query: URLSearchParams): number {
  const { seq } = parsed(
    z.object({
      seq: z.coerce
        .number()
        .int()
        .min(-1)
        .default(index.count - 1),
    }),
    query,
  );
  if (seq >= index.count)
    throw refusal(404, `there is no message ${seq}: the log holds ${index.count} so far`);
  return seq;
}

export interface RunHead {
  readonly name: string;
  readonly count: number;
  readonly progress: { readonly indexed: number; readonly stated: number };
  readonly control: 'running' | 'held' | 'ended' | null;
  readonly failure: string | null;
}

export function headOf({ name, watched, control }: OpenRun): RunHead {
  const { index, failure } = watched;
  return {
    name,
    count: index.count,
    progress: watched.progress(),
    control: control === null ? null : control.ended ? 'ended' : control.held ? 'held' : 'running',
    failure: failure === undefined ? null : failure instanceof Error ? failure.message : String(failure),
  };
}

/** A message type or a phase of the run that occurs, how often, and the first seq of it. */
export interface Used {
  readonly name: string;
  readonly count: number;
  readonly first: number;
}

/** Versions in the order of their birth: the seq of each `version.made`, the first place from which it can be forked. */
function versionsOf({ watched: { index } }: OpenRun): { readonly name: string; readonly seq: number }[] {
  const { columns, names } = index;
  const made = names.find('version.made');
  const found: { name: string; seq: number }[] = [];
  for (let seq = 0; made >= 0 && seq < columns.count; seq++)
    if (columns.get('type', seq) === made)
      found.push({ name: (index.read(seq).body as BodyOf<'version.made'>).version, seq });
  return found;
}

/** Everything but the messages. */
export function runPage(house: House, run: OpenRun) {
  const { columns, names } = run.watched.index;
  const used = (column: 'type' | 'phase'): Used[] => {
    const counts: number[] = [];
    const firsts: number[] = [];
    for (let seq = 0; seq < columns.count; seq++) {
      const id = columns.get(column, seq);
      counts[id] = (counts[id] ?? 0) + 1;
      firsts[id] ??= seq;
    }
    return counts.flatMap((count, id) =>
      count ? [{ name: names.nameOf(id), count, first: firsts[id]! }] : [],
    );
  };
  return {
    ...headOf(run),
    folder: run.folder,
    versions: versionsOf(run),
    roles: house.roles,
    config: jsonIn(join(run.folder, 'config.json')),
    manifest: jsonIn(join(run.folder, 'manifest.json')),
    types: used('type'),
    phases: used('phase'),
    hasTruth: run.truth !== undefined,
  };
}

export function messages({ watched }: OpenRun, query: URLSearchParams) {
  const { from, count } = parsed(windowSchema, query);
  const { seqs, searched } = watched.finder.find(parsed(filterSchema, query));
  const rows: Row[] = Array.from(seqs.subarray(from, from + count), watched.index.row);
  return { total: seqs.length, searched, of: watched.index.count, from, rows };
}

/** Where a seq stands, or would stand, among the messages that pass a filter. */
export function place(run: OpenRun, query: URLSearchParams) {
  const { seqs } = run.watched.finder.find(parsed(filterSchema, query));
  const seq = seqIn(run, query);
  const place = placeOf(seqs, seq);
  return { place, isThere: seqs[place] === seq, total: seqs.length };
}

export function message(run: OpenRun, text: string) {
  const { index } = run.watched;
  const seq = seqIn(run, new URLSearchParams({ seq: text }));
  if (seq < 0) throw refusal(404, `there is no message ${seq}`);
  const row = index.row(seq);
  return {
    row,
    envelope: index.read(seq),
    cause: row.cause >= 0 && row.cause < index.count ? index.row(row.cause) : null,
    effects: index.effectsOf(seq).slice(0, 200).map(index.row),
    /** The same question at a shell. */
    why: `soliloquy why ${shellWord(run.folder)} seq:${seq}`,
  };
}

export const moment = (run: OpenRun, query: URLSearchParams) => run.watched.moment(seqIn(run, query));

export function context(run: OpenRun, query: URLSearchParams) {
  const { address } = parsed(z.object({ address: z.string().min(1) }), query);
  const seq = seqIn(run, query);
  const found = run.watched.contexts.at(address, seq);
  if (found === null) throw refusal(404, `${address} is no machine`);
  return { address, seq, ...found };
}

/** The same without the context, which may be large. */
export function taken(run: OpenRun, query: URLSearchParams) {
  const { context: _, ...rest } = context(run, query);
  return rest;
}

const episodesSchema = windowSchema.extend({
  phase: z.string().default(''),
  /** Where this episode stands among them. */
  find: z.string().default(''),
  end: z.enum(['', 'open', 'paired', 'withheld', 'filtered', 'failed']).default(''),
});

export function episodes({ watched: { index } }: OpenRun, query: URLSearchParams) {
  const { from, count, phase, end, find } = parsed(episodesSchema, query);
  const all = episodesIn(index);
  const wanted = all.filter(
    (one) => (phase === '' || one.phase === phase) && (end === '' || one.end === end),
  );
  const counts: Partial<Record<Ending, number>> = {};
  for (const one of all)
    if (phase === '' || one.phase === phase) counts[one.end] = (counts[one.end] ?? 0) + 1;
  const rows: ListedEpisode[] = wanted.slice(from, from + count).map((one) => listedEpisode(index, one));
  const phases = [...new Set(all.map((one) => one.phase))];
  const place = find === '' ? -1 : wanted.findIndex(({ id }) => id === find);
  return { total: wanted.length, counts, phases, from, rows, place };
}

/** All messages of an episode, the true score of each answer where the world knows it, and where each verdict stands. */
export function episode({ watched: { index }, truth, reading }: OpenRun, id: string) {
  const seqs = index.episode(id);
  if (seqs.length === 0) throw refusal(404, `there is no episode ${id}`);
  const envelopes = seqs.map((seq) => index.read(seq));
  const { marker, min, max } = reading;
  return {
    id,
    envelopes,
    truths: truthsOf(envelopes, truth),
    places: placesOf(envelopes, reading),
    scale: { marker, min, max },
  };
}

/** By the judgement's id; a scorer wrote nothing. */
function placesOf(envelopes: readonly Envelope[], reading: OpenRun['reading']) {
  const judged = envelopes.filter(({ type }) => type === 'judgement.made');
  return Object.fromEntries(
    judged.flatMap(({ body }) => {
      const { id, generation } = body as BodyOf<'judgement.made'>;
      return generation ? [[id, reading.placeIn(generation.text)]] : [];
    }),
  );
}

function truthsOf(envelopes: readonly Envelope[], truth: OpenRun['truth']) {
  const said = envelopes.findLast(({ type }) => type === 'responses.request');
  const answered = envelopes.findLast(({ type }) => type === 'responses.made');
  if (!truth || !said || !answered) return {};
  const { prompt } = said.body as BodyOf<'responses.request'>;
  const { candidates } = answered.body as { readonly candidates: readonly Candidate[] };
  return Object.fromEntries(candidates.map(({ id, text }) => [id, truth(prompt, text)]));
}
