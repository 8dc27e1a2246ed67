/**
 * Owns: a placed statechart as SVG, for a file and for a page that lights it up. Colours stand in CSS custom properties
 * (`--chart-state`, `--chart-line` …) with light fallbacks; a page sets the properties, and adds classes to what happens:
 *
 *   <g class="state" data-state-id="working.collecting" data-machine="trainer">          + .active
 *   <g class="edge" data-edge-id="a→b" data-source="a" data-target="b" data-event="…">   + .fired   one arrow; its path, head, labels
 *   <g class="transition" data-transition="12" data-event="pair.made" data-guard="…">    + .fired   one label of an arrow, or
 *                                                                                        one line in a box that stays as it is
 *
 * `data-event` of an arrow lists all its messages, parted by spaces (`[data-event~="pair.made"]`); a message may be `*` (any
 * other); a transition without a message has ''. `data-transition` is the place in the description's list of transitions.
 */
import { escaped } from './html.js';
import { type Box, type Chart, doesText, type Numbered, whenText } from './statechart.js';
import {
  boxLines,
  type ChartLayout,
  LINE,
  linesOf,
  type Place,
  type PlacedArrow,
  type Point,
  TEXT_SIZE,
  TITLE_HEIGHT,
  TITLE_SIZE,
} from './statechart-layout.js';

/** Also for a page that lets no style in with the SVG. Attributes hold the same colours for viewers without custom properties. */
export const CHART_STYLE = `
.statechart text { font-family: system-ui, "Helvetica Neue", Arial, "DejaVu Sans", sans-serif; font-size: ${TEXT_SIZE}px; fill: var(--chart-text, #1f2933); }
.statechart .paper { fill: var(--chart-background, #ffffff); }
.statechart .state > .frame { fill: none; stroke: var(--chart-border, #52606d); }
.statechart .state > rect:not(.frame) { fill: var(--chart-state, #ffffff); stroke: var(--chart-border, #52606d); }
.statechart .state.compound > rect:not(.frame) { fill: var(--chart-group, #f5f7fa); stroke: var(--chart-group-border, #9aa5b1); }
.statechart .state > line { stroke: var(--chart-group-border, #9aa5b1); }
.statechart .title { font-size: ${TITLE_SIZE}px; font-weight: 600; }
.statechart .edge > path { fill: none; stroke: var(--chart-line, #52606d); }
.statechart .edge > .head { fill: var(--chart-line, #52606d); stroke: none; }
.statechart .edge > .plate { fill: var(--chart-label, #ffffff); }
.statechart .within > .plate { fill: var(--chart-label-within, #f5f7fa); }
.statechart .group-head text { paint-order: stroke; stroke: var(--chart-group, #f5f7fa); stroke-width: 5px; }
.statechart .dot { fill: var(--chart-line, #52606d); }
.statechart .does { fill: var(--chart-muted, #616e7c); }
.statechart .any { font-style: italic; }
.statechart .state.active > rect:not(.frame) { fill: var(--chart-active, #d3ecff); stroke: var(--chart-active-border, #0b69a3); stroke-width: 2.5; }
.statechart .fired > path { stroke: var(--chart-fired, #c65d00); stroke-width: 2.5; }
.statechart .fired > .head { fill: var(--chart-fired, #c65d00); }
.statechart .transition.fired .when { fill: var(--chart-fired, #c65d00); }`;

const round = (value: number): number => Math.round(10 * value) / 10;
const box = ({ x, y, width, height }: Place): string =>
  `x="${round(x)}" y="${round(y)}" width="${round(width)}" height="${round(height)}"`;

const isAny = ({ on }: Numbered): string => (on === '*' ? ' any' : '');

/** Opening of one transition's group. */
const transitionTag = (one: Numbered, more = ''): string =>
  `<g class="transition${more}" data-transition="${one.number}" data-source="${escaped(one.from)}" data-target="${escaped(one.to ?? one.from)}" data-event="${escaped(one.on ?? '')}"${one.guard === null ? '' : ` data-guard="${escaped(one.guard)}"`}>`;

