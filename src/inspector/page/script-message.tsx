/** One message whole: its envelope as a tree, what it answers, what it caused, and where to go from here. */
import { signal } from '@preact/signals';
import { useEffect, useState } from 'preact/hooks';
import type { message } from '../reading.js';
import type { Row } from '../run-index.js';
import { get } from './api.js';
import { Go } from './go.jsx';
import { run, tell } from './live.js';
import { Tree } from './tree.jsx';

export type Shown = ReturnType<typeof message>;

const shown = signal<Shown | null>(null);

function MessageLink({ row: { seq, type, from, to } }: { row: Row }) {
  return (
    <Go to={{ query: { seq: String(seq) } }}>
      {seq} {type} <span class="muted">{`${from} → ${to}`}</span>
    </Go>
  );
}

function Links({ cause, effects }: Shown) {
  return (
    <dl class="links">
      <dt>Answers</dt>
      <dd>{cause ? <MessageLink row={cause} /> : 'nothing: said from outside'}</dd>
      <dt>Caused</dt>
      <dd>
        {effects.length === 0 && 'nothing'}
        <ul>
          {effects.map((row) => (
            <li key={row.seq}>
              <MessageLink row={row} />
            </li>
          ))}
        </ul>
      </dd>
    </dl>
  );
}

function Copy({ text, children }: { text: string; children: string }) {
  const [copied, setCopied] = useState(false);
  useEffect(() => setCopied(false), [text]);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setCopied(true);
    } catch (error) {
      tell(error);
    }
  };
  return (
    <button type="button" onClick={copy}>
      {copied ? 'Copied' : children}
    </button>
  );
}

function Actions({ row, envelope, why }: Shown) {
  const seq = String(row.seq);
  return (
    <div class="actions">
      <Go to={{ view: 'stage', query: { seq } }}>This moment on the stage</Go>
      {row.episode && (
        <Go to={{ view: 'episodes', query: { episode: row.episode, seq } }}>Episode {row.episode}</Go>
      )}
      {row.episode && <Go to={{ query: { seq, pane: 'sequence' } }}>Sequence diagram</Go>}
      <Copy text={JSON.stringify(envelope, null, 2)}>Copy as JSON</Copy>
      <Copy text={why}>Copy command</Copy>
      <code class="why">{why}</code>
    </div>
  );
}

/** `onLeave`: back to the list. */
export function MessagePane({ seq, onLeave }: { seq: number | null; onLeave: () => void }) {
  useEffect(() => {
    if (seq === null || seq < 0 || run.value === '') {
      shown.value = null;
      return;
    }
    const asked = new AbortController();
    get<Shown>(run.value, `messages/${seq}`, {}, asked.signal)
      .then((found) => (shown.value = found))
      .catch((error: unknown) => asked.signal.aborted || tell(error));
    return () => asked.abort();
  }, [seq, run.value]);
  const own = shown.value;
  return (
    <section
      class="message-pane"
      id="message-pane"
      aria-label="Message"
      tabIndex={-1}
      onKeyDown={(event) => event.key === 'Escape' && onLeave()}
    >
      {own === null || own.row.seq !== seq ? (
        <p class="muted">{seq === null ? 'Choose a message to see it whole.' : 'reading …'}</p>
      ) : (
        <>
          <h2>
            {own.row.seq} · {own.row.type}
          </h2>
          <Actions {...own} />
          <Links {...own} />
          <Tree key={own.row.seq} name="message" value={own.envelope} levels={4} />
        </>
      )}
    </section>
  );
}
