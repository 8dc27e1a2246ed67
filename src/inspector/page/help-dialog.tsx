/** What the keys do. */
import { Dialog } from './dialog.jsx';
import { SHORTCUTS } from './shortcuts.js';

const SLIDER: readonly (readonly [string, string])[] = [
  ['← →', 'on the time slider: one message back or forward'],
  ['Page Down, Page Up', 'on the time slider: a hundred messages'],
  ['Home, End', 'on the time slider: to the beginning, to the newest'],
  ['arrows', 'among the statecharts: from one to the next; Enter makes one large'],
  ['+ − 0', 'on a large statechart: larger, smaller, readable; Enter opens its context'],
  ['Escape', 'closes a dialog'],
];

export function HelpDialog({ onClose }: { readonly onClose: () => void }) {
  const rows = [...SHORTCUTS.map(({ keys, what }) => [keys, what] as const), ...SLIDER];
  return (
    <Dialog title="Keys" onClose={onClose}>
      <table class="keys">
        <tbody>
          {rows.map(([keys, what]) => (
            <tr key={keys}>
              <th scope="row">
                <kbd>{keys}</kbd>
              </th>
              <td>{what}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <p>
        A paused run waits between two messages; that leaves no trace on its log, and it comes to the same
        outcome. The address bar always names what you see: it can be sent to a colleague who has the same
        run.
      </p>
    </Dialog>
  );
}
