/**
 * Batched sampling. Rows with the same prompt share its prefill, prompts with the same beginning the lines of it; rows that have
 * drawn the same tokens after the same prompt are one line until their draws differ; every line under way makes one step; a
 * finished row gives its place to one that waits. Token i of a row is drawn with `uniformAt(row.key, i)`, whoever stands beside it.
 */
import type { SampleOutput, SampleRow } from '../../protocol/lm.js';
import { uniformAt } from '../../rng.js';
import { createDrawer, type Drawer } from '../draw.js';
import type { Model } from './compiled.js';
import { createKvCache, type KvCache, lineBytes, promptWidth, tailWidth } from './kv-cache.js';
import { prefill } from './prefill.js';
import { float32, floatsOf, int32, int64, type Session } from './session.js';

/** Rows under way at once, at most. */
const MAX_ROWS = 128;
const MAX_CACHE_BYTES = 2 ** 30;
/** Waiting rows come in when this share of the places is free: a prefill wants company. */
const REFILL_AT = 0.25;

interface Continuation {
  readonly row: SampleRow;
  /** Most new tokens, by the row's wish and the model's positions. */
  readonly limit: number;
  readonly ids: number[];
  logprob: number;
  finish: SampleOutput['finish'] | null;
}

/** Rows with the same prompt, the same tokens so far, and the same temperature: one line of the batch. */
interface Branch {
  members: Continuation[];
}

/** Rows that continue the same prompt. */
interface Group {
  readonly promptIds: readonly number[];
  readonly members: Continuation[];
}

export async function sample(model: Model, rows: readonly SampleRow[]): Promise<SampleOutput[]> {
  const { maxPositions } = model.compiled.architecture;
  const all = rows.map((row) => begin(row, maxPositions));
  const waiting = groupsOf(all.filter((c) => c.finish === null));
  if (waiting.length > 0) await run(model, waiting);
  return all.map(({ ids, logprob, finish }) => ({ ids, logprob, finish: finish! }));
}

function begin(row: SampleRow, maxPositions: number): Continuation {
  const limit = Math.min(row.sampling.maxNewTokens, maxPositions - row.promptIds.length);
  return { row, limit, ids: [], logprob: 0, finish: limit > 0 ? null : 'length' };
}

/** By prompt, the longest first: who comes later finds room in the cache. */
function groupsOf(waiting: readonly Continuation[]): Group[] {
  const groups = new Map<string, Group>();
  for (const c of waiting) {
    const { promptIds } = c.row;
    const name = promptIds.join();
    const group = groups.get(name);
    if (group === undefined) groups.set(name, { promptIds, members: [c] });
    else group.members.push(c);
  }
  return [...groups.values()].sort((a, b) => b.promptIds.length - a.promptIds.length);
}

/** Places for all that wait, as far as memory goes; at least for the largest group. */
function placesFor(model: Model, waiting: readonly Group[]): number {
  const { architecture } = model.compiled;
  const sizes = waiting.map(({ members }) => members.length);
  const lines = promptWidth(longestOf(waiting)) + tailWidth(freshOf(waiting));
  const inMemory = Math.floor(MAX_CACHE_BYTES / lineBytes(architecture, lines));
  const wanted = sizes.reduce((sum, n) => sum + n, 0);
  return Math.max(Math.min(wanted, MAX_ROWS, inMemory), ...sizes, model.leastRows);
}

const longestOf = (waiting: readonly Group[]): number => waiting[0]!.promptIds.length;
/** New tokens that a row may have. */
const freshOf = (waiting: readonly Group[]): number =>
  Math.max(...waiting.flatMap(({ members }) => members.map(({ limit }) => limit)));

/**
 * Rows of a prompt that read it in one place: as many as a prompt has in the mean, so that one with many does not make
 * empty seats at all others.
 */
const seatsFor = (waiting: readonly Group[]): number =>
  Math.ceil(waiting.reduce((sum, { members }) => sum + members.length, 0) / waiting.length);

async function run(model: Model, waiting: Group[]): Promise<void> {
  const { architecture } = model.compiled;
  const places = placesFor(model, waiting);
  const seats = seatsFor(waiting);
  const prompts = waiting.reduce((sum, { members }) => sum + Math.ceil(members.length / seats), 0);
  const shared = seats > 1;
  const cache = createKvCache(architecture, {
    rows: places,
    prompts: Math.min(places, Math.max(prompts, model.leastRows)),
    lines: longestOf(waiting),
    fresh: freshOf(waiting),
    shared,
  });
  const most = longestOf(waiting) + freshOf(waiting);
  const drawer = createDrawer(architecture.vocabSize);
  const decode = await model.decode(shared);
  const step = stepper(model, decode, cache, places, most);
  const live: Branch[] = [];
  for (;;) {
    if (waiting.length > 0 && membersIn(live) <= (1 - REFILL_AT) * places)
      await admit(model, waiting, live, { cache, drawer, places, seats });
    if (live.length === 0 && waiting.length === 0) return;
    if (live.length === 0) continue; // the first token ended all that came in
    const { probabilities, tops } = await step(live);
    for (let i = live.length - 1; i >= 0; i--) {
      for (const c of live[i]!.members) take(c, probabilities, tops, i, drawer);
      split(live, i, cache);
    }
    leave(live, cache);
  }
}

