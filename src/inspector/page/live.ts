/**
 * What the page knows of the run that it shows: its head as the server tells it, and everybody's state at the moment that is
 * looked at. A dropped connection is taken up again; the log is the truth, so nothing that was missed is lost.
 */
import { computed, effect, signal } from '@preact/signals';
import type { Moment } from '../moments.js';
import type { RunHead } from '../reading.js';
import { place, seq } from './address.js';
import { get, getPath, pathOf } from './api.js';

export const runs = signal<{ readonly home: string; readonly runs: readonly string[] }>({
  home: '',
  runs: [],
});
export const run = computed(() => place.value.run || runs.value.home);

export const head = signal<RunHead | null>(null);
/** Everybody's state at the newest message. */
export const newest = signal<Moment | null>(null);
/** Everybody's state at the moment that is looked at. */
export const moment = signal<Moment | null>(null);
export const connected = signal(false);
export const failure = signal<string | null>(null);

export const tell = (error: unknown): void => {
  failure.value = error instanceof Error ? error.message : String(error);
};

export async function readRuns(): Promise<void> {
  runs.value = await getPath('/api/runs');
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

let asked: AbortController | undefined;

async function lookAt(name: string, at: number): Promise<void> {
  asked?.abort();
  const own = new AbortController();
  asked = own;
  try {
    moment.value = await get<Moment>(name, 'moment', { seq: at }, own.signal);
  } catch (error) {
    if (!own.signal.aborted) tell(error);
  }
}

/** Call once. */
export function startFollowing(): void {
  effect(() => {
    if (run.value !== '') follow(run.value);
  });
  effect(() => {
    if (seq.value === null) moment.value = newest.value;
    else if (run.value !== '') void lookAt(run.value, seq.value);
  });
}
