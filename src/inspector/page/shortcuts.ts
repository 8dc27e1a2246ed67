/** Keys of the whole page. None works while one writes, or together with Ctrl, Alt or Meta. */
import { signal } from '@preact/signals';
import { hasToken } from './api.js';
import { act, canControl } from './control.js';
import { head } from './live.js';
import { goToMark, goToNewest, step, togglePlaying } from './playing.js';

export type Asked = 'help' | 'fork' | 'stop';
/** The dialog that is open. */
export const dialog = signal<Asked | null>(null);

interface Shortcut {
  readonly keys: string;
  readonly what: string;
  readonly does: () => void;
}

const controlled = (does: () => void) => () => {
  if (canControl()) does();
};

export const SHORTCUTS: readonly Shortcut[] = [
  { keys: 'Space', what: 'play the log, or stop playing', does: togglePlaying },
  { keys: ',', what: 'one message back', does: () => step(-1) },
  { keys: '.', what: 'one message forward', does: () => step(1) },
  { keys: '[', what: 'to the phase or version before', does: () => goToMark(-1) },
  { keys: ']', what: 'to the next phase or version', does: () => goToMark(1) },
  { keys: 'n', what: 'to the newest message, and stay there', does: goToNewest },
  {
    keys: 'p',
    what: 'live run: pause it, or let it go on',
    does: controlled(() => void act(head.value?.control === 'held' ? 'release' : 'hold')),
  },
  {
    keys: 's',
    what: 'paused live run: one message',
    does: controlled(() => head.value?.control === 'held' && void act('step')),
  },
  {
    keys: 'f',
    what: 'fork from here',
    does: () => {
      if (hasToken()) dialog.value = 'fork';
    },
  },
  {
    keys: '?',
    what: 'this help',
    does: () => {
      dialog.value = 'help';
    },
  },
];

/** Keys that belong to what has the focus. */
function isTaken({ key, target }: KeyboardEvent): boolean {
  const on = target as Element;
  if (on.closest('input:not([type="range"]):not([type="checkbox"]), textarea, select, [contenteditable]'))
    return true;
  return key === ' ' && on.closest('button, a, summary, input, [role="button"]') !== null;
}

/** Call once. */
export function startShortcuts(): void {
  addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.defaultPrevented) return;
    if (dialog.value !== null || isTaken(event)) return;
    const key = event.key === ' ' ? 'Space' : event.key;
    const found = SHORTCUTS.find(({ keys }) => keys === key);
    if (!found) return;
    event.preventDefault();
    found.does();
  });
}
