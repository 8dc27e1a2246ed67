/**
 * One statechart as SVG, lit up: the state that is active, the arrows that were taken, episodes in each state. The drawing is our
 * server's, of our own machines; no text of a model is in it. What the classes and attributes mean: src/report/statechart-svg.ts.
 */
import { useLayoutEffect, useRef } from 'preact/hooks';
import type { RoleMoment } from '../moments.js';
import { isFlowing } from './live.js';

/** `working.collecting` lights up `working` too. */
const isWithin = (state: string, id: string): boolean => state === id || state.startsWith(`${id}.`);

export interface DrawingProps {
  readonly svg: string;
  readonly at: RoleMoment | null;
  /** Numbers of the transitions that its last message took; null: not known, arrows are lit by their two ends and the message. */
  readonly taken: readonly number[] | null;
  /** Of the episode's chart: how many are in each state. */
  readonly counts?: Readonly<Record<string, number>>;
  /** A small one beside its words: nothing for those who can't see it. */
  readonly isSmall: boolean;
  /** Of the drawing as it is, 1 is its natural size. */
  readonly scale?: number;
}

const SVG = 'http://www.w3.org/2000/svg';

function lightStates(root: Element, state: string): void {
  for (const one of root.querySelectorAll('.state'))
    one.classList.toggle('active', isWithin(state, one.getAttribute('data-state-id') ?? '-'));
}

/** All transitions between two states are one arrow, so that its ends and the message name it, whatever the guard said. */
function isLikely(arrow: Element, at: RoleMoment | null): boolean {
  return (
    isWithin(at?.before ?? '', arrow.getAttribute('data-source') ?? '-') &&
    isWithin(at?.state ?? '', arrow.getAttribute('data-target') ?? '-') &&
    (arrow.getAttribute('data-event') ?? '').split(' ').includes(at?.event ?? '-')
  );
}

function firedIn(root: Element, { at, taken }: DrawingProps): Element[] {
  if (taken === null) return [...root.querySelectorAll('.edge')].filter((arrow) => isLikely(arrow, at));
  const lines = taken.flatMap((number) => [...root.querySelectorAll(`[data-transition="${number}"]`)]);
  const arrows = lines.flatMap((line) => line.closest('.edge') ?? []);
  return [...new Set([...lines, ...arrows])];
}

const isCalm = (): boolean => isFlowing.peek() || matchMedia('(prefers-reduced-motion: reduce)').matches;

/** Light runs along an arrow once. */
function run(arrow: Element): void {
  const path = arrow.querySelector<SVGPathElement>(':scope > path');
  if (!path || isCalm()) return;
  const length = path.getTotalLength();
  path.animate(
    [
      { strokeDasharray: `0 ${length}`, strokeWidth: '5' },
      { strokeDasharray: `${length} 0`, strokeWidth: '2.5' },
    ],
    { duration: 350, easing: 'ease-out' },
  );
}

function badge(group: Element, count: number): void {
  const rect = group.querySelector('rect');
  if (!rect) return;
  const [x, y, width] = ['x', 'y', 'width'].map((name) => Number(rect.getAttribute(name)));
  const text = document.createElementNS(SVG, 'text');
  text.textContent = count.toLocaleString('en');
  const wide = 14 + 8 * text.textContent.length;
  const plate = document.createElementNS(SVG, 'rect');
  const place = { x: x! + width! - wide + 8, y: y! - 9, width: wide, height: 20, rx: 10 };
  for (const [name, value] of Object.entries(place)) plate.setAttribute(name, String(value));
  text.setAttribute('x', String(place.x + wide / 2));
  text.setAttribute('y', String(place.y + 14.5));
  const whole = document.createElementNS(SVG, 'g');
  whole.setAttribute('class', 'episode-count');
  whole.append(plate, text);
  group.append(whole);
}

function count(root: Element, counts: Readonly<Record<string, number>>): void {
  for (const old of root.querySelectorAll('.episode-count')) old.remove();
  for (const [state, many] of Object.entries(counts)) {
    const group = root.querySelector(`[data-state-id="${CSS.escape(state)}"]`);
    if (group) badge(group, many);
  }
}

/** Twice on a page, its ids would be too; a small one has none. */
const withoutNames = (svg: string): string => svg.replaceAll(/ (?:id|role|aria-labelledby)="[^"]*"/g, '');

function sized(box: Element, scale: number): void {
  const svg = box.querySelector('svg');
  if (!svg) return;
  const { width, height } = svg.viewBox.baseVal;
  svg.setAttribute('width', String(Math.round(width * scale)));
  svg.setAttribute('height', String(Math.round(height * scale)));
}

export function Drawing(props: DrawingProps) {
  const { svg, at, taken, counts, isSmall, scale = 1 } = props;
  const box = useRef<HTMLDivElement>(null);
  const shown = useRef<number | null>(null);
  useLayoutEffect(() => {
    box.current!.innerHTML = isSmall ? withoutNames(svg) : svg;
  }, [svg, isSmall]);
  useLayoutEffect(() => {
    sized(box.current!, scale);
  }, [svg, isSmall, scale]);
  useLayoutEffect(() => {
    lightStates(box.current!, at?.state ?? '');
    const fired = firedIn(box.current!, props);
    for (const old of box.current!.querySelectorAll('.fired'))
      if (!fired.includes(old)) old.classList.remove('fired');
    for (const one of fired) one.classList.add('fired');
    if (shown.current !== (at?.seq ?? null)) fired.forEach(run);
    if (fired.length > 0) shown.current = at?.seq ?? null;
  }, [svg, at?.state, at?.seq, taken]);
  useLayoutEffect(() => {
    count(box.current!, counts ?? {});
  }, [svg, counts]);
  return <div ref={box} class="drawing" {...(isSmall ? { 'aria-hidden': true } : {})} />;
}
