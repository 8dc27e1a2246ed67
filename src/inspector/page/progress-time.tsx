/** Where the time went: messages per second by what the run was doing, the time of each phase; tokens and cost where told. */
import type { PhaseTime, Progress, Throughput } from '../progress-facts.js';
import { Go } from './go.jsx';
import { type Area, colourOf, Frame, Legend } from './plot-frame.jsx';
import { toMessage } from './plot-lines.jsx';
import { duration, rangeOf, ticksOf, written } from './plot-scale.js';

const COLOURS: Readonly<Record<string, number>> = {
  'seed data': 6,
  measuring: 0,
  iteration: 2,
  training: 1,
  'making EFT': 4,
};
const colour = (kind: string): number => COLOURS[kind] ?? 7;

function Stacks({ area, throughput: { bucketMs, kinds, counts } }: { area: Area; throughput: Throughput }) {
  const perSecond = 1000 / bucketMs;
  return (
    <g>
      {counts.map((bucket, i) => {
        let below = 0;
        const [x1, x2] = [area.x((i * bucketMs) / 1000), area.x(((i + 1) * bucketMs) / 1000)];
        return bucket.map((count, kind) => {
          if (count === 0) return null;
          const low = below;
          below += count * perSecond;
          return (
            <rect
              key={`${i}-${kinds[kind]}`}
              x={x1}
              width={Math.max(1, x2 - x1 - 0.5)}
              y={area.y(below)}
              height={area.y(low) - area.y(below)}
              style={{ fill: colourOf(colour(kinds[kind]!)) }}
            >
              <title>
                {kinds[kind]}: {written(count * perSecond)} messages/s at {duration(i * bucketMs)}
              </title>
            </rect>
          );
        });
      })}
    </g>
  );
}

function Phase({ phase, most }: { phase: PhaseTime; most: number }) {
  const { name, kind, messages, ms, seq } = phase;
  return (
    <tr>
      <th scope="row">
        <Go to={toMessage(seq)}>{name}</Go>
      </th>
      <td class="short">{duration(ms)}</td>
      <td class="wide">
        <span class="stack" aria-hidden="true">
          <i style={{ width: `${(100 * ms) / most}%`, background: colourOf(colour(kind)) }} />
        </span>
      </td>
      <td>{written(messages)}</td>
      <td>{ms > 0 ? written(Math.round((1000 * messages) / ms)) : '–'}</td>
    </tr>
  );
}

export function Time({ progress: { throughput } }: { progress: Progress }) {
  const { bucketMs, counts, kinds, phases } = throughput;
  if (counts.length === 0) return <p class="none">Nothing was said yet.</p>;
  const seconds = (counts.length * bucketMs) / 1000;
  const rates = counts.map((bucket) => (bucket.reduce((a, b) => a + b, 0) * 1000) / bucketMs);
  const x = { low: 0, high: seconds };
  const total = phases.reduce((sum, { messages }) => sum + messages, 0);
  const most = Math.max(1, ...phases.map(({ ms }) => ms));
  return (
    <div class="halves">
      <figure>
        <figcaption>
          <b>Messages per second</b>
          <small>
            {written(total)} messages in {duration(seconds * 1000)}, by what the run was doing
          </small>
        </figcaption>
        <Frame
          label={`Messages per second over ${duration(seconds * 1000)}: ${written(total / seconds, 0)} on average, ${written(Math.max(...rates), 0)} at most`}
          height={240}
          x={x}
          y={rangeOf(rates, [0])}
          xTicks={ticksOf(x, 6).map((at) => ({ at, text: duration(at * 1000) }))}
        >
          {(area) => <Stacks area={area} throughput={throughput} />}
        </Frame>
        <Legend entries={kinds.map((kind) => ({ name: kind, series: colour(kind) }))} />
      </figure>
      <table>
        <thead>
          <tr>
            <th scope="col">Phase</th>
            <th scope="col">Time</th>
            <th scope="col">
              <span class="unseen">Share</span>
            </th>
            <th scope="col">Messages</th>
            <th scope="col">per second</th>
          </tr>
        </thead>
        <tbody>
          {phases.map((phase) => (
            <Phase key={phase.name} {...{ phase, most }} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

export function Cost({ progress: { usage } }: { progress: Progress }) {
  return (
    <table>
      <thead>
        <tr>
          {['Asked by', 'Answers', 'Prompt tokens', 'Completion tokens', 'Cost', 'Last message'].map(
            (title) => (
              <th scope="col" key={title}>
                {title}
              </th>
            ),
          )}
        </tr>
      </thead>
      <tbody>
        {usage.map((own) => (
          <tr key={own.who}>
            <th scope="row">{own.who}</th>
            <td>{written(own.requests)}</td>
            <td>{written(own.promptTokens)}</td>
            <td>{written(own.completionTokens)}</td>
            <td>{own.cost === null ? 'no price known' : `${written(own.cost, 4)} ${own.currency}`}</td>
            <td>
              <Go to={toMessage(own.seq)}>#{own.seq}</Go>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
