/** Points with intervals, joined by lines; a click on a point goes to the message that says it. */
import { go } from './address.js';
import { type Area, colourOf, Frame, Legend, Marker, SHAPES, type Shape, type XTick } from './plot-frame.jsx';
import { type Range, rangeOf } from './plot-scale.js';

export interface PlotPoint {
  readonly x: number;
  /** Null: not known; the line is broken there. */
  readonly y: number | null;
  readonly low?: number | undefined;
  readonly high?: number | undefined;
  readonly tip: string;
  /** Where it stands; another run's with `run`. */
  readonly seq?: number | null;
  readonly run?: string;
}

export interface Series {
  readonly name: string;
  readonly colour: number;
  readonly shape?: Shape;
  readonly dashed?: boolean;
  /** No markers: a curve of many points. */
  readonly curve?: boolean;
  readonly points: readonly PlotPoint[];
}

/** Of another run with `run`. What the address says of this view stays behind. */
export const toMessage = (seq: number, run?: string) => ({
  ...(run === undefined ? {} : { run }),
  view: 'script' as const,
  query: { seq: String(seq), with: '', number: '' },
});

const shapeOf = ({ shape, colour }: Series): Shape => shape ?? SHAPES[colour % SHAPES.length]!;

/** Line pieces between the gaps. */
function piecesOf(points: readonly PlotPoint[]): (PlotPoint & { readonly y: number })[][] {
  const pieces: (PlotPoint & { readonly y: number })[][] = [[]];
  for (const point of points) {
    if (point.y === null) pieces.push([]);
    else pieces.at(-1)!.push({ ...point, y: point.y });
  }
  return pieces.filter((piece) => piece.length > 0);
}

/** Side by side where several series stand at one place. */
const SPREAD = 7;

function Drawn({ series, area, shift }: { series: Series; area: Area; shift: number }) {
  const stroke = { stroke: colourOf(series.colour) };
  const at = ({ x }: PlotPoint) => area.x(x) + shift;
  const pieces = piecesOf(series.points);
  return (
    <g class={`series${series.dashed ? ' dashed' : ''}`} data-series={series.name}>
      {pieces.map((piece) => (
        <polyline
          key={piece[0]!.x}
          points={piece.map((point) => `${at(point)},${area.y(point.y)}`).join(' ')}
          style={stroke}
        />
      ))}
      {series.curve ||
        pieces.flat().map((point) => (
          // biome-ignore lint/a11y/noStaticElementInteractions: a picture's shortcut; its numbers are links in a table beside it.
          <g
            key={point.x}
            class={point.seq == null ? 'point' : 'point goes'}
            data-seq={point.seq}
            onClick={() => point.seq != null && go(toMessage(point.seq, point.run))}
          >
            <title>{point.tip}</title>
            {point.low !== undefined && point.high !== undefined && (
              <path
                class="interval"
                style={stroke}
                d={`M${at(point)},${area.y(point.low)}V${area.y(point.high)}m-3.5,0h7M${at(point) - 3.5},${area.y(point.low)}h7`}
              />
            )}
            <g transform={`translate(${at(point)},${area.y(point.y)})`}>
              <circle class="target" r="11" />
              <Marker shape={shapeOf(series)} series={series.colour} hollow={series.dashed ?? false} />
            </g>
          </g>
        ))}
    </g>
  );
}

interface LinesProps {
  readonly label: string;
  readonly height?: number;
  readonly series: readonly Series[];
  readonly xTicks: readonly XTick[];
  readonly x?: Range;
  readonly y?: Range;
  readonly xTitle?: string;
  readonly yTitle?: string;
  readonly zero?: number;
  readonly tickText?: (value: number) => string;
  readonly legend?: boolean;
  readonly spread?: boolean;
  /** Drawn under the lines. */
  readonly under?: (area: Area) => preact.ComponentChildren;
}

export function Lines({ series, under, height = 190, legend = true, spread = true, ...rest }: LinesProps) {
  const all = series.flatMap(({ points }) => points);
  const x = rest.x ?? { low: -0.4, high: Math.max(0, ...rest.xTicks.map(({ at }) => at)) + 0.4 };
  const y =
    rest.y ??
    rangeOf(
      all.flatMap((point) => [point.y, point.low, point.high]),
      rest.zero === undefined ? [] : [rest.zero],
    );
  return (
    <>
      <Frame {...rest} height={height} x={x} y={y}>
        {(area) => (
          <>
            {under?.(area)}
            {series.map((one, i) => (
              <Drawn
                key={one.name}
                series={one}
                area={area}
                shift={spread ? SPREAD * (i - (series.length - 1) / 2) : 0}
              />
            ))}
          </>
        )}
      </Frame>
      {legend && series.length > 1 && (
        <Legend
          entries={series.map((one) => ({
            name: one.name,
            series: one.colour,
            ...(one.curve ? {} : { shape: shapeOf(one), hollow: one.dashed ?? false }),
          }))}
        />
      )}
    </>
  );
}
