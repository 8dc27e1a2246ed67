/** The frame: which run, which view, where in time; the views themselves stand in their own files. */
import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { go, place, VIEWS, type View } from './address.js';
import { Compare } from './compare.jsx';
import { ControlBar } from './control-bar.jsx';
import { Episodes } from './episodes.jsx';
import { Go } from './go.jsx';
import { connected, failure, head, run, runs } from './live.js';
import { Progress } from './progress.jsx';
import { Script } from './script.jsx';
import { Stage } from './stage.jsx';
import { TimeBar } from './time-bar.jsx';

const SHOWN: { readonly [V in View]: () => JSX.Element } = {
  stage: () => <Stage />,
  script: () => <Script />,
  episodes: () => <Episodes />,
  progress: () => <Progress />,
  compare: () => <Compare />,
};

const TITLES: { readonly [V in View]: string } = {
  stage: 'Stage',
  script: 'Script',
  episodes: 'Episodes',
  progress: 'Progress',
  compare: 'Compare',
};

function RunPicker() {
  return (
    <label class="picker">
      <span>Run</span>
      <select value={run.value} onChange={({ currentTarget }) => go({ run: currentTarget.value, query: {} })}>
        {runs.value.runs.map((name) => (
          <option key={name} value={name}>
            {name}
          </option>
        ))}
      </select>
    </label>
  );
}

function Tabs() {
  return (
    <nav aria-label="Views">
      {VIEWS.map((view) => (
        <Go key={view} to={{ view }} current={place.value.view === view}>
          {TITLES[view]}
        </Go>
      ))}
    </nav>
  );
}

/** So long must a log be behind before it is said: that of a live run always is, by a moment. */
const BEHIND_MS = 1500;

/** True once `now` has been true for so long. */
function useLasting(now: boolean, ms: number): boolean {
  const [lasting, last] = useState(false);
  useEffect(() => {
    last(false);
    if (!now) return;
    const timer = setTimeout(() => last(true), ms);
    return () => clearTimeout(timer);
  }, [now, ms]);
  return lasting && now;
}

function Notices() {
  const { progress, failure: broken } = head.value ?? {};
  const isBehind = progress !== undefined && (progress.indexed < 0.999 || progress.stated < 0.999);
  const busy = useLasting(isBehind, BEHIND_MS);
  return (
    <div role="status" class="notices">
      {broken && <p class="notice bad">{broken}</p>}
      {failure.value && (
        <p class="notice bad">
          {failure.value}{' '}
          <button type="button" onClick={() => (failure.value = null)}>
            Close
          </button>
        </p>
      )}
      {!connected.value && head.value && <p class="notice">connection lost, trying again …</p>}
      {busy && progress && (
        <p class="notice">
          reading the log: {Math.round(100 * progress.indexed)} % indexed, states of{' '}
          {Math.round(100 * progress.stated)} %
        </p>
      )}
    </div>
  );
}

export function App() {
  const View = SHOWN[place.value.view];
  return (
    <>
      <header>
        <h1>Soliloquy</h1>
        <RunPicker />
        <Tabs />
        <ControlBar />
      </header>
      <Notices />
      <main id="main" data-view={place.value.view}>
        <View />
      </main>
      <TimeBar />
    </>
  );
}
