/** How far the run is; a live one is held, stepped, released, stopped here; any can be forked. */
import './control-bar.css';
import { hasToken } from './api.js';
import { act, canControl } from './control.js';
import { Dialog } from './dialog.jsx';
import { ForkDialog } from './fork-dialog.jsx';
import { HelpDialog } from './help-dialog.jsx';
import { head, run } from './live.js';
import { page } from './run-page.js';
import { dialog } from './shortcuts.js';

const WORDS = { running: 'running', held: 'paused', ended: 'over' } as const;

function LiveButtons() {
  const held = head.value?.control === 'held';
  return (
    <>
      <button type="button" onClick={() => act(held ? 'release' : 'hold')}>
        {held ? 'Go on' : 'Pause'}
      </button>
      <button type="button" onClick={() => act('step')} disabled={!held}>
        Step
      </button>
      <button
        type="button"
        onClick={() => {
          dialog.value = 'stop';
        }}
      >
        Stop …
      </button>
    </>
  );
}

const close = () => {
  dialog.value = null;
};

function StopDialog() {
  return (
    <Dialog title="Stop the run?" onClose={close}>
      <p>
        It ends after the message that is under way. What it made stays, and <code>soliloquy resume</code>{' '}
        goes on from there.
      </p>
      <p class="buttons">
        <button
          type="button"
          class="main"
          onClick={() => {
            close();
            void act('stop');
          }}
        >
          Stop it
        </button>
        <button type="button" onClick={close}>
          Let it run
        </button>
      </p>
    </Dialog>
  );
}

function Dialogs() {
  if (dialog.value === 'help') return <HelpDialog onClose={close} />;
  if (dialog.value === 'stop') return <StopDialog />;
  // The form begins with the parent's cast.
  if (dialog.value === 'fork' && page.value) return <ForkDialog key={run.value} onClose={close} />;
  return null;
}

export function ControlBar() {
  const { control = null, count } = head.value ?? {};
  return (
    <section class="controls" aria-label="Run">
      {count !== undefined && (
        <span class={`count ${control ?? ''}`}>
          {count.toLocaleString('en')} {count === 1 ? 'message' : 'messages'}
          {control === null ? '' : `, ${WORDS[control]}`}
        </span>
      )}
      {canControl() && <LiveButtons />}
      {head.value && hasToken() && (
        <button
          type="button"
          onClick={() => {
            dialog.value = 'fork';
          }}
        >
          Fork from here …
        </button>
      )}
      <button
        type="button"
        aria-label="Help"
        title="Help (?)"
        onClick={() => {
          dialog.value = 'help';
        }}
      >
        ?
      </button>
      <Dialogs />
    </section>
  );
}
