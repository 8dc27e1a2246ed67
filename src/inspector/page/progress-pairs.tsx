/** What became of each iteration's asks: pairs, and the reasons for none. */
import type { IterationFacts, Progress } from '../progress-facts.js';
import { Go } from './go.jsx';
import { colourOf, Legend } from './plot-frame.jsx';
import { toMessage } from './plot-lines.jsx';
import { percent, written } from './plot-scale.js';

interface Outcome {
  readonly name: string;
  readonly count: number;
  /** As the Episodes view filters by. */
  readonly end: 'paired' | 'withheld' | 'filtered' | 'failed' | 'open';
}

/** Every ask ends in exactly one of these. `filtered` prompts are withheld with that very reason, so they are counted once. */
export function outcomesOf(own: IterationFacts): Outcome[] {
  const withheld = Object.entries(own.withheld).filter(
    ([reason]) => reason !== 'filtered' && reason !== 'failed',
  );
  const filtered = Object.entries(own.filtered);
  const failed = own.failed + (own.withheld.failed ?? 0);
  const done =
    own.pairs + failed + [...withheld, ...filtered].reduce((sum, [, count]) => sum + (count ?? 0), 0);
  return [
    { name: 'pair', count: own.pairs, end: 'paired' as const },
    ...withheld.map(([reason, count]) => ({
      name: `no pair: ${reason}`,
      count: count ?? 0,
      end: 'withheld' as const,
    })),
    ...filtered.map(([reason, count]) => ({
      name: `filtered: ${reason}`,
      count: count ?? 0,
      end: 'filtered' as const,
    })),
    { name: 'failed', count: failed, end: 'failed' as const },
    { name: 'still open', count: Math.max(0, own.asks - done), end: 'open' as const },
  ].filter(({ count }) => count > 0);
}

export function Pairs({ progress: { iterations } }: { progress: Progress }) {
  if (iterations.length === 0) return <p class="none">No iteration has begun yet.</p>;
  const outcomes = iterations.map(outcomesOf);
  const names = [...new Set(outcomes.flat().map(({ name }) => name))];
  const colour = (name: string) =>
    name === 'still open' ? 6 : [2, 1, 4, 3, 0, 5, 7][names.indexOf(name) % 7]!;
  const most = Math.max(1, ...outcomes.map((some) => some.reduce((sum, { count }) => sum + count, 0)));
  return (
    <>
      <table class="pairs">
        <thead>
          <tr>
            {['Iteration', 'Asks', 'Pairs', 'Where they went', 'Judgements', 'Unparseable'].map((title) => (
              <th scope="col" key={title}>
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {iterations.map((own, i) => (
            <tr key={own.iteration} data-iteration={own.iteration}>
              <th scope="row">
                {own.iteration} <Go to={toMessage(own.seq)}>#{own.seq}</Go>
              </th>
              <td>{written(own.asks)}</td>
              <td>
                <strong>{written(own.pairs)}</strong>
              </td>
              <td class="wide">
                <span class="stack" aria-hidden="true">
                  {outcomes[i]!.map(({ name, count }) => (
                    <i
                      key={name}
                      title={`${name}: ${count}`}
                      style={{ width: `${(100 * count) / most}%`, background: colourOf(colour(name)) }}
                    />
                  ))}
                </span>
                <span class="counts">
                  {outcomes[i]!.map(({ name, count, end }) => (
                    <Go
                      key={name}
                      to={{
                        view: 'episodes',
                        query: { phase: `iteration ${own.iteration}`, end, seq: '', with: '', number: '' },
                      }}
                    >
                      {name} {count}
                    </Go>
                  ))}
                </span>
              </td>
              <td>{written(own.judgements)}</td>
              <td>
                {own.unparseable}{' '}
                <small>{own.judgements > 0 && `${percent(own.unparseable / own.judgements)} %`}</small>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <Legend entries={names.map((name) => ({ name, series: colour(name) }))} />
    </>
  );
}
