/** Time: any message of the log, or the newest as it comes. */
import { go, seq } from './address.js';
import { head, moment } from './live.js';

export function TimeBar() {
  const last = (head.value?.count ?? 0) - 1;
  return (
    <footer>
      <label>
        <span>Message</span>
        <input
          type="range"
          min={-1}
          max={last}
          value={seq.value ?? last}
          onInput={({ currentTarget }) => go({ query: { seq: currentTarget.value } }, true)}
        />
      </label>
      <output>
        {seq.value ?? last} · {moment.value?.phase}
      </output>
      <button type="button" aria-pressed={seq.value === null} onClick={() => go({ query: { seq: '' } })}>
        Newest
      </button>
    </footer>
  );
}
