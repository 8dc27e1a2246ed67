/**
 * Owns: where everything of a statechart stands: boxes, arrows and labels with coordinates, in pixels from the drawing's upper left
 * corner. ELK's layered algorithm places them; the same chart always gets the same places. Knows no colours.
 *
 * Widths of texts are estimated for a wide sans-serif (a drawing is laid out where no font can be asked), so a label has room to
 * spare and never too little.
 */
import type { ElkExtendedEdge, ElkNode, ElkPoint } from 'elkjs/lib/elk-api.js';
import {
  type Arrow,
  type Box,
  type Chart,
  doesText,
  dotOf,
  type Numbered,
  parentOf,
  whenText,
} from './statechart.js';

export const TITLE_SIZE = 13;
export const TEXT_SIZE = 11;
/** Height of a line of text, of a box's title, and of one transition's label. */
export const LINE = 15;
export const TITLE_HEIGHT = 30;
const PADDING = 12;
const DOT = 12;
const HISTORY = 24;
const LABEL_PADDING = 5;

export interface Point {
  readonly x: number;
  readonly y: number;
}
export interface Place extends Point {
  readonly width: number;
  readonly height: number;
}

export interface PlacedArrow {
  readonly arrow: Arrow;
  readonly points: readonly Point[];
  /** Of all its labels together, one below the other; null: it has none. */
  readonly label: Place | null;
}

export interface ChartLayout {
  readonly width: number;
  readonly height: number;
  /** Outer boxes before the boxes in them. */
  readonly boxes: readonly (Place & { readonly box: Box })[];
  readonly dots: readonly Place[];
  readonly arrows: readonly PlacedArrow[];
}

