/**
 * Two runs side by side: in what their configs differ, whether one was forked from the other, where their logs first part, and
 * the messages around. Where logs part is looked for beside the requests and kept: a log only grows, so a parting that was found stays.
 */
import { join } from 'node:path';
import { z } from 'zod';
import { isPlainObject, leavesOf, type PlainObject } from '../protocol/plain.js';
import { jsonIn } from '../store/files.js';
import { runFolder } from '../store/run-folder.js';
import { refusal } from './door.js';
import type { House, OpenRun } from './house.js';
import type { Row } from './run-index.js';

/** So many whole lines of a log are to be read. */
export interface LogSoFar {
  readonly log: string;
  readonly lines: number;
}

export interface Parting {
  /** Messages that both have alike, from the first on. */
  readonly common: number;
  /** What each says there; null: its log ends (both: they say the same to the end). */
  readonly a: { readonly seq: number; readonly text: string } | null;
  readonly b: { readonly seq: number; readonly text: string } | null;
}
export type FindParting = (a: LogSoFar, b: LogSoFar) => Promise<Parting>;

/** The oldest fact of each log that the other doesn't hold, whatever the order; nulls where both hold the same. */
export type OtherFacts = Pick<Parting, 'a' | 'b'>;
export type FindOtherFacts = (a: LogSoFar, b: LogSoFar) => Promise<OtherFacts>;

export interface ConfigChange {
  /** Dotted. */
  readonly path: string;
  /** JSON; null: the path isn't there. */
  readonly a: string | null;
  readonly b: string | null;
}

export interface AroundRow extends Row {
  /** The body as JSON, cut. */
  readonly text: string;
}

export interface Compared {
  readonly runs: readonly [string, string];
  readonly counts: readonly [number, number];
  /** Where a run says that it left another; of the two that do. */
  readonly forks: readonly { readonly run: string; readonly parent: string; readonly seq: number }[];
  readonly changes: readonly ConfigChange[];
  /** Null: it is being looked for; ask again. */
  readonly parting: Parting | null;
  /** Both logs were looked at to their ends as they are now, or to where they part; false: ask again. */
  readonly isSettled: boolean;
  /** Null: not looked for yet; only of logs that part and have ended, since a fact may still come. */
  readonly otherFacts: OtherFacts | null;
  /** Messages before and behind the parting. */
  readonly around: readonly [readonly AroundRow[], readonly AroundRow[]];
}

const BEFORE = 3;
const BEHIND = 4;
const WIDTH = 240;

function objectIn(file: string): PlainObject {
  const found = jsonIn(file);
  return isPlainObject(found) ? found : {};
}

export function changesBetween(a: unknown, b: unknown): ConfigChange[] {
  const text = (value: unknown) => (value === undefined ? null : JSON.stringify(value));
  const [left, right] = [new Map(leavesOf(a)), new Map(leavesOf(b))];
  return [...new Set([...left.keys(), ...right.keys()])]
    .map((path) => ({ path, a: text(left.get(path)), b: text(right.get(path)) }))
    .filter((one) => one.a !== one.b)
    .sort((one, other) => (one.path < other.path ? -1 : 1));
}

/** `initial` is what a fork's parent was made with, `fork` where it left it: no config of its own. */
const configOf = ({ folder }: OpenRun): PlainObject => {
  const { initial: _, fork: _seam, ...config } = objectIn(runFolder(folder).config);
  return config;
};

const parentSchema = z.object({ parent: z.object({ run: z.string(), seq: z.number() }) });
function forkOf({ name, folder }: OpenRun): Compared['forks'] {
  const found = parentSchema.safeParse(objectIn(join(folder, 'manifest.json')));
  if (!found.success) return [];
  const { run, seq } = found.data.parent;
  return [{ run: name, parent: run, seq }];
}

interface Search {
  found: Parting | null;
  facts: OtherFacts | null;
  counts: readonly [number, number];
  busy: boolean;
  failure: unknown;
}
const KEPT = 16;
const searches = new WeakMap<House, Map<string, Search>>();

