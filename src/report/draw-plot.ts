/**
 * Owns: how a plot's specification becomes SVG: drawn by Vega without a browser. The library is heavy, so it is loaded when the
 * first plot is asked for.
 */
import type { TopLevelSpec } from 'vega-lite';
import type { Part } from './plot-style.js';

export interface PlotSpec {
  /** File name without `.svg`. */
  readonly name: string;
  readonly title: string;
  readonly spec: Part;
}

export interface Plot {
  readonly name: string;
  readonly title: string;
  readonly svg: string;
}

export async function drawSpecs(specs: readonly PlotSpec[]): Promise<Plot[]> {
  if (specs.length === 0) return [];
  const [vega, { compile }] = await Promise.all([import('vega'), import('vega-lite')]);
  const plots: Plot[] = [];
  for (const { name, title, spec } of specs) {
    const compiled = compile(spec as unknown as TopLevelSpec).spec;
    const view = new vega.View(vega.parse(compiled), { renderer: 'none' });
    plots.push({ name, title, svg: await view.toSVG() });
    view.finalize();
  }
  return plots;
}