const MUTED = '#616e7c';
const INK = '#1f2933';

function innerLine(one: Numbered, x: number, y: number): string {
  const does = doesText(one);
  return `${transitionTag(one, ' inner')}<text x="${round(x)}" y="${round(y)}" fill="${INK}"><tspan class="when${isAny(one)}">${escaped(whenText(one))}</tspan>${does === '' ? '' : ` <tspan class="does" fill="${MUTED}">${escaped(does)}</tspan>`}</text></g>`;
}

type PlacedBox = Place & { readonly box: Box };

/** The lines under a title. */
function innerPart(place: Place, own: Box): string {
  const lines = boxLines(own);
  const baseline = (i: number) => place.y + TITLE_HEIGHT + LINE * (i + 1);
  const entries = lines.length - own.inner.length;
  const entry =
    entries === 0
      ? ''
      : `<text class="does" x="${round(place.x + 12)}" y="${round(baseline(0))}" fill="${MUTED}">${escaped(lines[0]!)}</text>`;
  return entry + own.inner.map((one, i) => innerLine(one, place.x + 12, baseline(i + entries))).join('');
}

function headOf({ box: own, ...place }: PlacedBox): string {
  const at =
    own.state.kind === 'compound'
      ? `x="${round(place.x + 12)}"`
      : `x="${round(place.x + place.width / 2)}" text-anchor="middle"`;
  const title = `<text class="title" ${at} y="${round(place.y + 20)}" font-size="${TITLE_SIZE}" font-weight="600" fill="${INK}">${escaped(own.title)}</text>`;
  return title + innerPart(place, own);
}

function stateGroup(machine: string, { box: own, ...place }: PlacedBox): string {
  const { kind, name } = own.state;
  const open = `<g class="state ${kind}" data-state-id="${escaped(name)}" data-machine="${escaped(machine)}"><title>${escaped(name)}</title>`;
  if (kind === 'history') {
    const [x, y] = [place.x + place.width / 2, place.y + place.height / 2 + 4];
    return `${open}<rect ${box(place)} rx="${place.width / 2}" fill="#fff" stroke="#52606d"/><text x="${round(x)}" y="${round(y)}" text-anchor="middle" fill="${INK}">H</text></g>`;
  }
  const isGroup = kind === 'compound';
  const colours = isGroup ? 'fill="#f5f7fa" stroke="#9aa5b1"' : 'fill="#fff" stroke="#52606d"';
  const inset = kind === 'final' ? 3.5 : 0;
  const frame =
    kind === 'final'
      ? `<rect class="frame" ${box({ x: place.x + inset, y: place.y + inset, width: place.width - 2 * inset, height: place.height - 2 * inset })} rx="6" fill="none" stroke="#52606d"/>`
      : '';
  const top = round(place.y + TITLE_HEIGHT);
  const rule =
    boxLines(own).length === 0
      ? ''
      : `<line x1="${round(place.x + inset)}" y1="${top}" x2="${round(place.x + place.width - inset)}" y2="${top}" stroke="#9aa5b1"/>`;
  return `${open}<rect ${box(place)} rx="8" ${colours}/>${frame}${rule}${isGroup ? '' : headOf({ box: own, ...place })}</g>`;
}

/** Over the arrows, which may cross a big box's head on their way in. */
const groupHead = (placed: PlacedBox): string =>
  `<g class="group-head" stroke-linejoin="round">${headOf(placed)}</g>`;

const CORNER = 6;

/** A line with rounded corners. */
function pathOf(points: readonly Point[]): string {
  const toward = (a: Point, b: Point): Point => {
    const length = Math.hypot(b.x - a.x, b.y - a.y);
    const step = Math.min(CORNER, length / 2) / (length || 1);
    return { x: a.x + (b.x - a.x) * step, y: a.y + (b.y - a.y) * step };
  };
  const at = ({ x, y }: Point) => `${round(x)} ${round(y)}`;
  const bends = points
    .slice(1, -1)
    .map((point, i) => `L${at(toward(point, points[i]!))}Q${at(point)} ${at(toward(point, points[i + 2]!))}`);
  return `M${at(points[0]!)}${bends.join('')}L${at(points.at(-1)!)}`;
}

