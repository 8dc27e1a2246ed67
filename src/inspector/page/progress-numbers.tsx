/**
 * Every number of every version with its interval: small plots side by side, and one table. Each number opens what is behind it
 * (progress-behind.tsx).
 */
import { useState } from 'preact/hooks';
import type { Progress } from '../progress-facts.js';
import { place } from './address.js';
import { Go } from './go.jsx';
import { run } from './live.js';
import { intervalText, MEASURES, type Measure, measureNamed, valueText, whyCommand } from './measures.js';
import { Lines, toMessage } from './plot-lines.jsx';
import { rangeOf } from './plot-scale.js';
import { measuredIn, metricIn, versionsIn } from './progress-data.js';
import { seriesOf } from './progress-gap.jsx';
import { ScrollBox } from './scroll-box.jsx';

export function MeasurePlots({ progress, group }: { progress: Progress; group: Measure['group'] }) {
  const versions = versionsIn([progress]);
  const measured = measuredIn(progress);
  const shown = MEASURES.filter(
    (one) => one.group === group && measured.some((own) => metricIn(own, one.name)?.value != null),
  );
  return (
    <div class="plots">
      {shown.map((measure, i) => (
        <MeasurePlot
          key={measure.name}
          {...{ measure, versions, progress }}
          colour={group === 'judge' ? 2 : 5}
          at={i}
        />
      ))}
    </div>
  );
}

function MeasurePlot(props: {
  measure: Measure;
  versions: readonly string[];
  progress: Progress;
  colour: number;
  at: number;
}) {
  const { measure, versions, progress, colour } = props;
  const series = seriesOf(progress, versions, measure.name, { name: measure.title, colour, shape: 'circle' });
  const values = series.points.flatMap((point) => [point.y, point.low, point.high]);
  return (
    <figure>
      <figcaption>
        <b>{measure.title}</b>
        {measure.unit && ` (${measure.unit.trim()})`}
        <small>{measure.what}</small>
      </figcaption>
      <Lines
        label={`${measure.title} by version: ${series.points
          .filter(({ y }) => y !== null)
          .map(({ tip }) => tip.replace(/, message .*/, ''))
          .join('; ')}`}
        height={150}
        y={rangeOf(values, measure.from === undefined ? [] : [measure.from])}
        xTicks={versions.map((text, at) => ({ at, text }))}
        series={[series]}
      />
    </figure>
  );
}

const keyOf = (version: string, metric: string): string => `${version}/${metric}`;

function Row({ name, progress }: { name: string; progress: Progress }) {
  const measure = measureNamed(name);
  return (
    <tr>
      <th scope="row" title={measure.what}>
        {measure.title}
        {measure.title !== name && <small>{name}</small>}
      </th>
      {measuredIn(progress).map((own) => {
        const metric = metricIn(own, name);
        const key = keyOf(own.version, name);
        if (!metric || metric.value === null) return <td key={key}>–</td>;
        return (
          <td key={key} data-number={key}>
            <Go
              class="figure"
              to={{ query: { number: key } }}
              current={place.value.query.number === key}
              title={`n ${metric.n}, message ${own.seq}; ${whyCommand(run.value, own.version, name)}`}
            >
              <data value={String(metric.value)}>{valueText(measure, metric.value)}</data>
            </Go>
            <small>{intervalText(measure, metric)}</small>
          </td>
        );
      })}
    </tr>
  );
}

export function NumbersTable({ progress }: { progress: Progress }) {
  const measured = measuredIn(progress);
  const names = [...new Set(measured.flatMap(({ metrics }) => metrics.map(({ name }) => name)))];
  const known = MEASURES.map(({ name }) => name).filter((name) => names.includes(name));
  const others = names.filter((name) => !known.includes(name));
  const [hasAll, setAll] = useState(false);
  const shown = hasAll ? [...known, ...others] : known;
  return (
    <>
      <ScrollBox label="All numbers by version">
        <table class="numbers">
          <thead>
            <tr>
              <th scope="col">Number</th>
              {measured.map(({ version, seq }) => (
                <th scope="col" key={version}>
                  {version} <Go to={toMessage(seq)}>#{seq}</Go>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {shown.map((name) => (
              <Row key={name} name={name} progress={progress} />
            ))}
          </tbody>
        </table>
      </ScrollBox>
      {others.length > 0 && (
        <button type="button" aria-expanded={hasAll} onClick={() => setAll(!hasAll)}>
          {hasAll ? 'Fewer numbers' : `All numbers: ${others.length} more`}
        </button>
      )}
    </>
  );
}
