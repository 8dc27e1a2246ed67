/**
 * Owns: a comparison as one HTML page that needs no other file: plots, tables, where runs part, notes.
 */
import type { Comparison } from './comparison.js';
import type { Plot } from './comparison-plots.js';
import { legend, type TableData, tablesOf } from './comparison-tables.js';
import { partingsText } from './partings-text.js';

const escaped = (text: string): string =>
  text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;').replace(/"/g, '&quot;');

const STYLE = `
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 1060px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .25rem .7rem; vertical-align: top; }
th { border-bottom: 1px solid #888; font-weight: 600; } th.text, td.text { text-align: left; }
tr.new td { border-top: 1px solid #ddd; }
.wide { overflow-x: auto; } .notes li { margin: .2rem 0; } figure { margin: 1.5rem 0; } svg { max-width: 100%; height: auto; }
pre { font-size: 12px; white-space: pre-wrap; overflow-wrap: anywhere; background: #f6f6f6; padding: .8rem; } .small { color: #555; font-size: 13px; }`;

function tableHtml({ title, head, rows, text }: TableData): string {
  const cells = (row: readonly string[], tag: 'th' | 'td') =>
    row
      .map((cell, i) => `<${tag}${text.includes(i) ? ' class="text"' : ''}>${escaped(cell)}</${tag}>`)
      .join('');
  const body = rows.map(
    (row, i) => `<tr${i > 0 && row[0] !== '' ? ' class="new"' : ''}>${cells(row, 'td')}</tr>`,
  );
  return `<h2>${escaped(title)}</h2>
<div class="wide"><table><thead><tr>${cells(head, 'th')}</tr></thead><tbody>
${body.join('\n')}
</tbody></table></div>`;
}

export function comparisonPage(comparison: Comparison, plots: readonly Plot[]): string {
  const { arms, runs, notes, partings, world } = comparison;
  const [armTable, runTable, ...numbers] = tablesOf(comparison);
  const figures = plots.map(
    ({ title, svg }) => `<figure role="img" aria-label="${escaped(title)}">${svg}</figure>`,
  );
  const parting = partingsText(partings);
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Soliloquy: ${arms.length} arm(s), ${runs.length} run(s)</title><style>${STYLE}</style></head><body>
<h1>${arms.map(({ id, label }) => escaped(`${id}: ${label}`)).join('<br>')}</h1>
<p class="small">${escaped(world)}; ${escaped(legend(comparison))}</p>
${notes.length > 0 ? `<h2>Mind</h2><ul class="notes">${notes.map((note) => `<li>${escaped(note)}</li>`).join('')}</ul>` : ''}
${figures.join('\n')}
${numbers.map(tableHtml).join('\n')}
${parting === '' ? '' : `<h2>Where they part</h2><pre>${escaped(parting)}</pre>`}
${[armTable!, runTable!].map(tableHtml).join('\n')}
</body></html>
`;
}
