/**
 * Where the person is, as it stands in the address bar: /RUN/VIEW?seq=…&…: every place can be sent to a colleague. The one owner of
 * the address.
 */
import { computed, signal } from '@preact/signals';

export const VIEWS = ['stage', 'script', 'episodes', 'progress', 'compare'] as const;
export type View = (typeof VIEWS)[number];

export interface Place {
  /** '': the server's own run. */
  readonly run: string;
  readonly view: View;
  /** All else: `seq`, filters, an episode's id. */
  readonly query: Readonly<Record<string, string>>;
}

const isView = (text: string): text is View => (VIEWS as readonly string[]).includes(text);

function placeIn({ pathname, search }: Location): Place {
  const [run = '', view = ''] = pathname.split('/').slice(1).map(decodeURIComponent);
  return {
    run,
    view: isView(view) ? view : 'stage',
    query: Object.fromEntries(new URLSearchParams(search)),
  };
}

export const place = signal<Place>(placeIn(location));
addEventListener('popstate', () => {
  place.value = placeIn(location);
});

export function hrefOf({ run, view, query }: Place): string {
  // Its name is not known yet; with none, the path would begin with the name of a host.
  if (run === '') return '/';
  const given = Object.entries(query).filter(([, value]) => value !== '');
  const search = new URLSearchParams(given).toString();
  return `/${encodeURIComponent(run)}/${view}${search ? `?${search}` : ''}`;
}

/** The same place but for what is named; a query field of '' is dropped. */
export const placeWith = (change: Partial<Place>): Place => {
  const { run, view, query } = place.value;
  return {
    run: change.run ?? run,
    view: change.view ?? view,
    query:
      change.run !== undefined && change.run !== run ? (change.query ?? {}) : { ...query, ...change.query },
  };
};

/** `replace`: not a step of its own in the browser's history, such as each place of a slider. */
export function go(change: Partial<Place>, replace = false): void {
  const next = placeWith(change);
  place.value = next;
  if (replace) history.replaceState(null, '', hrefOf(next));
  else history.pushState(null, '', hrefOf(next));
}

/** The moment that is looked at; null: the newest, as it comes. */
export const seq = computed<number | null>(() => {
  const { seq: text } = place.value.query;
  return text !== undefined && /^-?\d+$/.test(text) ? Number(text) : null;
});
