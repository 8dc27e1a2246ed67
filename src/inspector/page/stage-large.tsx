/** One statechart large enough to read: zoom, the active state kept in view, the transitions that were really taken, the context. */
import { signal } from '@preact/signals';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { RoleMoment } from '../moments.js';
import type { taken as takenAnswer } from '../reading.js';
import { go, place } from './address.js';
import { get } from './api.js';
import { ContextPanel } from './context-panel.jsx';
import { Drawing } from './drawing.jsx';
import { Go } from './go.jsx';
import { latest } from './latest.js';
import { moment, run, tell } from './live.js';

type Taken = ReturnType<typeof takenAnswer>;
interface Wanted {
  readonly name: string;
  readonly address: string;
  readonly seq: number;
}
const taken = signal<Taken | null>(null);

const ask = latest(async ({ name, address, seq }: Wanted) => {
  try {
    taken.value = await get<Taken>(name, 'taken', { address, seq });
  } catch (error) {
    tell(error);
  }
});

const NONE: readonly number[] = [];

interface LargeProps {
  readonly name: string;
  readonly svg: string;
  readonly at: RoleMoment | null;
}

const addressOf = (name: string): string =>
  name === 'episode' ? `episode:${moment.value?.episode?.id ?? ''}` : name;

const naturalSize = (svg: string): readonly [number, number] => {
  const [, width, height] = /viewBox="0 0 ([\d.]+) ([\d.]+)"/.exec(svg) ?? [];
  return [Number(width ?? 1), Number(height ?? 1)];
};

const STEP = 1.25;

/** The scale, and how it is changed; null: as wide as there is room for, never larger than drawn. */
function useZoom(svg: string) {
  const area = useRef<HTMLDivElement>(null);
  const [chosen, choose] = useState<number | null>(null);
  const [room, setRoom] = useState<readonly [number, number]>([1000, 500]);
  useLayoutEffect(() => {
    const observer = new ResizeObserver(([entry]) => {
      if (entry) setRoom([entry.contentRect.width, entry.contentRect.height]);
    });
    observer.observe(area.current!);
    return () => observer.disconnect();
  }, []);
  const [width, height] = naturalSize(svg);
  const wide = Math.min(1, room[0] / width);
  const scale = chosen ?? wide;
  return {
    area,
    scale,
    grow: (by: number) => choose(Math.min(3, Math.max(0.1, scale * by))),
    whole: () => choose(Math.min(1, room[0] / width, room[1] / height)),
    readable: () => choose(null),
  };
}

type Zoom = ReturnType<typeof useZoom>;

function ZoomButtons({ zoom }: { readonly zoom: Zoom }) {
  return (
    // biome-ignore lint/a11y/useSemanticElements: no form: a group of buttons
    <span role="group" aria-label="Zoom" class="zoom">
      <button type="button" onClick={() => zoom.grow(1 / STEP)} aria-label="Smaller">
        −
      </button>
      <output>{Math.round(100 * zoom.scale)} %</output>
      <button type="button" onClick={() => zoom.grow(STEP)} aria-label="Larger">
        +
      </button>
      <button type="button" onClick={zoom.whole}>
        Whole
      </button>
      <button type="button" onClick={zoom.readable}>
        Readable
      </button>
    </span>
  );
}

/** The innermost active state into view, if it isn't. */
function follow(area: HTMLElement): void {
  const [active] = [...area.querySelectorAll('.state.active')].slice(-1);
  if (!active) return;
  const [room, own] = [area.getBoundingClientRect(), active.getBoundingClientRect()];
  const inView =
    own.top >= room.top && own.bottom <= room.bottom && own.left >= room.left && own.right <= room.right;
  if (inView) return;
  area.scrollTop += own.top + own.height / 2 - room.top - room.height / 2;
  area.scrollLeft += own.left + own.width / 2 - room.left - room.width / 2;
}

const openContext = () => go({ query: { context: '1' } });

/** On the drawing: larger, smaller, and what a click on a state does. */
function pressed({ key }: KeyboardEvent, zoom: Zoom): void {
  if (key === '+') zoom.grow(STEP);
  if (key === '-') zoom.grow(1 / STEP);
  if (key === '0') zoom.readable();
  if (key === 'Enter') openContext();
}

function Facts({ name, at }: { readonly name: string; readonly at: RoleMoment | null }) {
  const id = moment.value?.episode?.id;
  return (
    <p class="facts">
      {at?.seq !== null && at?.seq !== undefined ? (
        <>
          {at.before ?? 'initial'} → <b>{at.state}</b> after {at.event} (
          <Go to={{ query: { seq: String(at.seq) } }}>message {at.seq}</Go>)
        </>
      ) : (
        'not written to yet'
      )}
      {name === 'episode' && id !== undefined && (
        <>
          {' '}
          · last touched: <Go to={{ view: 'episodes', query: { episode: id } }}>episode {id}</Go>
        </>
      )}{' '}
      · <Go to={{ view: 'script', query: { role: name } }}>its script</Go>
    </p>
  );
}

export function LargeChart({ name, svg, at }: LargeProps) {
  const zoom = useZoom(svg);
  const [following, setFollowing] = useState(true);
  const address = addressOf(name);
  const seq = at?.seq ?? null;
  const withContext = place.value.query.context === '1' && address !== 'episode:';
  useEffect(() => {
    if (seq !== null) ask({ name: run.value, address, seq });
  }, [run.value, address, seq]);
  useLayoutEffect(() => {
    if (following) follow(zoom.area.current!);
  }, [following, at?.state, zoom.scale, withContext]);
  const known = taken.value?.address === address && taken.value.seq === seq ? taken.value.taken : NONE;
  return (
    <section class="large" aria-label={`Statechart of the ${name}`}>
      <div class="large-bar">
        <Facts name={name} at={at} />
        <label>
          <input type="checkbox" checked={following} onChange={() => setFollowing(!following)} /> follow
        </label>
        <ZoomButtons zoom={zoom} />
        <button
          type="button"
          aria-pressed={withContext}
          onClick={openContext}
          disabled={address === 'episode:'}
        >
          Context
        </button>
        <Go to={{ query: { chart: '', context: '' } }}>All</Go>
      </div>
      <div class="large-body">
        <section
          ref={zoom.area}
          class="area"
          aria-label="Drawing"
          // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be in reach of the keyboard
          tabIndex={0}
          onClick={({ target }) => (target as Element).closest('.state') && openContext()}
          onKeyDown={(event) => pressed(event, zoom)}
        >
          <Drawing
            svg={svg}
            at={at}
            taken={known}
            isSmall={false}
            scale={zoom.scale}
            {...(name === 'episode' && moment.value ? { counts: moment.value.episodes } : {})}
          />
        </section>
        {withContext && <ContextPanel address={address} seq={seq ?? -1} />}
      </div>
    </section>
  );
}
