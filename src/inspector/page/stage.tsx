/** The six statecharts, drawn by the server from the machines themselves, lit up with the state at the moment that is looked at. */
import { signal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import type { RoleMoment } from '../moments.js';
import { getPath } from './api.js';
import { moment, tell } from './live.js';

const charts = signal<Readonly<Record<string, string>>>({});
const readCharts = async () => {
  charts.value = await getPath('/api/charts');
};

/** `working.collecting` lights up `working` too. */
const isWithin = (state: string, id: string): boolean => state === id || state.startsWith(`${id}.`);

function light(root: Element, at: RoleMoment | null): void {
  for (const one of root.querySelectorAll('.state'))
    one.classList.toggle('active', isWithin(at?.state ?? '', one.getAttribute('data-state-id') ?? '-'));
  for (const one of root.querySelectorAll('.edge, .transition')) {
    const isFrom = isWithin(at?.before ?? '', one.getAttribute('data-source') ?? '-');
    const isTo = isWithin(at?.state ?? '', one.getAttribute('data-target') ?? '-');
    const isEvent = (one.getAttribute('data-event') ?? '').split(' ').includes(at?.event ?? '-');
    one.classList.toggle('fired', isFrom && isTo && isEvent);
  }
}

function Chart({ name, svg, at }: { name: string; svg: string; at: RoleMoment | null }) {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    // Our own drawing of our own machines; no text of a model is in it.
    box.current!.innerHTML = svg;
  }, [svg]);
  useEffect(() => {
    if (box.current) light(box.current, at);
  }, [svg, at]);
  return (
    <section class="chart" data-machine={name}>
      <h2>{name}</h2>
      <p>
        {at?.state ?? '—'}
        {at?.event && ` after ${at.event}`}
      </p>
      <div ref={box} />
    </section>
  );
}

export function Stage() {
  useEffect(() => {
    readCharts().catch(tell);
  }, []);
  const { roles = [], episode = null } = moment.value ?? {};
  return (
    <div class="stage">
      {Object.entries(charts.value).map(([name, svg]) => (
        <Chart
          key={name}
          name={name}
          svg={svg}
          at={name === 'episode' ? episode : (roles.find(({ role }) => role === name) ?? null)}
        />
      ))}
    </div>
  );
}
