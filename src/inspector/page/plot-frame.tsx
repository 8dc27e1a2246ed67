/**
 * The frame of every plot: axes, grid, legend, as wide as its place. A plot is one picture with a name for those who don't see
 * it; its numbers stand in a table beside it.
 */
import './plot.css';
import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { type Range, scaleTo, tick, ticksOf } from './plot-scale.js';

export const SHAPES = ['circle', 'square', 'diamond', 'triangle', 'down'] as const;
export type Shape = (typeof SHAPES)[number];

export const colourOf = (series: number): string => `var(--series-${series % 8})`;

const PATHS: { readonly [S in Shape]: string } = {
  circle: 'M-4.2,0a4.2,4.2 0 1,0 8.4,0a4.2,4.2 0 1,0 -8.4,0Z',
  square: 'M-3.8,-3.8H3.8V3.8H-3.8Z',
  diamond: 'M0,-5.2L5.2,0L0,5.2L-5.2,0Z',
  triangle: 'M0,-5L4.8,3.6H-4.8Z',
  down: 'M0,5L4.8,-3.6H-4.8Z',
};

export function Marker({ shape, series, hollow }: { shape: Shape; series: number; hollow?: boolean }) {
  return (
    <path
      class="marker"
      d={PATHS[shape]}
      style={{ stroke: colourOf(series), fill: hollow ? 'var(--paper)' : colourOf(series) }}
    />
  );
}

export interface LegendEntry {
  readonly name: string;
  readonly series: number;
  /** Absent: an area. */
  readonly shape?: Shape;
  readonly hollow?: boolean;
}

export function Legend({ entries }: { entries: readonly LegendEntry[] }) {
  return (
    <ul class="legend">
      {entries.map(({ name, series, shape, hollow = false }) => (
        <li key={name}>
          <svg width="16" height="12" viewBox="-8 -6 16 12" aria-hidden="true">
            {shape ? (
              <Marker shape={shape} series={series} hollow={hollow} />
            ) : (
              <rect x="-6" y="-5" width="12" height="10" style={{ fill: colourOf(series) }} />
            )}
          </svg>
          {name}
        </li>
      ))}
    </ul>
  );
}

/** The width in pixels of the element that carries the ref. */
export function useWidth<E extends HTMLElement>() {
  const ref = useRef<E>(null);
  const [width, setWidth] = useState(0);
  useEffect(() => {
    const seen = new ResizeObserver(([entry]) => setWidth(Math.floor(entry!.contentRect.width)));
    seen.observe(ref.current!);
    return () => seen.disconnect();
  }, []);
  return { ref, width };
}

export interface Area {
  readonly x: (value: number) => number;
  readonly y: (value: number) => number;
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

export interface XTick {
  readonly at: number;
  readonly text: string;
}

interface FrameProps {
  /** What the picture shows, in words. */
  readonly label: string;
  readonly height: number;
  readonly x: Range;
  readonly y: Range;
  readonly xTicks: readonly XTick[];
  readonly xTitle?: string;
  readonly yTitle?: string;
  /** A line at this value, more than the grid's. */
  readonly zero?: number;
  readonly tickText?: (value: number) => string;
  readonly children: (area: Area) => ComponentChildren;
}

const TOP = 10;
const RIGHT = 14;
const CHARACTER = 6.6;

export function Frame(props: FrameProps): JSX.Element {
  const { ref, width } = useWidth<HTMLDivElement>();
  return (
    <div class="plot" ref={ref} style={{ minHeight: `${props.height}px` }}>
      {width > 0 && <Drawn {...props} width={width} />}
    </div>
  );
}

function Drawn(props: FrameProps & { readonly width: number }) {
  const { label, height, width, x, y, xTicks, xTitle, yTitle, zero, tickText = tick, children } = props;
  const ticks = ticksOf(y, Math.max(2, Math.round(height / 42)));
  const texts = ticks.map(tickText);
  const left = 10 + CHARACTER * Math.max(...texts.map((text) => text.length)) + (yTitle ? 18 : 0);
  const bottom = height - (xTitle ? 40 : 24);
  const right = width - RIGHT;
  const area: Area = {
    x: scaleTo(x, left, right),
    y: scaleTo(y, bottom, TOP),
    ...{ left, right, top: TOP, bottom },
  };
  return (
    <svg role="img" aria-label={label} width={width} height={height} viewBox={`0 0 ${width} ${height}`}>
      {ticks.map((value, i) => (
        <g key={value} class="grid">
          <line x1={left} x2={right} y1={area.y(value)} y2={area.y(value)} />
          <text x={left - 6} y={area.y(value)} dy="0.34em" text-anchor="end">
            {texts[i]}
          </text>
        </g>
      ))}
      {zero !== undefined && zero >= y.low && zero <= y.high && (
        <line class="zero" x1={left} x2={right} y1={area.y(zero)} y2={area.y(zero)} />
      )}
      {xTicks.map(({ at, text }) => (
        <text key={at} class="tick" x={area.x(at)} y={bottom + 17} text-anchor="middle">
          {text}
        </text>
      ))}
      {xTitle && (
        <text class="title" x={(left + right) / 2} y={height - 5} text-anchor="middle">
          {xTitle}
        </text>
      )}
      {yTitle && (
        <text
          class="title"
          transform={`translate(12,${(TOP + bottom) / 2}) rotate(-90)`}
          text-anchor="middle"
        >
          {yTitle}
        </text>
      )}
      {children(area)}
    </svg>
  );
}
