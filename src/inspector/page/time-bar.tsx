/** Time: any message of the log by slider, step, number or phase; played; or the newest as it comes. */
import './time-bar.css';
import { useState } from 'preact/hooks';
import { seq } from './address.js';
import { moment } from './live.js';
import {
  at,
  goTo,
  goToMark,
  goToNewest,
  last,
  playing,
  SPEEDS,
  speed,
  step,
  togglePlaying,
} from './playing.js';
import { marks } from './run-page.js';

const JUMP = 100;

/** The browser's own steps of a slider are a tenth of it: too much for a log. */
function slide(event: KeyboardEvent): void {
  const to: Readonly<Record<string, number>> = {
    ArrowLeft: at.value - 1,
    ArrowDown: at.value - 1,
    ArrowRight: at.value + 1,
    ArrowUp: at.value + 1,
    PageDown: at.value - JUMP,
    PageUp: at.value + JUMP,
    Home: -1,
    End: last.value,
  };
  const next = to[event.key];
  if (next === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  playing.value = false;
  goTo(next);
}

function Ticks() {
  const most = Math.max(1, last.value + 1);
  return (
    <div class="ticks" aria-hidden="true">
      {marks.value.map((mark) => (
        <i
          key={`${mark.kind} ${mark.name}`}
          class={mark.kind}
          style={{ left: `${(100 * (mark.seq + 1)) / most}%` }}
          title={`${mark.name}: message ${mark.seq}`}
        />
      ))}
    </div>
  );
}

function Slider() {
  const { phase = '', message = null } = moment.value ?? {};
  const text = `message ${at.value} of ${last.value}, ${phase}${message ? `, ${message.type}` : ''}`;
  return (
    <div class="slider">
      <Ticks />
      <input
        type="range"
        aria-label="Message"
        aria-valuetext={text}
        min={-1}
        max={last.value}
        value={at.value}
        onKeyDown={slide}
        onInput={({ currentTarget }) => {
          playing.value = false;
          goTo(Number(currentTarget.value));
        }}
      />
    </div>
  );
}

function MarkPicker() {
  const options = (kind: 'phase' | 'version') =>
    marks.value
      .filter((mark) => mark.kind === kind)
      .map(({ seq: first, name }) => (
        <option key={name} value={String(first)}>
          {name} ({first.toLocaleString('en')})
        </option>
      ));
  return (
    <select
      aria-label="Go to a phase or version"
      value=""
      onChange={({ currentTarget }) => {
        playing.value = false;
        goTo(Number(currentTarget.value), true);
        currentTarget.value = '';
      }}
    >
      <option value="" disabled>
        go to …
      </option>
      <optgroup label="Begin of a phase">{options('phase')}</optgroup>
      <optgroup label="Birth of a version">{options('version')}</optgroup>
    </select>
  );
}

/** While one writes, the field is one's own, however fast the log grows. */
function SeqField() {
  const [draft, setDraft] = useState<string | null>(null);
  const leave = () => {
    setDraft(null);
    if (draft === null || draft === '' || Number(draft) === at.value) return;
    playing.value = false;
    goTo(Number(draft), true);
  };
  return (
    <label class="seq-field">
      message
      <input
        type="number"
        min={-1}
        max={last.value}
        value={draft ?? at.value}
        onInput={({ currentTarget }) => setDraft(currentTarget.value)}
        onKeyDown={({ key }) => key === 'Enter' && leave()}
        onBlur={leave}
      />
      of {Math.max(0, last.value).toLocaleString('en')}
    </label>
  );
}

interface ButtonProps {
  readonly label: string;
  readonly sign: string;
  readonly onClick: () => void;
}
const Button = ({ label, sign, onClick }: ButtonProps) => (
  <button type="button" aria-label={label} title={label} onClick={onClick}>
    {sign}
  </button>
);

function Player() {
  return (
    <>
      <Button label="Phase or version before" sign="|◂" onClick={() => goToMark(-1)} />
      <Button label="One message back" sign="◂" onClick={() => step(-1)} />
      <button type="button" class="play" onClick={togglePlaying}>
        {playing.value ? 'Stop playing' : 'Play'}
      </button>
      <Button label="One message forward" sign="▸" onClick={() => step(1)} />
      <Button label="Next phase or version" sign="▸|" onClick={() => goToMark(1)} />
      <select
        aria-label="Speed"
        value={String(speed.value)}
        onChange={({ currentTarget }) => {
          speed.value = Number(currentTarget.value);
        }}
      >
        {SPEEDS.map((one) => (
          <option key={one} value={String(one)}>
            {one.toLocaleString('en')} / s
          </option>
        ))}
      </select>
    </>
  );
}

const timeOf = (ms: number): string => new Date(ms).toLocaleTimeString('en-GB');

export function TimeBar() {
  const { phase = '', at: ms = 0, message = null } = moment.value ?? {};
  return (
    <footer class="time">
      <Slider />
      <div class="player">
        <Player />
        <SeqField />
        <MarkPicker />
        <span class="phase-now">
          {phase}
          {message && ` · ${timeOf(ms)}`}
        </span>
        <button type="button" class="newest" aria-pressed={seq.value === null} onClick={goToNewest}>
          Newest
        </button>
      </div>
    </footer>
  );
}
