/** How scores are spread over held-out answers, by the judge and by the truth; and who wins against whom. */
import type { MeasuredVersion, Progress } from '../progress-facts.js';
import { Go } from './go.jsx';
import { colourOf, Frame, Legend } from './plot-frame.jsx';
import { toMessage } from './plot-lines.jsx';
import { percent, signed } from './plot-scale.js';
import { measuredIn, metricIn } from './progress-data.js';

const BAR = 0.4;

function binsOf(measured: readonly MeasuredVersion[]): number[] {
  const scores = measured.flatMap(({ self, truth }) =>
    [...Object.keys(self), ...Object.keys(truth)].map(Number),
  );
  const named = measured.flatMap(({ metrics }) =>
    metrics.flatMap(({ name }) => (name.startsWith('judge.histogram.') ? [Number(name.slice(16))] : [])),
  );
  const all = [...scores, ...named];
  if (all.length === 0) return [];
  const low = all.reduce((a, b) => Math.min(a, b));
  const high = all.reduce((a, b) => Math.max(a, b));
  return Array.from({ length: high - low + 1 }, (_, i) => low + i);
}

function Histogram({ own, bins, most }: { own: MeasuredVersion; bins: readonly number[]; most: number }) {
  const hasTruth = Object.keys(own.truth).length > 0;
  const bars = hasTruth
    ? ([
        ['truth', 0, -BAR],
        ['self', 1, 0],
      ] as const)
    : ([['self', 1, -BAR / 2]] as const);
  const told = bins.map(
    (bin) => `${bin}: ${own.self[bin] ?? 0}${hasTruth ? ` / ${own.truth[bin] ?? 0}` : ''}`,
  );
  return (
    <figure data-histogram={own.version}>
      <figcaption>
        <b>{own.version}</b> <Go to={toMessage(own.seq ?? own.request)}>#{own.seq ?? own.request}</Go>
        <small>
          {own.answers} answers{own.unreadable > 0 && `, ${own.unreadable} without a readable verdict`}
        </small>
      </figcaption>
      <Frame
        label={`Answers of ${own.version} by score, self${hasTruth ? ' / true' : ''}: ${told.join(', ')}`}
        height={140}
        x={{ low: bins[0]! - 0.6, high: bins.at(-1)! + 0.6 }}
        y={{ low: 0, high: most }}
        xTicks={bins.map((at) => ({ at, text: String(at) }))}
      >
        {(area) =>
          bars.map(([which, colour, shift]) =>
            bins.map((bin) => {
              const count = own[which][bin] ?? 0;
              return (
                <rect
                  key={`${which}${bin}`}
                  class={which}
                  x={area.x(bin + shift)}
                  width={area.x(BAR) - area.x(0) - 1}
                  y={area.y(count)}
                  height={area.y(0) - area.y(count)}
                  style={{ fill: colourOf(colour) }}
                >
                  <title>
                    {own.version}, score {bin}: {count} answers by the {which === 'self' ? 'judge' : 'truth'}
                  </title>
                </rect>
              );
            }),
          )
        }
      </Frame>
    </figure>
  );
}

export function Histograms({ progress }: { progress: Progress }) {
  const measured = progress.measured.filter(({ answers }) => answers > 0);
  const bins = binsOf(measured);
  const most = Math.max(
    1,
    ...measured.flatMap(({ self, truth }) => [...Object.values(self), ...Object.values(truth)]),
  );
  return (
    <>
      <div class="plots small">
        {measured.map((own) => (
          <Histogram key={own.version} {...{ own, bins, most }} />
        ))}
      </div>
      <Legend
        entries={[
          { name: 'true score', series: 0 },
          { name: 'self-score (mean of the readable verdicts, to the nearest whole score)', series: 1 },
        ]}
      />
    </>
  );
}

const PARTS = ['win', 'tie', 'loss'] as const;

interface Game {
  readonly version: string;
  readonly against: string;
  readonly by: string;
  readonly seq: number;
  readonly shares: readonly number[];
  readonly margin: number | null;
  readonly interval: string;
}

function gamesIn(progress: Progress): Game[] {
  return measuredIn(progress).flatMap((own) =>
    own.metrics.flatMap(({ name }) => {
      const [, by, against] = /^h2h\.(oracle|judge)\.(.+)\.win$/.exec(name) ?? [];
      if (!by || !against) return [];
      const of = (part: string) => metricIn(own, `h2h.${by}.${against}.${part}`);
      const shares = PARTS.map((part) => of(part)?.value ?? null);
      if (shares.some((value) => value === null)) return [];
      const margin = of('margin');
      const interval = margin?.interval
        ? `[${signed(100 * margin.interval.low, 1)}, ${signed(100 * margin.interval.high, 1)}]`
        : '';
      return [
        {
          version: own.version,
          against,
          by,
          seq: own.seq,
          shares: shares as number[],
          margin: margin?.value ?? null,
          interval,
        },
      ];
    }),
  );
}

function Bar({ shares }: { shares: readonly number[] }) {
  return (
    <span class="stack" aria-hidden="true">
      {shares.map((value, i) => (
        <i key={PARTS[i]} class={PARTS[i]!} style={{ width: `${100 * value}%` }} />
      ))}
    </span>
  );
}

const BY: Readonly<Record<string, string>> = { oracle: 'the true score', judge: 'its own judge' };

export function HeadToHeads({ progress }: { progress: Progress }) {
  const games = gamesIn(progress);
  if (games.length === 0) return <p class="none">No version has been compared with another yet.</p>;
  return (
    <table class="games">
      <thead>
        <tr>
          {['Versions', 'By', 'Win', 'Tie', 'Loss', ''].map((title) => (
            <th scope="col" key={title}>
              {title || <span class="unseen">Shares</span>}
            </th>
          ))}
          <th scope="col">Win − loss, points</th>
        </tr>
      </thead>
      <tbody>
        {games.map((game) => (
          <tr key={`${game.version}${game.by}${game.against}`} data-by={game.by}>
            <th scope="row">
              <Go to={toMessage(game.seq)}>
                {game.version} against {game.against}
              </Go>
            </th>
            <td>{BY[game.by]}</td>
            {game.shares.map((value, i) => (
              <td key={PARTS[i]} data-game={`${game.version}/h2h.${game.by}.${game.against}.${PARTS[i]}`}>
                <Go
                  class="figure"
                  to={{ query: { number: `${game.version}/h2h.${game.by}.${game.against}.${PARTS[i]}` } }}
                  title={`message ${game.seq}`}
                >
                  <data value={String(value)}>{percent(value)} %</data>
                </Go>
              </td>
            ))}
            <td class="wide">
              <Bar shares={game.shares} />
            </td>
            <td>
              {game.margin === null ? '–' : signed(100 * game.margin, 1)} <small>{game.interval}</small>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
