/**
 * Owns: a comparison as one HTML page that needs no other file: what stands on it and in which order. How it looks: page.ts.
 */
import type { Comparison } from './comparison.js';
import { legend, tablesOf } from './comparison-tables.js';
import type { Plot } from './draw-plot.js';
import { escaped } from './html.js';
import { figureHtml, mindHtml, pageHtml, tableHtml } from './page.js';
import { partingsText } from './partings-text.js';

export function comparisonPage(comparison: Comparison, plots: readonly Plot[]): string {
  const { arms, runs, notes, partings, world } = comparison;
  const [armTable, runTable, ...numbers] = tablesOf(comparison);
  const parting = partingsText(partings);
  return pageHtml({
    title: `Soliloquy: ${arms.length} arm(s), ${runs.length} run(s)`,
    head: `<h1>${arms.map(({ id, label }) => escaped(`${id}: ${label}`)).join('<br>')}</h1>
<p class="small">${escaped(world)}; ${escaped(legend(comparison))}</p>
${mindHtml(notes)}`,
    sections: [
      { id: 'plots', title: 'Plots', html: plots.map(figureHtml).join('\n') },
      { id: 'tables', title: 'Tables', html: numbers.map(tableHtml).join('\n') },
      {
        id: 'partings',
        title: 'Where they part',
        html: parting === '' ? '' : `<pre>${escaped(parting)}</pre>`,
      },
      { id: 'runs', title: 'What was compared', html: [armTable!, runTable!].map(tableHtml).join('\n') },
    ],
  });
}