function arrowHead(points: readonly Point[]): string {
  const [from, to] = [points.at(-2)!, points.at(-1)!];
  const length = Math.hypot(to.x - from.x, to.y - from.y) || 1;
  const [dx, dy] = [(to.x - from.x) / length, (to.y - from.y) / length];
  const corner = (side: number) =>
    `${round(to.x - 8 * dx - 4 * side * dy)},${round(to.y - 8 * dy + 4 * side * dx)}`;
  return `<polygon class="head" points="${round(to.x)},${round(to.y)} ${corner(1)} ${corner(-1)}" fill="#52606d"/>`;
}

/** Labels of an arrow, one below the other. */
function labelsOf(transitions: readonly Numbered[], label: Place): string {
  const middle = round(label.x + label.width / 2);
  let y = label.y + 2 - 4;
  const line = (text: string, look: string) => {
    y += LINE;
    return `<text class="${look}" x="${middle}" y="${round(y)}" text-anchor="middle" fill="${look.startsWith('does') ? MUTED : INK}">${escaped(text)}</text>`;
  };
  return transitions
    .map((one) => {
      const [first, second] = linesOf(one);
      const looks = `when${isAny(one)}`;
      return `${transitionTag(one)}${line(first!, looks)}${second === undefined ? '' : line(second, 'does')}</g>`;
    })
    .join('');
}

function edgeGroup({ arrow, points, label }: PlacedArrow): string {
  const { id, from, to, transitions } = arrow;
  const events = [...new Set(transitions.flatMap(({ on }) => (on === null ? [] : [on])))].join(' ');
  const silent = transitions.length > 0 && transitions.every(({ on }) => on === null);
  const within = from?.includes('.') || (from === null && to.includes('.')) ? ' within' : '';
  const looks = `edge${from === null ? ' initial' : silent ? ' always' : ''}${within}`;
  const dash = silent ? ' stroke-dasharray="5 4"' : '';
  const plate = label
    ? `<rect class="plate" ${box(label)} rx="3" fill="${within ? '#f5f7fa' : '#fff'}"/>`
    : '';
  return `<g class="${looks}" data-edge-id="${escaped(id)}" data-source="${escaped(from ?? '')}" data-target="${escaped(to)}" data-event="${escaped(events)}"><path d="${pathOf(points)}" fill="none" stroke="#52606d"${dash}/>${arrowHead(points)}${plate}${label ? labelsOf(transitions, label) : ''}</g>`;
}

/** One line of text a group, so that a change of a machine shows as a change of its lines. */
export function chartSvg(chart: Chart, layout: ChartLayout, summary: string): string {
  const { width, height, boxes, dots, arrows } = layout;
  const id = `statechart-${chart.name}`;
  const dot = (place: Place) =>
    `<circle class="dot" cx="${round(place.x + place.width / 2)}" cy="${round(place.y + place.height / 2)}" r="${place.width / 2}" fill="#52606d"/>`;
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" class="statechart" data-machine="${escaped(chart.name)}" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-labelledby="${id}-title ${id}-desc" font-family="Helvetica, Arial, 'DejaVu Sans', sans-serif" font-size="${TEXT_SIZE}">`,
    `<title id="${id}-title">Statechart of the ${escaped(chart.name)}</title>`,
    `<desc id="${id}-desc">${escaped(summary)}</desc>`,
    `<style>${CHART_STYLE}\n</style>`,
    `<rect class="paper" width="${width}" height="${height}" fill="#fff"/>`,
    ...boxes.map((one) => stateGroup(chart.name, one)),
    ...dots.map(dot),
    ...arrows.map(edgeGroup),
    ...boxes.filter(({ box: { state } }) => state.kind === 'compound').map(groupHead),
    '</svg>',
  ].join('\n')}\n`;
}
