/**
 * Draws a terminal's text as SVG, for the README: node docs/picture.mjs <run.txt >docs/run.svg
 * The text is what `npm start` printed on standard output; nothing is added.
 */
import { readFileSync } from 'node:fs';

const FONT = 13;
const LINE = 17;
const ADVANCE = 7.83;
const PAD = 18;

const lines = readFileSync(0, 'utf8').replace(/\s+$/, '').split('\n');
const escaped = (text) =>
  text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;').replace(/ /g, '\u00a0');
const width = Math.ceil(Math.max(...lines.map((line) => [...line].length)) * ADVANCE + 2 * PAD);
const height = lines.length * LINE + 2 * PAD;
const isTitle = (line) => /^[A-Z]/.test(line);
const rows = lines.map((line, i) => {
  const y = PAD + (i + 0.75) * LINE;
  const text = line.trimStart();
  const x = PAD + ([...line].length - [...text].length) * ADVANCE;
  return `<text x="${x}" y="${y}"${isTitle(line) ? ' class="title"' : ''}>${escaped(text)}</text>`;
});
process.stdout.write(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}">
<title>What npm start printed at its end</title>
<style>text{font:${FONT}px "DejaVu Sans Mono",Menlo,Consolas,monospace;fill:#d6deeb;white-space:pre}.title{fill:#7fdbca;font-weight:bold}</style>
<rect width="100%" height="100%" rx="8" fill="#0f1b2a"/>
${rows.join('\n')}
</svg>
`);
