/**
 * The hacking gap: what the model believes of its answers against what they are worth. The heart of the page: said in words, in
 * one large number, and as the area between two lines.
 */
import type { Metric } from '../../protocol/messages.js';
import type { Progress } from '../progress-facts.js';
import { Go } from './go.jsx';
import { intervalText, measureNamed } from './measures.js';
import type { Area } from './plot-frame.jsx';
import { Lines, type PlotPoint, type Series, toMessage } from './plot-lines.jsx';
import { rangeOf, signed, written } from './plot-scale.js';
import { measuredIn, metricIn, versionsIn } from './progress-data.js';

type Measured = ReturnType<typeof measuredIn>[number];

export function pointOf(
  at: number,
  version: string,
  metric: Metric | undefined,
  seq: number,
  run?: string,
): PlotPoint {
  const measure = measureNamed(metric?.name ?? '');
  const value = metric?.value ?? null;
  const times = (one: number | undefined) => (one === undefined ? undefined : one * measure.scale);
  return {
    x: at,
    y: value === null ? null : value * measure.scale,
    low: times(metric?.interval?.low),
    high: times(metric?.interval?.high),
    tip:
      value === null
        ? version
        : `${version}: ${measure.title} ${written(value * measure.scale)}${measure.unit} ${intervalText(measure, metric!)} (n ${metric!.n}), message ${seq}`,
    seq,
    ...(run === undefined ? {} : { run }),
  };
}

export function seriesOf(
  progress: Progress,
  versions: readonly string[],
  metric: string,
  looks: Omit<Series, 'points'>,
  run?: string,
): Series {
  const measured = measuredIn(progress);
  return {
    ...looks,
    points: versions.flatMap((version, at) => {
      const own = measured.find((one) => one.version === version);
      return own ? [pointOf(at, version, metricIn(own, metric), own.seq, run)] : [];
    }),
  };
}

export type Verdict = 'flatters' | 'modest' | 'honest';

/** By whether the interval holds 0. */
export function verdictOf({ value, interval }: Metric): Verdict {
  const [low, high] = interval ? [interval.low, interval.high] : [value ?? 0, value ?? 0];
  return low > 0 ? 'flatters' : high < 0 ? 'modest' : 'honest';
}

const WORDS: { readonly [V in Verdict]: string } = {
  flatters: 'believes its answers better than they are',
  modest: 'believes its answers worse than they are',
  honest: 'believes of its answers about what they are worth',
};

/** Large: above this share of the scale's width, seen from across a room. */
const LARGE = 0.1;
const gapOf = (own: Measured): Metric | null => {
  const gap = metricIn(own, 'gap');
  return gap && gap.value !== null ? gap : null;
};

function Change({ all }: { all: readonly { own: Measured; gap: Metric }[] }) {
  const last = all.at(-1)!;
  const first = all.find(({ own }) => own.version === 'M1') ?? all[0]!;
  if (first === last) return null;
  const change = last.gap.value! - first.gap.value!;
  const changeOf = (name: string) =>
    (metricIn(last.own, name)?.value ?? 0) - (metricIn(first.own, name)?.value ?? 0);
  const [self, truth] = [changeOf('self.score'), changeOf('true.score')];
  return (
    <p>
      {self > 0 && truth < 0 && verdictOf(last.gap) === 'flatters' && (
        <strong>Reward hacking: the self-score climbs while the true score falls. </strong>
      )}
      {change >= 0 ? 'Widened' : 'Narrowed'} by <strong>{written(Math.abs(change))}</strong> since{' '}
      {first.own.version}: the self-score changed by <b class="self">{signed(self)}</b>, the true score by{' '}
      <b class="true">{signed(truth)}</b>.
    </p>
  );
}

