/** When the run that is shown began, in milliseconds since the epoch. */
import { effect, signal } from '@preact/signals';
import type { Row } from '../run-index.js';
import { get } from './api.js';
import { head, run, tell } from './live.js';

export const firstAt = signal(0);
let known = '';

effect(() => {
  const name = run.value;
  if (name === '' || name === known || (head.value?.count ?? 0) === 0) return;
  known = name;
  get<{ readonly rows: readonly Row[] }>(name, 'messages', { from: 0, count: 1 })
    .then(({ rows }) => {
      firstAt.value = rows[0]?.at ?? 0;
    })
    .catch(tell);
});