const NARROW = /[ijlftrI.,:;'|()[\]/ ]/;
const WIDE = /[mwMWA-Z@%]/;

/** Estimated width in pixels. */
export function textWidth(text: string, size: number): number {
  let ems = 0;
  for (const char of text) ems += NARROW.test(char) ? 0.4 : WIDE.test(char) ? 0.86 : 0.64;
  return Math.ceil(ems * size);
}

/** A transition as its lines: what it waits for, and what it does. */
export const linesOf = (transition: Numbered): readonly string[] =>
  [whenText(transition), doesText(transition)].filter((line) => line !== '');

/** On one line, as it stands in a box. */
export const innerText = (transition: Numbered): string => linesOf(transition).join(' ');

const widest = (lines: readonly string[]): number =>
  Math.max(0, ...lines.map((line) => textWidth(line, TEXT_SIZE)));

function labelSize(transitions: readonly Numbered[]): { width: number; height: number } {
  const lines = transitions.flatMap(linesOf);
  return { width: widest(lines) + 2 * LABEL_PADDING, height: lines.length * LINE + 4 };
}

const entryLine = ({ state }: Box): string[] =>
  state.entry.length > 0 ? [`entry / ${state.entry.join(', ')}`] : [];

/** The lines under a box's title. */
export const boxLines = (box: Box): readonly string[] => [...entryLine(box), ...box.inner.map(innerText)];

const headHeight = (box: Box): number => {
  const lines = boxLines(box).length;
  return TITLE_HEIGHT + (lines > 0 ? lines * LINE + 8 : 0);
};

const LAYERED = {
  'elk.algorithm': 'layered',
  'elk.direction': 'DOWN',
  'elk.edgeRouting': 'ORTHOGONAL',
  'elk.spacing.nodeNode': '28',
  'elk.spacing.edgeNode': '18',
  'elk.spacing.edgeEdge': '14',
  'elk.spacing.edgeLabel': '4',
  'elk.layered.spacing.nodeNodeBetweenLayers': '26',
  'elk.layered.spacing.edgeNodeBetweenLayers': '14',
  'elk.layered.spacing.edgeEdgeBetweenLayers': '12',
  'elk.layered.nodePlacement.strategy': 'NETWORK_SIMPLEX',
  // From the initial state downwards, as the machine lists its states.
  'elk.layered.cycleBreaking.strategy': 'DEPTH_FIRST',
  'elk.spacing.nodeSelfLoop': '16',
};

function elkBox(box: Box): ElkNode {
  const { state, title, children } = box;
  if (state.kind === 'history') return { id: state.name, width: HISTORY, height: HISTORY };
  const width = Math.max(80, textWidth(title, TITLE_SIZE) + 2 * PADDING, widest(boxLines(box)) + 2 * PADDING);
  const height = headHeight(box);
  if (children.length === 0) return { id: state.name, width, height };
  return {
    id: state.name,
    layoutOptions: {
      ...LAYERED,
      'elk.padding': `[top=${height + 6},left=${PADDING + 6},bottom=${PADDING + 6},right=${PADDING + 6}]`,
      'elk.nodeSize.constraints': 'MINIMUM_SIZE',
      'elk.nodeSize.minimum': `(${width},${height})`,
    },
    children: [{ id: dotOf(state.name), width: DOT, height: DOT }, ...children.map(elkBox)],
  };
}

const elkArrow = ({ id, from, to, transitions }: Arrow): ElkExtendedEdge => ({
  id,
  sources: [from ?? dotOf(parentOf(to))],
  targets: [to],
  labels:
    transitions.length === 0
      ? []
      : [
          {
            text: id,
            ...labelSize(transitions),
            layoutOptions: { 'elk.edgeLabels.inline': 'true', 'elk.edgeLabels.placement': 'CENTER' },
          },
        ],
});

const placeOf = ({ x = 0, y = 0, width = 0, height = 0 }: Partial<Place>): Place => ({ x, y, width, height });

/** An arrow from a box into itself begins under the box's own lines. */
function belowHead(points: readonly Point[], box: Box, { y }: Point): readonly Point[] {
  const [first, second, ...rest] = points;
  const start = y + headHeight(box);
  return second!.y > start && first!.y < start ? [{ x: first!.x, y: start }, second!, ...rest] : points;
}

function placedArrow(arrow: Arrow, edge: ElkExtendedEdge): PlacedArrow {
  const section = edge.sections![0]!;
  const points: ElkPoint[] = [section.startPoint, ...(section.bendPoints ?? []), section.endPoint];
  const label = edge.labels?.[0];
  return { arrow, points: points.map(({ x, y }) => ({ x, y })), label: label ? placeOf(label) : null };
}

const nodesUnder = ({ children = [] }: ElkNode): ElkNode[] =>
  children.flatMap((child) => [child, ...nodesUnder(child)]);

const boxesUnder = (boxes: readonly Box[]): Box[] =>
  boxes.flatMap((box) => [box, ...boxesUnder(box.children)]);

export async function layoutChart(chart: Chart): Promise<ChartLayout> {
  const { default: Elk } = await import('elkjs');
  const graph: ElkNode = {
    id: chart.name,
    layoutOptions: {
      ...LAYERED,
      'elk.hierarchyHandling': 'INCLUDE_CHILDREN',
      'elk.padding': '[top=16,left=16,bottom=16,right=16]',
      'json.edgeCoords': 'ROOT',
      'json.shapeCoords': 'ROOT',
      'elk.randomSeed': '1',
    },
    children: [{ id: dotOf(null), width: DOT, height: DOT }, ...chart.boxes.map(elkBox)],
    edges: chart.arrows.map(elkArrow),
  };
  const root: ElkNode = await new Elk.default().layout(graph);
  const nodes = new Map(nodesUnder(root).map((node) => [node.id, node]));
  const edges = new Map(root.edges!.map((edge) => [edge.id, edge]));
  const dots = [...nodes.values()].filter(({ id }) => id.endsWith(dotOf(null)));
  const boxes = boxesUnder(chart.boxes).map((box) => ({ box, ...placeOf(nodes.get(box.state.name)!) }));
  const begun = (placed: PlacedArrow): PlacedArrow => {
    const { from, to } = placed.arrow;
    const outer = boxes.find(({ box }) => box.state.name === from);
    return outer && to.startsWith(`${from}.`)
      ? { ...placed, points: belowHead(placed.points, outer.box, outer) }
      : placed;
  };
  return {
    width: Math.ceil(root.width!),
    height: Math.ceil(root.height!),
    boxes,
    dots: dots.map(placeOf),
    arrows: chart.arrows.map((arrow) => begun(placedArrow(arrow, edges.get(arrow.id) as ElkExtendedEdge))),
  };
}
