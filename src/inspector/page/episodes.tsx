/** Episodes: the list with how each ended, and one of them whole beside it. */
import './episodes.css';
import { computed, effect, signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import type { Ending, ListedEpisode } from '../episodes.js';
import { go, place } from './address.js';
import { get } from './api.js';
import { EpisodeDetail } from './episode-detail.jsx';
import { filteredWords, withheldWords } from './episode-story.js';
import { head, run, tell } from './live.js';
import { VirtualList } from './virtual-list.jsx';
import { createWindows, type Windows } from './windows.js';

const ROW = 44;
const ENDS: readonly Ending[] = ['paired', 'withheld', 'filtered', 'failed', 'open'];

interface Page {
  readonly total: number;
  readonly counts: Readonly<Partial<Record<Ending, number>>>;
  readonly phases: readonly string[];
  readonly rows: readonly ListedEpisode[];
}
const list = signal<Windows<ListedEpisode> | null>(null);
const told = signal<Pick<Page, 'counts' | 'phases'>>({ counts: {}, phases: [] });
const phase = computed(() => place.value.query.phase ?? '');
const end = computed(() => place.value.query.end ?? '');
const id = computed(() => place.value.query.episode ?? '');
const chosen = signal<number | null>(null);

function startEpisodes(): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const ends = [
    effect(() => {
      const [name, wanted] = [run.value, { phase: phase.value, end: end.value }];
      if (name === '') return;
      const made = createWindows<ListedEpisode>({
        async read(from, count, signal) {
          const page = await get<Page>(name, 'episodes', { ...wanted, from, count }, signal);
          told.value = page;
          return page;
        },
        isFinal: (row) => row.end !== 'open',
        onError: tell,
      });
      list.value = made;
      made.want(0, 0);
      return () => made.close();
    }),
    effect(() => {
      void head.value?.count;
      timer ??= setTimeout(() => {
        timer = undefined;
        list.peek()?.refresh();
      }, 400);
    }),
    effect(() => {
      const own = list.value;
      if (id.value === '' || !own || own.total === 0) {
        chosen.value = null;
        return;
      }
      if (own.at(chosen.peek() ?? -1)?.id === id.value) return;
      get<{ place: number }>(run.value, 'episodes', {
        phase: phase.value,
        end: end.value,
        find: id.value,
        count: 0,
      })
        .then(({ place: found }) => (chosen.value = found < 0 ? null : found))
        .catch(tell);
    }),
  ];
  return () => {
    clearTimeout(timer);
    for (const stop of ends) stop();
  };
}

async function choose(index: number): Promise<void> {
  const own = list.peek();
  if (!own) return;
  try {
    const wanted = { phase: phase.peek(), end: end.peek(), from: index, count: 1 };
    const row = own.at(index) ?? (await get<Page>(run.peek(), 'episodes', wanted)).rows[0];
    if (!row) return;
    chosen.value = index;
    go({ query: { episode: row.id } }, true);
  } catch (error) {
    tell(error);
  }
}

const round = (value: number): string => (Math.round(10 * value) / 10).toFixed(1);
const reasonOf = ({ end: how, reason }: ListedEpisode): string =>
  reason === null ? '' : how === 'filtered' ? filteredWords(reason) : withheldWords(reason);

function Line({ index }: { index: number }) {
  const row = list.value?.at(index);
  if (!row) return <span class="episode-line waiting">…</span>;
  return (
    <span class="episode-line">
      <span class="id">{row.id}</span>
      <bdi class="said">{row.text}</bdi>
      <span class={`ending ${row.end}`}>{row.end}</span>
      <span class="muted why">
        {row.scores ? `${round(row.scores.chosen)} over ${round(row.scores.rejected)}` : reasonOf(row)}
      </span>
    </span>
  );
}

function Filters() {
  const { counts, phases } = told.value;
  const listed = phase.value === '' || phases.includes(phase.value) ? phases : [...phases, phase.value];
  return (
    <search class="filters">
      <label>
        <span>Iteration</span>
        <select
          value={phase.value}
          onChange={({ currentTarget }) => go({ query: { phase: currentTarget.value } })}
        >
          <option value="">all</option>
          {listed.map((name) => (
            <option key={name}>{name}</option>
          ))}
        </select>
      </label>
      <label>
        <span>Ended</span>
        <select
          value={end.value}
          onChange={({ currentTarget }) => go({ query: { end: currentTarget.value } })}
        >
          <option value="">in any way</option>
          {ENDS.map((name) => (
            <option key={name} value={name}>
              {name} ({(counts[name] ?? 0).toLocaleString('en')})
            </option>
          ))}
        </select>
      </label>
      <p class="told" role="status">
        {(list.value?.total ?? 0).toLocaleString('en')} episodes
      </p>
    </search>
  );
}

const focusOn = (target: string) => document.getElementById(target)?.focus();

export function Episodes() {
  useEffect(startEpisodes, []);
  const own = list.value;
  return (
    <div class="episodes">
      <Filters />
      <div class="episode-list">
        {own && (
          <VirtualList
            key={JSON.stringify([run.value, phase.value, end.value])}
            id="episode-list"
            label="Episodes"
            count={own.total}
            rowHeight={ROW}
            chosen={chosen.value}
            row={(index) => <Line index={index} />}
            onShow={own.want}
            onChoose={choose}
            onOpen={() => focusOn('episode-detail')}
          />
        )}
      </div>
      <EpisodeDetail id={id.value} onLeave={() => focusOn('episode-list')} />
    </div>
  );
}
