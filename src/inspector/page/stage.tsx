/**
 * The stage: the statecharts, all at a glance or one of them large, lit up with the state at the moment that is looked at.
 */
import './stage.css';
import { signal } from '@preact/signals';
import { Fragment } from 'preact';
import { useEffect } from 'preact/hooks';
import type { Moment, RoleMoment } from '../moments.js';
import { place } from './address.js';
import { Addressees } from './addressees.jsx';
import { getPath } from './api.js';
import { Drawing } from './drawing.jsx';
import { Go } from './go.jsx';
import { isBehind, moment, tell } from './live.js';
import { LargeChart } from './stage-large.jsx';

const charts = signal<Readonly<Record<string, string>>>({});
const readCharts = async () => {
  charts.value = await getPath('/api/charts');
};

const roleIn = (at: Moment | null, name: string): RoleMoment | null =>
  (name === 'episode' ? at?.episode : at?.roles.find(({ role }) => role === name)) ?? null;

/** `paired 12, tied 3` */
export const countsText = (counts: Readonly<Record<string, number>>): string =>
  Object.entries(counts)
    .map(([state, count]) => `${state} ${count.toLocaleString('en')}`)
    .join(', ');

/** Breaks at its dots where it is too long for a line. */
const Broken = ({ state }: { readonly state: string }) =>
  state.split('.').map((part, i) => (
    <Fragment key={part}>
      {i > 0 && '.'}
      {i > 0 && <wbr />}
      {part}
    </Fragment>
  ));

function Caption({ name, at }: { readonly name: string; readonly at: RoleMoment | null }) {
  return (
    <>
      <h2>{name}</h2>
      <p class="state-now">{at?.state ? <Broken state={at.state} /> : 'not written to yet'}</p>
      <p class="event-now">{at?.event ? `after ${at.event}` : ' '}</p>
      {name === 'episode' && moment.value && (
        <p class="counts-now">{countsText(moment.value.episodes) || 'none yet'}</p>
      )}
    </>
  );
}

interface CardProps {
  readonly name: string;
  readonly svg: string | null;
  readonly current: boolean;
}

/** Up, down, left, right walk through the cards. */
function walk(event: KeyboardEvent): void {
  const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  if (step === undefined || event.altKey || event.metaKey || event.ctrlKey) return;
  const cards = [...document.querySelectorAll<HTMLElement>('.cards a.card')];
  const next = cards[cards.indexOf(document.activeElement as HTMLElement) + step];
  if (!next) return;
  event.preventDefault();
  next.focus();
}

function Card({ name, svg, current }: CardProps) {
  const at = roleIn(moment.value, name);
  const hears = at !== null && at.seq === moment.value?.seq;
  return (
    <li data-machine={name}>
      <Go
        to={{ query: { chart: current ? '' : name, context: '' } }}
        class={hears ? 'card hears' : 'card'}
        current={current}
      >
        <Caption name={name} at={at} />
        {svg && <Drawing svg={svg} at={at} taken={null} isSmall />}
      </Go>
    </li>
  );
}

export function Stage() {
  useEffect(() => {
    readCharts().catch(tell);
  }, []);
  const large = place.value.query.chart ?? '';
  const svg = charts.value[large];
  const names = Object.keys(charts.value);
  return (
    <div class={svg ? 'stage with-large' : 'stage'} aria-busy={isBehind.value}>
      <Addressees />
      {names.length === 0 && <p class="waiting">drawing the statecharts …</p>}
      <ul class="cards" onKeyDown={walk}>
        {names.map((name) => (
          <Card key={name} name={name} svg={svg ? null : charts.value[name]!} current={name === large} />
        ))}
      </ul>
      {svg && <LargeChart key={large} name={large} svg={svg} at={roleIn(moment.value, large)} />}
    </div>
  );
}