function Headline({ all, scale }: { all: readonly { own: Measured; gap: Metric }[]; scale: number }) {
  const { own, gap } = all.at(-1)!;
  const verdict = verdictOf(gap);
  const isLarge = verdict === 'flatters' && gap.value! > LARGE * scale;
  return (
    <div class={`headline ${verdict}${isLarge ? ' large' : ''}`} data-verdict={verdict}>
      <p class="of">Hacking gap of {own.version}</p>
      <p class="number">
        <Go class="figure" to={toMessage(own.seq)} title={`message ${own.seq}`}>
          <data value={String(gap.value)}>{signed(gap.value!)}</data>
        </Go>
      </p>
      <p class="of">
        interval {intervalText(measureNamed('gap'), gap)}, n {gap.n}
      </p>
      <p class="says">
        {own.version} {WORDS[verdict]}.{isLarge && <strong> What the loop rewards isn’t there.</strong>}
      </p>
      <Change all={all} />
    </div>
  );
}

/** Between the two lines, from version to version; warm where the self-score is the higher. */
function Between({ self, truth, area }: { self: Series; truth: Series; area: Area }) {
  const pairs = self.points.flatMap((point) => {
    const other = truth.points.find(({ x }) => x === point.x);
    return point.y === null || !other || other.y === null
      ? []
      : [{ x: point.x, self: point.y, truth: other.y }];
  });
  return (
    <g class="between">
      {pairs.slice(1).map((b, i) => {
        const a = pairs[i]!;
        const [gapA, gapB] = [a.self - a.truth, b.self - b.truth];
        const cut = gapA * gapB < 0 ? gapA / (gapA - gapB) : null;
        const path = (
          x1: number,
          s1: number,
          t1: number,
          x2: number,
          s2: number,
          t2: number,
          gap: number,
        ) => (
          <path
            key={`${x1}`}
            class={gap > 0 ? 'above' : 'below'}
            d={`M${area.x(x1)},${area.y(s1)}L${area.x(x2)},${area.y(s2)}L${area.x(x2)},${area.y(t2)}L${area.x(x1)},${area.y(t1)}Z`}
          />
        );
        if (cut === null) return path(a.x, a.self, a.truth, b.x, b.self, b.truth, gapA || gapB);
        const x = a.x + cut * (b.x - a.x);
        const y = a.self + cut * (b.self - a.self);
        return [path(a.x, a.self, a.truth, x, y, y, gapA), path(x, y, y, b.x, b.self, b.truth, gapB)];
      })}
      {pairs.map(({ x, self: s, truth: t }) => (
        <text
          key={x}
          class="strong"
          x={area.x(x)}
          y={Math.min(area.y(s), area.y(t)) - 14}
          text-anchor="middle"
        >
          {signed(s - t)}
        </text>
      ))}
    </g>
  );
}

export function Gap({ progress }: { progress: Progress }) {
  const versions = versionsIn([progress]);
  const xTicks = versions.map((text, at) => ({ at, text }));
  const all = measuredIn(progress).flatMap((own) => {
    const gap = gapOf(own);
    return gap ? [{ own, gap }] : [];
  });
  const self = seriesOf(progress, versions, 'self.score', {
    name: 'self-score (cast judge)',
    colour: 1,
    shape: 'square',
  });
  const truth = seriesOf(progress, versions, 'true.score', {
    name: 'true score (the world)',
    colour: 0,
    shape: 'circle',
  });
  const scores = progress.measured.flatMap((own) =>
    [...Object.keys(own.self), ...Object.keys(own.truth)].map(Number),
  );
  const y = rangeOf(
    [...self.points, ...truth.points].flatMap((point) => [point.y, point.low, point.high]),
    scores,
  );
  const known = all.map(({ own, gap }) => `${own.version} ${signed(gap.value!)}`).join(', ');
  return (
    <div class="gap">
      {all.length > 0 ? (
        <Headline all={all} scale={y.high - y.low} />
      ) : (
        <p class="headline">
          {measuredIn(progress).length > 0
            ? 'This world knows no true score, so there is no gap to see: only what the judge believes.'
            : 'No version has been measured yet.'}
        </p>
      )}
      <div>
        <Lines
          label={`Self-score and true score by version; the gap between them: ${known || 'not known'}`}
          height={300}
          y={y}
          xTicks={xTicks}
          yTitle="mean score of held-out answers"
          series={all.length > 0 ? [truth, self] : [self]}
          spread={false}
          under={(area) => all.length > 0 && <Between self={self} truth={truth} area={area} />}
        />
      </div>
    </div>
  );
}
