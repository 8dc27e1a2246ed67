/** What the script's view asks the server: filters as they stand in the address, windows of rows, the facts to filter by. */
import { computed, effect, signal } from '@preact/signals';
import type { place as placeAnswer } from '../reading.js';
import type { Row } from '../run-index.js';
import { go, place, seq } from './address.js';
import { get } from './api.js';
import { head, run, tell } from './live.js';
import { createWindows, type Windows } from './windows.js';

export const FILTERS = ['role', 'type', 'phase', 'episode', 'text'] as const;
export type FilterName = (typeof FILTERS)[number];

interface Named {
  readonly name: string;
  readonly count: number;
}
export interface RunFacts {
  readonly roles: readonly string[];
  readonly types: readonly Named[];
  readonly phases: readonly Named[];
  readonly count: number;
}
/** Types and phases that there are, with their numbers. */
export const facts = signal<RunFacts | null>(null);
let factsOf = '';

const filterText = computed(() =>
  JSON.stringify(Object.fromEntries(FILTERS.map((name) => [name, place.value.query[name] ?? '']))),
);
export const filter = computed(() => JSON.parse(filterText.value) as Readonly<Record<FilterName, string>>);
export const isFiltered = computed(() => Object.values(filter.value).some((one) => one !== ''));

/** How far a search for a text has come. */
export const searched = signal<{ readonly searched: number; readonly of: number } | null>(null);
export const list = signal<Windows<Row> | null>(null);
/** Where the message that is looked at stands in the list; null: it is none of those. */
export const chosen = signal<number | null>(null);
/** Where it would stand. */
export const near = signal<number | null>(null);

interface Page {
  readonly total: number;
  readonly searched: number;
  readonly of: number;
  readonly rows: readonly Row[];
}

/** Begins a list for each run and filter, keeps it up with the run; ends with the returned function. */
export function startScript(): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const refreshSoon = (ms: number) => {
    timer ??= setTimeout(() => {
      timer = undefined;
      list.peek()?.refresh();
    }, ms);
  };
  const ends = [
    effect(() => {
      const name = run.value;
      const wanted = JSON.parse(filterText.value) as Readonly<Record<FilterName, string>>;
      if (name === '') return;
      const made = createWindows<Row>({
        async read(from, count, signal) {
          const page = await get<Page>(name, 'messages', { ...wanted, from, count }, signal);
          searched.value = { searched: page.searched, of: page.of };
          if (page.searched < page.of) refreshSoon(250);
          return page;
        },
        isFinal: ({ state, to }) => state !== null || !isMachine(to),
        onError: tell,
      });
      searched.value = null;
      list.value = made;
      made.want(0, 0);
      return () => made.close();
    }),
    effect(() => {
      void head.value?.count;
      void head.value?.progress.stated;
      refreshSoon(200);
    }),
    effect(() => {
      const count = head.value?.count ?? 0;
      const known = facts.peek();
      const name = run.value;
      if (name === '' || count === 0) return;
      if (factsOf === name && known && count < 1.1 * known.count) return;
      factsOf = name;
      get<RunFacts>(name, '')
        .then((found) => {
          if (factsOf === name) facts.value = found;
        })
        .catch(tell);
    }),
    effect(() => {
      void list.value?.total;
      void findChosen(run.value, seq.value, filter.value, isFiltered.value);
    }),
  ];
  return () => {
    clearTimeout(timer);
    for (const end of ends) end();
  };
}

const ADDRESSEES: ReadonlySet<string> = new Set(['record', 'model', 'scorer', 'world', 'evaluator', 'user']);
const isMachine = (address: string) => !ADDRESSEES.has(address);

/** The row that was chosen last in the list itself: its place is known. */
let picked: { readonly seq: number; readonly index: number; readonly list: Windows<Row> } | null = null;

type Place = ReturnType<typeof placeAnswer>;

async function findChosen(name: string, at: number | null, wanted: object, filtered: boolean): Promise<void> {
  near.value = null;
  if (at === null || at < 0 || name === '') chosen.value = null;
  else if (!filtered) chosen.value = at;
  else if (picked?.seq === at && picked.list === list.peek()) chosen.value = picked.index;
  else {
    try {
      const found = await get<Place>(name, 'place', { ...wanted, seq: at });
      if (seq.peek() !== at) return;
      near.value = found.total === 0 ? null : Math.min(found.place, found.total - 1);
      chosen.value = found.isThere ? found.place : null;
    } catch (error) {
      tell(error);
    }
  }
}

/** The row of the list becomes the moment that is looked at. */
export async function choose(index: number): Promise<void> {
  const own = list.peek();
  if (!own) return;
  try {
    const row =
      own.at(index) ??
      (await get<Page>(run.peek(), 'messages', { ...filter.peek(), from: index, count: 1 })).rows[0];
    if (!row || list.peek() !== own) return;
    picked = { seq: row.seq, index, list: own };
    chosen.value = index;
    go({ query: { seq: String(row.seq) } }, true);
  } catch (error) {
    tell(error);
  }
}