interface Room {
  readonly cache: KvCache;
  readonly drawer: Drawer;
  readonly places: number;
  readonly seats: number;
}

/** Whole groups into free places. */
async function admit(
  model: Model,
  waiting: Group[],
  live: Branch[],
  { cache, drawer, places, seats }: Room,
): Promise<void> {
  const groups: Group[] = [];
  for (let free = places - membersIn(live); waiting.length > 0 && waiting[0]!.members.length <= free; ) {
    free -= waiting[0]!.members.length;
    groups.push(waiting.shift()!);
  }
  const prompts = groups.map(({ promptIds, members }) => ({
    ids: promptIds,
    temperatures: members.map(temperatureOf),
  }));
  await prefill(model, prompts, ({ prompt, segments, probabilities, tops, line }) => {
    const { members } = groups[prompt]!;
    members.forEach((c, i) => {
      take(c, probabilities, tops, line + i, drawer);
    });
    branchesOf(members).forEach((own, i) => {
      if (i % seats === 0) cache.open(segments);
      cache.add();
      live.push({ members: own });
    });
  });
}

const membersIn = (live: readonly Branch[]): number =>
  live.reduce((sum, { members }) => sum + members.length, 0);

/** Those that go on, by what they drew last. */
function branchesOf(members: readonly Continuation[]): Continuation[][] {
  const branches = new Map<string, Continuation[]>();
  for (const c of members) {
    if (c.finish !== null) continue;
    const name = `${c.ids.at(-1)} ${temperatureOf(c)}`;
    const own = branches.get(name);
    if (own === undefined) branches.set(name, [c]);
    else own.push(c);
  }
  return [...branches.values()];
}

/** Members that drew another token than the first get lines of their own. */
function split(live: Branch[], at: number, cache: KvCache): void {
  const branch = live[at]!;
  const [same = [], ...others] = branchesOf(branch.members);
  branch.members = same;
  for (const members of others) {
    cache.split(at);
    live.push({ members });
  }
}

/** A line whose rows have all finished leaves; the last comes to that place. */
function leave(live: Branch[], cache: KvCache): void {
  for (let i = live.length - 1; i >= 0; i--) {
    if (live[i]!.members.length > 0) continue;
    cache.remove(i);
    const last = live.pop()!;
    if (i < live.length) live[i] = last;
  }
}

/** Greedy rows are asked at temperature 1. */
const temperatureOf = ({ row }: Continuation): number => row.sampling.temperature || 1;

interface Drawn {
  readonly probabilities: Float32Array;
  readonly tops: Float32Array;
}

/** One step of the decode graph for the rows under way; its inputs are made once. */
function stepper(model: Model, decode: Session, cache: KvCache, places: number, positionsMost: number) {
  const fixed = { ...model.decodeParameters(), ...model.compiled.scaledRotation(positionsMost) };
  const ids = new Int32Array(places);
  const positions = new BigInt64Array(places);
  const temperature = new Float32Array(places).fill(1);
  const split = new BigInt64Array([1n, 0n, 0n]);
  return async (live: readonly Branch[]): Promise<Drawn> => {
    const rows = Math.max(live.length, model.leastRows);
    live.forEach(({ members: [first] }, i) => {
      const c = first!;
      ids[i] = c.ids.at(-1)!;
      positions[i] = BigInt(cache.lengths[i]!);
      temperature[i] = temperatureOf(c);
    });
    split[1] = BigInt(cache.widths.prompt);
    split[2] = BigInt(cache.widths.tail);
    const out = await decode.run({
      ...fixed,
      ...cache.feeds(rows),
      ids: int32(ids.subarray(0, rows), [rows]),
      positions: int64(positions.subarray(0, rows), [rows, 1]),
      temperature: float32(temperature.subarray(0, rows), [rows, 1]),
      split: int64(split, [3]),
    });
    cache.append(floatsOf(out.keys), floatsOf(out.values), rows);
    return { probabilities: floatsOf(out.probabilities), tops: floatsOf(out.tops) };
  };
}

/** log p at temperature 1 of a token that has this probability at `temperature`; `tops` as in graphs.ts. */
function logprobOf(probability: number, temperature: number, tops: Float32Array, at: number): number {
  const scaled = tops[at]! - Math.log(tops[at + 1]!); // log Σ exp(logit / temperature)
  const plain = tops[at + 2]! - Math.log(tops[at + 3]!);
  return temperature * (Math.log(probability) + scaled) - plain;
}

/** Draws the row's next token from line `line`. */
function take(
  c: Continuation,
  probabilities: Float32Array,
  tops: Float32Array,
  line: number,
  drawer: Drawer,
): void {
  const { key, sampling, stopIds } = c.row;
  const at = line * drawer.size;
  const id =
    sampling.temperature === 0
      ? drawer.best(probabilities, at)
      : drawer.draw(probabilities, at, sampling.topP, uniformAt(key, c.ids.length));
  c.logprob += logprobOf(probabilities[at + id]!, temperatureOf(c), tops, 4 * line);
  if (stopIds.includes(id)) {
    c.finish = 'stop';
    return;
  }
  c.ids.push(id);
  if (c.ids.length === c.limit) c.finish = 'length';
}
