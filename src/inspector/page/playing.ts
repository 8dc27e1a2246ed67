/** The log played: so many messages a second, from the moment that is looked at to the newest. */
import { computed, effect, signal } from '@preact/signals';
import { go, seq } from './address.js';
import { head, moment } from './live.js';
import { marks } from './run-page.js';

/** Messages a second. */
export const SPEEDS = [1, 3, 10, 30, 100, 300, 1000, 10_000] as const;
export const speed = signal<number>(10);
export const playing = signal(false);

export const last = computed(() => (head.value?.count ?? 0) - 1);
/** The moment that is looked at, also where that is the newest. */
export const at = computed(() => seq.value ?? last.value);

/** Anywhere in the log, or beyond it at its ends. `asStep`: a step of its own in the browser's history. */
export function goTo(to: number, asStep = false): void {
  // As long as the server has not said how long the log is, whoever asks is believed.
  const most = head.value === null ? Number.MAX_SAFE_INTEGER : last.value;
  go({ query: { seq: String(Math.max(-1, Math.min(most, Math.round(to)))) } }, !asStep);
}

export function goToNewest(): void {
  playing.value = false;
  go({ query: { seq: '' } });
}

export function step(by: number): void {
  playing.value = false;
  goTo(at.value + by);
}

/** To the nearest beginning of a phase, or birth of a version, before or after. */
export function goToMark(direction: 1 | -1): void {
  const found =
    direction > 0
      ? marks.value.find((mark) => mark.seq > at.value)
      : marks.value.findLast((mark) => mark.seq < at.value);
  playing.value = false;
  goTo(found?.seq ?? (direction > 0 ? last.value : -1), true);
}

export function togglePlaying(): void {
  if (!playing.value && at.value >= last.value) goTo(-1, true);
  playing.value = !playing.value;
}

/** The page is not drawn more often than this. */
const TICK_MS = 100;

/** A live run is followed from its newest message on. */
const canGrow = (): boolean => ['running', 'held'].includes(head.value?.control ?? '');

function tick(by: number): void {
  // No faster than the states come: what is played is seen.
  if (seq.value !== null && moment.value?.seq !== seq.value) return;
  if (at.value + by < last.value) goTo(at.value + by);
  else if (canGrow()) goToNewest();
  else {
    playing.value = false;
    goTo(last.value);
  }
}

/** Call once. */
export function startPlaying(): void {
  effect(() => {
    if (!playing.value) return;
    const every = Math.max(TICK_MS, 1000 / speed.value);
    const by = Math.max(1, Math.round((speed.value * every) / 1000));
    const timer = setInterval(() => tick(by), every);
    return () => clearInterval(timer);
  });
}
