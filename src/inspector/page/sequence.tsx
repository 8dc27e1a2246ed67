/** The sequence diagram of an episode: who wrote to whom, in order. Each arrow is a link to its message. */
import './sequence.css';
import { useEffect, useState } from 'preact/hooks';
import type { Envelope } from '../../protocol/messages.js';
import { go, hrefOf, placeWith, seq } from './address.js';
import { get } from './api.js';
import { head, run, tell } from './live.js';
import { type Arrow, type Plan, planOf } from './sequence-plan.js';

function ArrowLine({ arrow: { seq: own, type, from, to, y } }: { arrow: Arrow }) {
  const at = { query: { seq: String(own), pane: '' }, view: 'script' as const };
  const way = to < from ? -1 : 1;
  const line = from === to ? `M${from} ${y}h22v9h-18` : `M${from} ${y}H${to - 3 * way}`;
  const middle = from === to ? from + 26 : (from + to) / 2;
  return (
    <a
      class="arrow"
      href={hrefOf(placeWith(at))}
      aria-label={`${type} ${own}`}
      {...(seq.value === own ? { 'aria-current': 'true' as const } : {})}
      onClick={(event) => {
        if (event.metaKey || event.ctrlKey || event.shiftKey) return;
        event.preventDefault();
        go(at);
      }}
    >
      <rect class="hit" x={Math.min(from, to)} y={y - 17} width={Math.abs(to - from) || 60} height={24} />
      <path d={line} marker-end="url(#tip)" />
      <text x={middle} y={y - 5} text-anchor={from === to ? 'start' : 'middle'}>
        {type} <tspan class="seq">{own}</tspan>
      </text>
    </a>
  );
}

function Diagram({ id, plan: { lanes, arrows, width, height } }: { id: string; plan: Plan }) {
  return (
    // biome-ignore lint/a11y/useSemanticElements: a drawing holds no fieldset
    <svg class="sequence" width={width} height={height} role="group" aria-label={`Sequence of episode ${id}`}>
      <defs>
        <marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">
          <path d="M0 0L8 4L0 8z" />
        </marker>
      </defs>
      {lanes.map(({ name, x }) => (
        <g key={name}>
          <line class="lifeline" x1={x} x2={x} y1={TOP_LINE} y2={height} />
          <text class="lane" x={x} y={18} text-anchor="middle">
            {name}
          </text>
        </g>
      ))}
      {arrows.map((arrow) => (
        <ArrowLine key={arrow.seq} arrow={arrow} />
      ))}
    </svg>
  );
}
const TOP_LINE = 26;

export function Sequence({ id, envelopes }: { id: string; envelopes: readonly Envelope[] }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a box that scrolls is reached by keyboard
    <section class="sequence-box" aria-label={`Sequence of episode ${id}`} tabIndex={0}>
      <Diagram id={id} plan={planOf(envelopes)} />
    </section>
  );
}

/** Reads the episode itself, again as it grows. */
export function SequenceOf({ id }: { id: string }) {
  const [read, setRead] = useState<{ readonly id: string; readonly envelopes: readonly Envelope[] } | null>(
    null,
  );
  const count = head.value?.count ?? 0;
  const isOver = read?.id === id && read.envelopes.some(({ type }) => type.startsWith('pair.'));
  useEffect(() => {
    if (isOver || run.value === '') return;
    const asked = new AbortController();
    get<{ id: string; envelopes: readonly Envelope[] }>(run.value, `episodes/${id}`, {}, asked.signal)
      .then(setRead)
      .catch((error: unknown) => asked.signal.aborted || tell(error));
    return () => asked.abort();
  }, [id, run.value, isOver, isOver ? 0 : count]);
  return read?.id === id ? (
    <Sequence id={id} envelopes={read.envelopes} />
  ) : (
    <p class="muted hint">reading …</p>
  );
}
