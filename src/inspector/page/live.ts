/**
 * What the page knows of the run that it shows: its head as the server tells it, and everybody's state at the moment that is
 * looked at. A dropped connection is taken up again; the log is the truth, so nothing that was missed is lost.
 */
import { computed, effect, signal } from '@preact/signals';
import type { Moment } from '../moments.js';
import type { RunHead } from '../reading.js';
import { go, place, seq } from './address.js';
import { ApiError, get, getPath, pathOf } from './api.js';
import { latest } from './latest.js';

export const runs = signal<{ readonly home: string; readonly runs: readonly string[] }>({
  home: '',
  runs: [],
});
export const run = computed(() => place.value.run);

export const head = signal<RunHead | null>(null);
/** Everybody's state at the newest message. */
export const newest = signal<Moment | null>(null);
/** Everybody's state at the moment that is looked at. */
export const moment = signal<Moment | null>(null);
/** The page follows a run that is under way: then the newest state is shown, and nothing moves that costs the run its time. */
export const isFlowing = computed(() => seq.value === null && head.value?.control === 'running');
/** Another moment is shown than the one that was asked for: it is on its way, or the log isn't read so far yet. */
export const isBehind = computed(() => seq.value !== null && moment.value?.seq !== seq.value);
export const connected = signal(false);
export const failure = signal<string | null>(null);

export const tell = (error: unknown): void => {
  failure.value = error instanceof Error ? error.message : String(error);
};

/** Whoever came without a run's name is where the server's own is, and the address says so. */
export async function readRuns(): Promise<void> {
  runs.value = await getPath('/api/runs');
  const { run: named, query } = place.value;
  if (named === '' && runs.value.home !== '') go({ run: runs.value.home, query }, true);
}

let source: EventSource | undefined;

function follow(name: string): void {
  source?.close();
  head.value = null;
  newest.value = null;
  source = new EventSource(pathOf(name, 'events'));
  source.addEventListener('open', () => {
    connected.value = true;
  });
  source.addEventListener('error', () => {
    connected.value = false;
  });
  source.addEventListener('head', ({ data }) => {
    const told = JSON.parse(data as string) as { readonly head: RunHead; readonly moment: Moment };
    head.value = told.head;
    newest.value = told.moment;
  });
}

interface Wanted {
  readonly name: string;
  readonly at: number;
}

const lookAt = latest(async ({ name, at }: Wanted) => {
  try {
    const found = await get<Moment>(name, 'moment', { seq: at });
    if (run.value === name && seq.value !== null) moment.value = found;
  } catch (error) {
    if (!isTooEarly(error)) tell(error);
  }
});

/** A message of a log that is still being read: it is asked for again. */
const isTooEarly = (error: unknown): boolean =>
  error instanceof ApiError && error.status === 404 && (head.value?.progress.indexed ?? 0) < 1;

/** The states of a long log that is opened first are known from its beginning on: what isn't known yet is asked for again. */
function lookAgain(): void {
  const at = seq.value;
  if (at === null || newest.value === null) return;
  const shown = moment.peek()?.seq ?? -1;
  if (shown < at && newest.value.seq > shown) lookAt({ name: run.value, at });
}

/** Call once. */
export function startFollowing(): void {
  effect(() => {
    if (run.value !== '') follow(run.value);
  });
  effect(() => {
    if (seq.value === null) moment.value = newest.value;
    else if (run.value !== '') lookAt({ name: run.value, at: seq.value });
  });
  effect(lookAgain);
}
