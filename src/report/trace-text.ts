/**
 * A trace as a person reads it: an indented tree, each line with its seq and who said it to whom. Texts are quoted as JSON
 * strings, so that no control character reaches the terminal; long ones and long hashes are cut unless all is asked for.
 */
import type { Fact, Line, Trace } from './trace.js';

export interface TextOptions {
  /** Show everything whole. */
  readonly full: boolean;
}

const MOST_TEXT = 160;
const MOST_PARTS = 40;
const HASH = /^[0-9a-f]{64}$/;

/** As a JSON string, with what JSON leaves in and a terminal or a reader may obey escaped too: C1, separators, bidi. */
export const quoted = (text: string): string =>
  JSON.stringify(text).replace(
    /[\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );

function textOf(text: string, { full }: TextOptions): string {
  if (full || text.length <= MOST_TEXT) return quoted(text);
  return `${quoted(text.slice(0, MOST_TEXT))} … ${text.length - MOST_TEXT} characters more (--full)`;
}

function factText(value: Fact, options: TextOptions): string {
  const { full } = options;
  if (value === null) return '–';
  if (typeof value === 'string') return !full && HASH.test(value) ? value.slice(0, 16) : plain(value);
  if (typeof value === 'object') return `[${value.map((one) => factText(one, options)).join(', ')}]`;
  if (typeof value === 'number' && !full && !Number.isInteger(value))
    return String(Number(value.toPrecision(6)));
  return String(value);
}

/** Names and our own words stand without quotes, unless there is something in them that must be escaped. */
function plain(text: string): string {
  const escaped = quoted(text);
  const inside = escaped.slice(1, -1).replaceAll('\\"', '"').replaceAll('\\\\', '\\');
  return inside === text ? text : escaped;
}

const place = ({ seq, type, from, to }: Line): string => `[seq ${seq}  ${type}  ${from} → ${to}]`;

/** A part that stands nowhere on the log and has one text at most: shown on one line. */
const isSmall = ({ line, texts = {}, notes, problem, parts = [] }: Trace): boolean =>
  line === undefined && !notes && !problem && parts.length === 0 && Object.keys(texts).length <= 1;

function nodeLines(trace: Trace, isRoot: boolean, options: TextOptions): string[] {
  const { title, line, facts = {}, texts = {}, asked, notes = [], problem } = trace;
  const shownTexts = { ...texts, ...(asked !== undefined && (isRoot || options.full) ? { asked } : {}) };
  const textLines = Object.entries(shownTexts).map(([name, text]) => `${name}: ${textOf(text, options)}`);
  const shown = Object.entries(facts).map(([name, value]) => `${name} ${factText(value, options)}`);
  if (isSmall(trace)) return [[plain(title), ...textLines, ...shown].join(' · ')];
  return [
    `${plain(title)}${line ? `  ${place(line)}` : ''}`,
    ...textLines.map((text) => `  ${text}`),
    ...(shown.length > 0 ? [`  · ${shown.join(' · ')}`] : []),
    ...notes.map((note) => `  (${plain(note)})`),
    ...(problem === undefined ? [] : [`  ! differs: ${plain(problem)}`]),
  ];
}

export function traceText(trace: Trace, options: TextOptions): string {
  const linesOf = (one: Trace, depth: number): string[] => {
    const { parts = [] } = one;
    const some = options.full ? parts : parts.slice(0, MOST_PARTS);
    const more = some.length < parts.length ? [`  … ${parts.length - some.length} more (--full)`] : [];
    return [
      ...nodeLines(one, depth === 0, options),
      ...some.flatMap((part) => linesOf(part, depth + 1)),
      ...more,
    ].map((line) => (depth === 0 ? line : `  ${line}`));
  };
  return linesOf(trace, 0).join('\n');
}
