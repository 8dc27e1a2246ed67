/** The drawing of a statechart: nothing of the machine is missing, nothing lies on another, and no text is markup. */
import { describe, expect, it } from 'vitest';
import { type MachineName, machines } from '../../actors/machines.js';
import { type ChartDescription, chartOf } from '../../src/report/statechart.js';
import { layoutChart, type Place } from '../../src/report/statechart-layout.js';
import { chartSvg } from '../../src/report/statechart-svg.js';
import { checkTags } from './markup.js';

const names = Object.keys(machines) as MachineName[];
const attributes = (svg: string, name: string): string[] =>
  [...svg.matchAll(new RegExp(` ${name}="([^"]*)"`, 'g'))].map(([, value]) => value!);
const overlap = (a: Place, b: Place): boolean =>
  a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;

describe.each(names)('the drawing of the %s', (name) => {
  const description = machines[name].describe();
  const drawn = machines[name].svg();

  it('has every state once, by its dot path', async () => {
    const svg = await drawn;
    checkTags(svg);
    const states = attributes(svg, 'data-state-id');
    expect([...states].sort()).toEqual(description.states.map((state) => state.name).sort());
    expect(attributes(svg, 'class')[0]).toBe('statechart');
  });

  it('has every transition once, with its message, and ends that are states', async () => {
    const svg = await drawn;
    const numbers = attributes(svg, 'data-transition').map(Number);
    expect(numbers.sort((a, b) => a - b)).toEqual(description.transitions.map((_, i) => i));
    for (const [i, { from, on, to, guard }] of description.transitions.entries()) {
      const tag = new RegExp(`<g class="transition[^>]*data-transition="${i}"[^>]*>`).exec(svg)![0];
      expect(attributes(tag, 'data-source')).toEqual([from]);
      expect(attributes(tag, 'data-target')).toEqual([to ?? from]);
      expect(attributes(tag, 'data-event')).toEqual([on ?? '']);
      expect(attributes(tag, 'data-guard')).toEqual(guard === null ? [] : [guard]);
    }
  });

  it('lets no label lie on another, or on a state that holds no others', async () => {
    const { boxes, arrows, width, height } = await layoutChart(chartOf(description));
    const labels = arrows.flatMap(({ label }) => (label ? [label] : []));
    const leaves = boxes.filter(({ box }) => box.children.length === 0);
    for (const [i, label] of labels.entries()) {
      for (const other of [...labels.slice(i + 1), ...leaves]) expect(overlap(label, other)).toBe(false);
      expect(label.x >= 0 && label.y >= 0 && label.x + label.width <= width).toBe(true);
      expect(label.y + label.height <= height).toBe(true);
    }
    for (const [i, leaf] of leaves.entries())
      for (const other of leaves.slice(i + 1)) expect(overlap(leaf, other)).toBe(false);
  });
});

describe('a chart', () => {
  const state = (name: string, kind: 'atomic' | 'final' = 'atomic') =>
    ({ name, parent: null, kind, initial: null, entry: [] }) as const;
  const hostile: ChartDescription = {
    name: 'x"><script>alert(1)</script>',
    initial: 'a&b',
    states: [state('a&b'), state('</svg>', 'final')],
    transitions: [
      { from: 'a&b', on: 'one', guard: '<i>', to: '</svg>', actions: [] },
      { from: 'a&b', on: 'two', guard: null, to: '</svg>', actions: ['"act"'] },
      { from: 'a&b', on: null, guard: null, to: 'a&b', actions: ['again'] },
      { from: 'a&b', on: '*', guard: null, to: null, actions: ['hold'] },
    ],
  };

  it('shows one arrow with two labels where two messages lead the same way', () => {
    const { arrows, boxes } = chartOf(hostile);
    expect(arrows.map(({ from, transitions }) => [from, transitions.length])).toEqual([
      [null, 0],
      ['a&b', 2],
      ['a&b', 1],
    ]);
    expect(boxes[0]!.inner.map(({ on }) => on)).toEqual(['*']);
  });

  it('is text wherever a name looks like markup, and lists all messages of an arrow', async () => {
    const chart = chartOf(hostile);
    const svg = chartSvg(chart, await layoutChart(chart), 'a </desc> & more');
    checkTags(svg);
    expect(svg).not.toMatch(/<script|<i>|<\/desc> &/);
    expect(svg).toContain('data-event="one two"');
    expect(svg).toContain('stroke-dasharray');
    expect(svg).toContain('any other message');
    expect(svg.match(/<\/svg>/g)).toHaveLength(1);
  });
});
