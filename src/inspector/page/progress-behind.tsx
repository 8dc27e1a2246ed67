/**
 * What is behind a number: its exact value, the message that says it, the facts that it is made of, and the command that computes
 * it again. Stays in sight at the view's lower edge until it is closed.
 */
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Progress } from '../progress-facts.js';
import { go, place } from './address.js';
import { Go } from './go.jsx';
import { run } from './live.js';
import { measureNamed, whyCommand } from './measures.js';
import { toMessage } from './plot-lines.jsx';
import { measuredIn, metricIn } from './progress-data.js';

function Command({ text }: { text: string }) {
  const [isCopied, setCopied] = useState(false);
  return (
    <p class="command">
      <code>{text}</code>
      <button
        type="button"
        onClick={() =>
          navigator.clipboard.writeText(text).then(
            () => setCopied(true),
            () => setCopied(false),
          )
        }
      >
        {isCopied ? 'Copied' : 'Copy'}
      </button>
    </p>
  );
}

/** Back to the number. */
function close(number: string): void {
  go({ query: { number: '' } });
  const name = CSS.escape(number);
  document.querySelector<HTMLElement>(`[data-number="${name}"] a, [data-game="${name}"] a`)?.focus();
}

/** What is behind the number that the address names. */
export function Behind({ progress }: { progress: Progress }) {
  const { number = '' } = place.value.query;
  const box = useRef<HTMLElement>(null);
  useEffect(() => {
    // Where the keyboard goes on, wherever the number stood that opened it.
    box.current?.focus({ preventScroll: true });
  }, [number]);
  const [version = '', ...rest] = number.split('/');
  const name = rest.join('/');
  const own = measuredIn(progress).find((one) => one.version === version);
  const metric = metricIn(own, name);
  if (!own || !metric) return null;
  const measure = measureNamed(name);
  return (
    <aside
      class="behind"
      aria-label="Behind the number"
      tabIndex={-1}
      ref={box}
      onKeyDown={({ key }) => key === 'Escape' && close(number)}
    >
      <h3>
        {measure.title} of {version}
        <button type="button" class="close" onClick={() => close(number)}>
          Close
        </button>
      </h3>
      <p>
        <data value={String(metric.value)}>{metric.value === null ? 'undefined' : String(metric.value)}</data>
        {metric.interval && `, interval [${metric.interval.low}, ${metric.interval.high}]`}, n {metric.n}
        {measure.what && `. ${measure.what[0]!.toUpperCase()}${measure.what.slice(1)}.`}
      </p>
      <p>
        Said by <Go to={toMessage(own.seq)}>message {own.seq}</Go>, asked for by{' '}
        <Go to={toMessage(own.request)}>message {own.request}</Go> (judge: {own.judge}); the facts are the
        messages of{' '}
        <Go to={{ view: 'script', query: { phase: `measuring ${version}`, seq: '', number: '', with: '' } }}>
          measuring {version}
        </Go>
        . Computed again from them by
      </p>
      <Command text={whyCommand(run.value, version, name)} />
    </aside>
  );
}
