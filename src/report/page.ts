/**
 * Owns: the frame of every page of ours and its parts: sections, tables, figures, texts of models. A page is one file: no script, no
 * request, nothing but text where a model or a person wrote it.
 */
import type { TableData } from './comparison-tables.js';
import type { Plot } from './draw-plot.js';
import { escaped } from './html.js';
import { PAGE_STYLE } from './page-style.js';

export interface Section {
  /** What a link names. */
  readonly id: string;
  readonly title: string;
  readonly html: string;
}

export interface PageParts {
  /** Of the window; plain text. */
  readonly title: string;
  /** What stands above the sections, as HTML. */
  readonly head: string;
  readonly sections: readonly Section[];
}

const TEXT_SHOWN = 1500;
const CELL_SHOWN = 160;

/** At most so many characters; what was left out is said. */
export function shortened(text: string, most: number = TEXT_SHOWN): string {
  if (text.length <= most) return text;
  const kept = text.slice(0, most).replace(/[\ud800-\udbff]$/, '');
  return `${kept} … (${text.length.toLocaleString('en')} characters, the first ${most.toLocaleString('en')} are shown)`;
}

/** What a model wrote, as text; empty is said. */
export const modelText = (text: string): string =>
  text === '' ? '<i>(empty)</i>' : `<bdi>${escaped(shortened(text))}</bdi>`;

export function tableHtml({ title, head, rows, text }: TableData): string {
  const look = (i: number) => (text.includes(i) ? ' class="text"' : '');
  const cell = (words: string, i: number) => `<td${look(i)}>${escaped(shortened(words, CELL_SHOWN))}</td>`;
  /** A column without a name has no header: a reader's voice would say "empty". */
  const header = (words: string, i: number) =>
    words === '' ? '<td></td>' : `<th scope="col"${look(i)}>${escaped(words)}</th>`;
  const body = rows.map(
    (row, i) => `<tr${i > 0 && row[0] !== '' ? ' class="new"' : ''}>${row.map(cell).join('')}</tr>`,
  );
  const caption = title === '' ? '' : `<caption>${escaped(title)}</caption>`;
  return `<div class="wide"><table>${caption}<thead><tr>${head.map(header).join('')}</tr></thead><tbody>
${body.join('\n')}
</tbody></table></div>`;
}

/** Names inside an SVG (clip paths) are made the plot's own: several stand on one page. */
const ownIds = ({ name, svg }: Plot): string =>
  svg
    .replace(/\bid="([\w-]+)"/g, `id="${name}-$1"`)
    .replace(/url\(#([\w-]+)\)/g, `url(#${name}-$1)`)
    .replace(/(xlink:)?href="#([\w-]+)"/g, `href="#${name}-$2"`);

export const figureHtml = (plot: Plot): string =>
  `<figure class="plot" role="img" aria-label="${escaped(plot.title)}">${ownIds(plot)}</figure>`;

export const listHtml = (lines: readonly string[]): string =>
  `<ul class="notes">${lines.map((line) => `<li>${escaped(shortened(line))}</li>`).join('')}</ul>`;

/** What a reader must not overlook. */
export const mindHtml = (lines: readonly string[]): string =>
  lines.length === 0 ? '' : `<div class="mind"><b>Mind</b>${listHtml(lines)}</div>`;

export const factsHtml = (facts: readonly (readonly [string, string])[], look = ''): string =>
  `<dl class="facts${look}">${facts.map(([name, value]) => `<dt>${escaped(name)}</dt><dd>${escaped(shortened(value))}</dd>`).join('')}</dl>`;

export function pageHtml({ title, head, sections }: PageParts): string {
  const shown = sections.filter(({ html }) => html !== '');
  const links = shown.map((section) => `<a href="#${section.id}">${escaped(section.title)}</a>`);
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escaped(title)}</title><style>${PAGE_STYLE}</style></head><body>
<header>${head}
${links.length > 2 ? `<nav aria-label="Sections">${links.join('')}</nav>` : ''}</header>
<main>
${shown.map(({ id, title: name, html }) => `<section id="${id}"><h2>${escaped(name)}</h2>\n${html}\n</section>`).join('\n')}
</main></body></html>
`;
}
