/** The script: every message of the log in order, filtered, and one of them whole beside it. */
import './script.css';
import { useEffect } from 'preact/hooks';
import { place, seq } from './address.js';
import { Go } from './go.jsx';
import { choose, chosen, filter, isFiltered, list, near, startScript } from './script-data.js';
import { ScriptFilter } from './script-filter.jsx';
import { MessagePane } from './script-message.jsx';
import { firstAt } from './script-start.js';
import { SequenceOf } from './sequence.jsx';
import { VirtualList } from './virtual-list.jsx';

const ROW = 24;

export function sinceStart(ms: number): string {
  const whole = Math.max(0, Math.round(ms));
  const two = (value: number) => String(value).padStart(2, '0');
  const [hours, minutes, seconds] = [3_600_000, 60_000, 1000].map((unit) => Math.floor(whole / unit)) as [
    number,
    number,
    number,
  ];
  return `${hours ? `${hours}:` : ''}${two(minutes % 60)}:${two(seconds % 60)}.${String(whole % 1000).padStart(3, '0')}`;
}

function Line({ index }: { index: number }) {
  const row = list.value?.at(index);
  if (!row) return <span class="cells waiting">…</span>;
  const { seq: own, at, from, to, type, phase, episode, state } = row;
  return (
    <span class="cells">
      <span class="number">{own}</span>
      <span class="number muted">{sinceStart(at - firstAt.value)}</span>
      <span>
        {from} <span class="muted">→</span> {to}
      </span>
      <span class="type">{type}</span>
      <span class="muted">{phase}</span>
      <span>{episode ?? ''}</span>
      <span class="muted">{state ?? ''}</span>
    </span>
  );
}

const focusOn = (id: string) => document.getElementById(id)?.focus();
const isTyping = ({ target }: Event) =>
  target instanceof Element && target.matches('input, select, textarea');

function useSlash() {
  useEffect(() => {
    const slash = (event: KeyboardEvent) => {
      if (event.key !== '/' || event.ctrlKey || event.metaKey || isTyping(event)) return;
      event.preventDefault();
      focusOn('script-search');
    };
    addEventListener('keydown', slash);
    return () => removeEventListener('keydown', slash);
  }, []);
}

/** The episode of the message that is looked at, or the one that is filtered by. */
const episodeNow = () => list.value?.at(chosen.value ?? -1)?.episode ?? filter.value.episode;

function Side() {
  const isSequence = place.value.query.pane === 'sequence';
  const episode = episodeNow();
  return (
    <div class="side">
      <nav aria-label="Beside the list" class="panes">
        <Go to={{ query: { pane: '' } }} current={!isSequence}>
          Message
        </Go>
        <Go to={{ query: { pane: 'sequence' } }} current={isSequence}>
          Sequence
        </Go>
      </nav>
      {!isSequence ? (
        <MessagePane seq={seq.value} onLeave={() => focusOn('script-list')} />
      ) : episode ? (
        <SequenceOf id={episode} />
      ) : (
        <p class="muted hint">Choose a message of an episode to see who wrote to whom in it.</p>
      )}
    </div>
  );
}

const COLUMNS = ['seq', 'time', 'from → to', 'type', 'phase', 'episode', 'state after'];

export function Script() {
  useEffect(startScript, []);
  useSlash();
  const own = list.value;
  return (
    <div class="script">
      <ScriptFilter />
      <div class="script-list">
        <div class="cells heads" aria-hidden="true">
          {COLUMNS.map((name) => (
            <span key={name}>{name}</span>
          ))}
        </div>
        {own && (
          <VirtualList
            key={JSON.stringify([place.value.run, filter.value])}
            id="script-list"
            label="Messages"
            count={own.total}
            rowHeight={ROW}
            chosen={chosen.value}
            near={near.value}
            row={(index) => <Line index={index} />}
            onShow={own.want}
            onChoose={choose}
            onOpen={() => focusOn('message-pane')}
            startAtEnd={seq.value === null && !isFiltered.value}
          />
        )}
      </div>
      <Side />
    </div>
  );
}
