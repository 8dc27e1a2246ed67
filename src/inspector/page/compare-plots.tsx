/** Both runs on the same axes, and their numbers next to each other with the difference. */
import type { Metric } from '../../protocol/messages.js';
import type { Progress } from '../progress-facts.js';
import { Go } from './go.jsx';
import { intervalText, MEASURES, type Measure, valueText } from './measures.js';
import { Lines, type Series, toMessage } from './plot-lines.jsx';
import { rangeOf, ticksOf } from './plot-scale.js';
import { measuredIn, metricIn, versionsIn } from './progress-data.js';
import { seriesOf } from './progress-gap.jsx';
import { ScrollBox } from './scroll-box.jsx';

interface BothProps {
  readonly names: readonly [string, string];
  readonly both: readonly [Progress, Progress];
}

const LOOKS = [
  { colour: 0, shape: 'circle', dashed: false },
  { colour: 1, shape: 'square', dashed: true },
] as const;

const known = ({ both }: BothProps): Measure[] =>
  MEASURES.filter(({ name }) =>
    both.some((one) => measuredIn(one).some((own) => metricIn(own, name)?.value != null)),
  );

/** A legend tells runs apart by name, even if both have the same one. */
const named = (names: BothProps['names'], i: 0 | 1): string =>
  names[0] === names[1] ? `${names[i]} (${i + 1})` : names[i];

function MeasurePlot({ measure, names, both }: BothProps & { measure: Measure }) {
  const versions = versionsIn(both);
  const series: Series[] = ([0, 1] as const).map((i) =>
    seriesOf(both[i], versions, measure.name, { ...LOOKS[i], name: named(names, i) }, names[i]),
  );
  const values = series.flatMap(({ points }) => points.flatMap((point) => [point.y, point.low, point.high]));
  return (
    <figure data-measure={measure.name}>
      <figcaption>
        <b>{measure.title}</b>
        {measure.unit && ` (${measure.unit.trim()})`}
        <small>{measure.what}</small>
      </figcaption>
      <Lines
        label={`${measure.title} by version of ${names[0]} and ${names[1]}; the table below holds the numbers`}
        height={170}
        y={rangeOf(values, measure.from === undefined ? [] : [measure.from])}
        {...(measure.name === 'gap' ? { zero: 0 } : {})}
        xTicks={versions.map((text, at) => ({ at, text }))}
        series={series}
        legend={false}
      />
    </figure>
  );
}

export function RunLegend({ names }: { names: BothProps['names'] }) {
  return (
    <p class="run-legend">
      <span class="run-a">● {names[0]}</span> <span class="run-b">□ {names[1]} (dashed)</span>
    </p>
  );
}

export function ComparedPlots(props: BothProps) {
  const measures = known(props);
  const first = ['gap', 'self.score', 'true.score'];
  const ordered = [
    ...first.flatMap((name) => measures.filter((one) => one.name === name)),
    ...measures.filter(({ name }) => !first.includes(name)),
  ];
  if (ordered.length === 0) return <p class="none">Neither has measured a version yet.</p>;
  return (
    <>
      <RunLegend names={props.names} />
      <div class="plots">
        {ordered.map((measure) => (
          <MeasurePlot key={measure.name} {...props} measure={measure} />
        ))}
      </div>
    </>
  );
}

/** Whether each interval ends before the other begins: a plain sign, no test of the difference. */
function isApart(a: Metric, b: Metric): boolean {
  if (!a.interval || !b.interval) return false;
  return a.interval.low > b.interval.high || b.interval.low > a.interval.high;
}

function Cell({ version, measure, names, both }: BothProps & { version: string; measure: Measure }) {
  const own = ([0, 1] as const).map((i) => measuredIn(both[i]).find((one) => one.version === version));
  const metrics = own.map((one) => metricIn(one, measure.name));
  const [a, b] = metrics;
  const difference =
    a && b && a.value !== null && b.value !== null ? (b.value - a.value) * measure.scale : null;
  const digits = measure.scale === 100 ? 1 : 2;
  return (
    <td data-cell={`${version}/${measure.name}`}>
      {metrics.map((metric, i) => (
        <span key={i === 0 ? 'a' : 'b'} class={i === 0 ? 'run-a' : 'run-b'}>
          {metric && metric.value !== null ? (
            <Go
              class="figure"
              to={toMessage(own[i]!.seq, names[i]!)}
              title={`${names[i]}, ${version}: ${intervalText(measure, metric)}, n ${metric.n}, message ${own[i]!.seq}`}
            >
              <data value={String(metric.value)}>{valueText(measure, metric.value)}</data>
            </Go>
          ) : (
            '–'
          )}
        </span>
      ))}
      <span class={difference !== null && isApart(a!, b!) ? 'difference apart' : 'difference'}>
        {difference === null
          ? ''
          : `${difference > 0 ? '+' : difference < 0 ? '−' : '±'}${Math.abs(difference).toFixed(digits)}`}
      </span>
    </td>
  );
}

export function ComparedNumbers(props: BothProps) {
  const versions = versionsIn(props.both);
  return (
    <>
      <ScrollBox label="Numbers of both runs by version">
        <table class="numbers compared">
          <thead>
            <tr>
              <th scope="col">Number</th>
              {versions.map((version) => (
                <th scope="col" key={version}>
                  {version}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {known(props).map((measure) => (
              <tr key={measure.name}>
                <th scope="row" title={measure.what}>
                  {measure.title}
                </th>
                {versions.map((version) => (
                  <Cell key={version} {...props} {...{ version, measure }} />
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </ScrollBox>
      <p class="none">
        Each cell: {props.names[0]}, {props.names[1]}, and the second − the first; bold where their intervals
        don’t overlap. <code>soliloquy compare</code> tests differences, paired by prompt.
      </p>
    </>
  );
}

export function ComparedTrainings({ names, both }: BothProps) {
  const all = both.flatMap(({ trainings }) => trainings.filter(({ points }) => points.length > 0));
  const versions = [...new Set(all.map(({ to }) => to))];
  if (versions.length === 0) return <p class="none">Neither has trained anything yet.</p>;
  return (
    <>
      <RunLegend names={names} />
      <div class="plots">
        {versions.map((version) => {
          const own = all.filter(({ to }) => to === version);
          const x = { low: 0, high: Math.max(1, ...own.map(({ steps }) => steps)) };
          return (
            <figure key={version}>
              <figcaption>
                <b>{version}</b>{' '}
                <small>{[...new Set(own.map(({ objective }) => objective))].join(', ')}</small>
              </figcaption>
              <Lines
                label={`Loss of ${version} by step in ${names[0]} and ${names[1]}`}
                height={150}
                x={x}
                y={rangeOf(own.flatMap(({ points }) => points.map(({ loss }) => loss)))}
                xTicks={ticksOf(x, 4).map((at) => ({ at, text: String(at) }))}
                spread={false}
                legend={false}
                series={([0, 1] as const).map((i) => ({
                  ...LOOKS[i],
                  name: named(names, i),
                  curve: true,
                  points: (both[i].trainings.find(({ to }) => to === version)?.points ?? []).map(
                    ({ step, loss }) => ({ x: step, y: loss, tip: '' }),
                  ),
                }))}
              />
            </figure>
          );
        })}
      </div>
    </>
  );
}