const isFinal = ({ a, b }: Parting): boolean => a !== null && b !== null;
const logOf = ({ folder, watched }: OpenRun): LogSoFar => ({
  log: runFolder(folder).log,
  lines: watched.index.count,
});

function searchOf(house: House, a: OpenRun, b: OpenRun): Search {
  const all = searches.get(house) ?? new Map<string, Search>();
  searches.set(house, all);
  const key = JSON.stringify([a.name, b.name]);
  const search = all.get(key) ?? {
    found: null,
    facts: null,
    counts: [-1, -1],
    busy: false,
    failure: undefined,
  };
  all.delete(key);
  all.set(key, search);
  if (all.size > KEPT) all.delete(all.keys().next().value!);
  return search;
}

const isAbout = ({ counts }: Search, a: LogSoFar, b: LogSoFar): boolean =>
  counts[0] === a.lines && counts[1] === b.lines;

const statusOf = ({ folder }: OpenRun): unknown => objectIn(join(folder, 'manifest.json')).status;
const hasEnded = (run: OpenRun): boolean =>
  statusOf(run) !== 'running' && run.watched.progress().indexed > 0.999;

/** Begun once the parting is known. */
function findFacts({ measures }: House, search: Search, a: OpenRun, b: OpenRun): void {
  if (search.busy || search.facts || !search.found || !isFinal(search.found)) return;
  if (!hasEnded(a) || !hasEnded(b)) return;
  search.busy = true;
  measures
    .findOtherFacts(logOf(a), logOf(b))
    .then((facts) => Object.assign(search, { facts }))
    .catch((failure: unknown) => Object.assign(search, { failure }))
    .finally(() => {
      search.busy = false;
    });
}

/** Looks again where a log has grown since and nothing but its end was found. */
function partingOf(house: House, a: OpenRun, b: OpenRun): Search {
  const search = searchOf(house, a, b);
  const [left, right] = [logOf(a), logOf(b)];
  if (search.busy || isAbout(search, left, right) || (search.found && isFinal(search.found))) return search;
  search.busy = true;
  house.measures
    .findParting(left, right)
    .then((found) => Object.assign(search, { found, counts: [left.lines, right.lines], failure: undefined }))
    .catch((failure: unknown) => Object.assign(search, { failure, counts: [left.lines, right.lines] }))
    .finally(() => {
      search.busy = false;
    });
  return search;
}

/** Of the message that differs, the part that does. */
function textOf({ type, from, to }: Row, body: unknown, said: Parting['a']): string {
  const text = JSON.stringify(body);
  if (text.length <= WIDTH) return text;
  const head = `${type} (${from} → ${to}) `;
  return said?.text.startsWith(head) ? said.text.slice(head.length) : `${text.slice(0, WIDTH)}…`;
}

function around({ watched: { index } }: OpenRun, at: number, said: Parting['a']): AroundRow[] {
  const from = Math.max(0, at - BEFORE);
  const until = Math.min(index.count, at + BEHIND);
  return Array.from({ length: Math.max(0, until - from) }, (_, i) => {
    const row = index.row(from + i);
    return { ...row, text: textOf(row, index.read(row.seq).body, row.seq === said?.seq ? said : null) };
  });
}

/** A short search is waited for, so that one question is enough. */
const PATIENCE_MS = 150;

export async function compare(house: House, a: OpenRun, other: string): Promise<Compared> {
  if (other === '') throw refusal(400, 'compare with which run?', 'GET /api/runs lists those that there are');
  const b = house.open(other);
  const search = partingOf(house, a, b);
  if (search.busy) await new Promise((done) => setTimeout(done, PATIENCE_MS));
  if (search.failure !== undefined) throw search.failure;
  findFacts(house, search, a, b);
  const { found } = search;
  return {
    runs: [a.name, b.name],
    counts: [a.watched.index.count, b.watched.index.count],
    forks: [...forkOf(a), ...forkOf(b)],
    changes: changesBetween(configOf(a), configOf(b)),
    parting: found,
    isSettled: found !== null && (isFinal(found) || isAbout(search, logOf(a), logOf(b))),
    otherFacts: search.facts,
    around: found ? [around(a, found.common, found.a), around(b, found.common, found.b)] : [[], []],
  };
}
