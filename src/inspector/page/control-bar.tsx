/** A live run is held, stepped, released, stopped here. What the server refuses is said with its way out. */
import { hasToken, post } from './api.js';
import { head, run, tell } from './live.js';

type Action = 'hold' | 'step' | 'release' | 'stop';

const act = (action: Action) => async () => {
  try {
    head.value = await post(run.value, 'control', { action });
  } catch (error) {
    tell(error);
  }
};

export function ControlBar() {
  const { control, count } = head.value ?? {};
  if (control === undefined) return null;
  const text = { running: 'running', held: 'held', ended: 'over' }[control ?? 'ended'];
  return (
    <section class="controls" aria-label="Run controls">
      <span class="count">
        {count?.toLocaleString('en')} messages{control === null ? '' : `, ${text}`}
      </span>
      {control !== null && control !== 'ended' && hasToken() && (
        <>
          {control === 'held' ? (
            <button type="button" onClick={act('release')}>
              Go on
            </button>
          ) : (
            <button type="button" onClick={act('hold')}>
              Pause
            </button>
          )}
          <button type="button" onClick={act('step')} disabled={control !== 'held'}>
            Step
          </button>
          <button type="button" onClick={act('stop')}>
            Stop
          </button>
        </>
      )}
    </section>
  );
}
