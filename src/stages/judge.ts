/**
 * Owns: what a judge is asked, how its words become a score, and the mean of several judgements (paper §2.2: three
 * samples averaged). A completion is all that is ever read: what the prompt or the response says is no score.
 * Invariant: an unparseable judgement is no number. It is counted, and left out of every mean.
 */
import type { Verdict } from '../protocol/messages.js';
import type { JudgeTemplate } from '../protocol/records.js';

export type UnparseableReason = 'no-marker' | 'no-score' | 'out-of-range';

const unparseable = (reason: UnparseableReason): Verdict => ({ status: 'unparseable', reason });

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

/**
 * The marker: any case, any white space where it has some, `*` and `_` before its colon (`**Score**: 4`), and no letter
 * or digit right before it (`underscore:` is no marker).
 */
function markerPattern(marker: string): RegExp {
  const spaced = marker.trim().split(/\s+/).map(escaped).join('\\s*');
  const apart = /^[\p{L}\p{N}]/u.test(marker.trim()) ? '(?<![\\p{L}\\p{N}])' : '';
  return new RegExp(apart + spaced.replace(/:$/, '[\\s*_]*:'), 'giu');
}

/** White space, Markdown and opening brackets that may stand between marker and score. */
const DECORATION = '^[\\s*_`"\'([<]*';
/**
 * A decimal number, then perhaps the scale it is on. `3-4`, `4,5`, `4.5.1` and `4th` are no number. The minus sign is
 * read so that −1 is seen as out of range.
 */
const NUMBER = new RegExp(
  `(${DECORATION})([-−+]?(?:\\d+(?:\\.\\d+)?|\\.\\d+))(?![\\p{L}\\p{N}]|[.,_]\\d|[ \\t]*[-–][ \\t]*\\d)(?:[ \\t]*(?:/|out[ \\t]+of)[ \\t]*(\\d+(?:\\.\\d+)?))?`,
  'iu',
);
/** Nothing but punctuation to the end of the line. */
const LINE_END = /^[ \t.*_`"')\]>]*(?:\r?\n|$)/;

function lastMarker(
  completion: string,
  template: Pick<JudgeTemplate, 'verdict'>,
): RegExpExecArray | undefined {
  return [...completion.matchAll(markerPattern(template.verdict.marker))].at(-1);
}

/**
 * The score that stands after the last marker of the completion. Decimals count; `4/5` is 4 on a scale that ends at 5,
 * `4/10` is out of range. A last marker without a score makes the judgement unparseable, whatever stood before.
 */
export function parseVerdict(completion: string, template: Pick<JudgeTemplate, 'verdict'>): Verdict {
  const marker = lastMarker(completion, template);
  if (!marker) return unparseable('no-marker');
  const rest = completion.slice(marker.index + marker[0].length);
  const { words, min, max } = template.verdict;
  const score = words ? wordScore(rest, words) : numberScore(rest, max);
  if (score === undefined) return unparseable('no-score');
  return score >= min && score <= max ? { status: 'score', score } : unparseable('out-of-range');
}

/** A number on a later line than the marker must stand alone there: `Score:\n1. The answer …` is a list, no grade. */
function numberScore(rest: string, max: number): number | undefined {
  const found = NUMBER.exec(rest);
  if (!found) return undefined;
  const [whole, gap, number, scale] = found;
  if (gap!.includes('\n') && !LINE_END.test(rest.slice(whole.length))) return undefined;
  if (scale !== undefined && Number(scale) !== max) return Number.NaN; // another scale: within no bounds
  return Number(number!.replace('−', '-'));
}

/** The longest of the words that stands at the beginning. */
function wordIn(rest: string, words: Readonly<Record<string, number>>): string | undefined {
  const after = rest.replace(new RegExp(DECORATION), '').toLowerCase();
  return Object.keys(words)
    .filter((word) => after.startsWith(word.toLowerCase()))
    .filter((word) => !/^[\p{L}\p{N}]/u.test(after.slice(word.length)))
    .sort((a, b) => b.length - a.length)[0];
}

function wordScore(rest: string, words: Readonly<Record<string, number>>): number | undefined {
  const written = wordIn(rest, words);
  return written === undefined ? undefined : words[written];
}

/** Where a verdict stands in a completion: indices of UTF-16 units, the end exclusive. */
export interface VerdictPlace {
  readonly marker: readonly [number, number];
  /** Null where nothing that can be read as a score follows. */
  readonly score: readonly [number, number] | null;
}

/** The place that `parseVerdict` reads; null where there is no marker. */
export function verdictPlace(completion: string, template: JudgeTemplate): VerdictPlace | null {
  const found = lastMarker(completion, template);
  if (!found) return null;
  const end = found.index + found[0].length;
  const rest = completion.slice(end);
  const { words, max } = template.verdict;
  const gap = new RegExp(DECORATION).exec(rest)?.[0].length ?? 0;
  const length = words ? wordIn(rest, words)?.length : lengthOfNumber(rest, max);
  return {
    marker: [found.index, end],
    score: length === undefined ? null : [end + gap, end + gap + length],
  };
}

function lengthOfNumber(rest: string, max: number): number | undefined {
  const found = numberScore(rest, max) === undefined ? null : NUMBER.exec(rest);
  return found ? found[0].length - found[1]!.length : undefined;
}

/** What the judge wrote before its score line; the whole completion where it wrote none. */
export function justificationOf(completion: string, template: JudgeTemplate): string {
  const marker = lastMarker(completion, template);
  const before = marker ? completion.slice(0, marker.index) : completion;
  return before.replace(/[\s*_#]+$/, '').trimStart();
}

export interface MeanScore {
  /** Null where no judgement could be read. */
  readonly score: number | null;
  readonly valid: number;
  readonly unparseable: number;
}

/** Mean of the judgements that are scores. Sum in the order given: give them in the order of their ids. */
export function meanScore(verdicts: readonly Verdict[]): MeanScore {
  const scores = verdicts.flatMap((verdict) => (verdict.status === 'score' ? [verdict.score] : []));
  const sum = scores.reduce((total, score) => total + score, 0);
  return {
    score: scores.length === 0 ? null : sum / scores.length,
    valid: scores.length,
    unparseable: verdicts.length - scores.length,
  };
}
