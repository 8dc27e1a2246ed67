/** What the server says of the whole run: its config, phases, versions. Asked for again when a phase begins. */
import { computed, effect, signal } from '@preact/signals';
import type { runPage } from '../reading.js';
import { get } from './api.js';
import { latest } from './latest.js';
import { head, newest, run, tell } from './live.js';

export type RunPage = ReturnType<typeof runPage>;
export const page = signal<RunPage | null>(null);

/** A place in the log that is worth going to. */
export interface Mark {
  readonly seq: number;
  readonly kind: 'phase' | 'version';
  readonly name: string;
}

/** In the order of the log. */
export const marks = computed<readonly Mark[]>(() => {
  const { phases = [], versions = [] } = page.value ?? {};
  return [
    ...phases.map(({ name, first }) => ({ seq: first, kind: 'phase' as const, name })),
    ...versions.map(({ name, seq }) => ({ seq, kind: 'version' as const, name })),
  ].sort((a, b) => a.seq - b.seq);
});

const ask = latest(async (name: string) => {
  if (page.value?.name !== name) page.value = null;
  try {
    const found = await get<RunPage>(name, '');
    if (run.value === name) page.value = found;
  } catch (error) {
    tell(error);
  }
});

/** Changes when the run's page has something new to say. */
const news = computed(
  () =>
    `${run.value} ${newest.value?.phase} ${(head.value?.progress.indexed ?? 0) > 0.999} ${head.value?.control}`,
);

/** Call once. */
export function startReadingPage(): void {
  effect(() => {
    if (news.value !== '' && run.value !== '') ask(run.value);
  });
}
