/**
 * Owns: how every page of ours looks: light and dark by what the reader's system says, and on paper. Plots are drawn for a
 * light page; here their ink follows the page.
 */
const DARK = `
  --paper: #14181d; --raised: #1c2229; --ink: #e4e9ee; --muted: #9aa7b4; --line: #35404b; --accent: #6cb6ff; --good: #58c08a;
  --warn: #e8a33d; --bad: #f0806f;`;

export const PAGE_STYLE = `
:root { color-scheme: light dark; --paper: #ffffff; --raised: #f6f8fa; --ink: #1c2329; --muted: #57636f; --line: #d5dce3;
  --accent: #0b62b0; --good: #1b7a49; --warn: #96600a; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root {${DARK} } }
* { box-sizing: border-box; }
body { font: 15px/1.55 system-ui, "Segoe UI", "Helvetica Neue", Arial, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 1080px; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
a { color: var(--accent); } h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .4rem; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2.8rem 0 .7rem; padding-top: .9rem; border-top: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.7rem 0 .4rem; } p { margin: .5rem 0; max-width: 76ch; }
.small { color: var(--muted); font-size: 13px; } .status { font-weight: 600; }
.status.finished { color: var(--good); } .status.failed { color: var(--bad); } .status.stopped, .status.unfinished { color: var(--warn); }
nav { margin: 1rem 0; font-size: 14px; display: flex; flex-wrap: wrap; gap: .3rem 1.1rem; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: .8rem; margin: 1.3rem 0; padding: 0; }
.tile { background: var(--raised); border: 1px solid var(--line); border-radius: 8px; padding: .7rem .9rem; }
.tile b { display: block; font-size: 1.25rem; white-space: nowrap; font-variant-numeric: tabular-nums; line-height: 1.3; }
.tile span { display: block; font-size: 12.5px; color: var(--muted); }
.wide { overflow-x: auto; margin: .4rem 0 1rem; }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }
caption { text-align: left; white-space: nowrap; font-weight: 600; padding: .2rem .7rem .4rem 0; }
th, td { text-align: right; padding: .28rem .75rem .28rem 0; vertical-align: top; white-space: nowrap; }
thead td, th { border-bottom: 1px solid var(--muted); } th { font-weight: 600; color: var(--muted); } th.text, td.text { text-align: left; }
td.text { white-space: normal; overflow-wrap: break-word; max-width: 34em; }
tr.new td { border-top: 1px solid var(--line); }
.notes { padding-left: 1.2rem; } .notes li { margin: .25rem 0; }
.mind { border-left: 4px solid var(--warn); background: var(--raised); padding: .5rem 1rem; border-radius: 0 6px 6px 0; margin: 1rem 0; }
figure { margin: 1rem 0 1.4rem; } figcaption { font-size: 13px; color: var(--muted); } svg { max-width: 100%; height: auto; }
pre, code { font: 12.5px/1.5 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: var(--raised); border: 1px solid var(--line); border-radius: 6px; padding: .7rem .9rem; margin: .4rem 0; }
code { overflow-wrap: anywhere; }
.example { border: 1px solid var(--line); border-radius: 8px; padding: .3rem 1rem .7rem; margin: 1rem 0; }
.example dl { display: grid; grid-template-columns: max-content 1fr; gap: .35rem 1rem; margin: .4rem 0; font-size: 14px; }
.example dt { color: var(--muted); } .example dd { margin: 0; min-width: 0; white-space: pre-wrap; overflow-wrap: anywhere; unicode-bidi: isolate; }
.example h3 { margin-top: .6rem; } .hashes dd { font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: 12.5px; }
.facts { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1.2rem; margin: .6rem 0; }
.facts dt { color: var(--muted); } .facts dd { margin: 0; overflow-wrap: anywhere; min-width: 0; }
.plot svg > rect:first-child, .plot .background { fill: none; } .plot .role-axis-grid line { stroke: var(--line); }
.plot .role-axis-label text, .plot .role-axis-title text, .plot .role-legend-label text, .plot .role-title-text text, .plot .role-title-subtitle text, .plot .role-legend-title text, .plot .role-column-title text { fill: var(--ink); }
.plot .role-axis-domain line, .plot .role-axis-tick line { stroke: var(--muted); } .plot path.background[stroke="#CCCCCC" i] { stroke: var(--line); }
.plot [stroke="#000000"], .plot [stroke="#222222"] { stroke: var(--ink); } .plot [fill="#000000"] { fill: var(--ink); }
.lineage text { fill: var(--ink); font: 12px system-ui, "Segoe UI", Arial, sans-serif; } .lineage .name { font-weight: 600; font-size: 14px; } .lineage .soft { fill: var(--muted); }
.lineage rect { fill: var(--raised); stroke: var(--muted); } .lineage path { fill: none; stroke: var(--muted); stroke-width: 1.4; } .lineage polygon { fill: var(--muted); }
@media print { :root { --paper: #fff; --raised: #fff; --ink: #000; --muted: #444; --line: #bbb; } body { max-width: none; padding: 0; font-size: 11pt; }
  nav { display: none; } figure, .example, tr, .tile { break-inside: avoid; } h2, h3, caption { break-after: avoid; } a { color: inherit; } }`;
