/**
 * Owns: how the examples of a run's report are shown: what each says, and how `soliloquy why` is asked for the rest of it.
 */
import type { BodyOf, Verdict } from '../protocol/messages.js';
import { meanScore } from '../stages/judge.js';
import { escaped } from './html.js';
import { modelText, shortened } from './page.js';
import {
  type Disagreement,
  type Examples,
  gapOf,
  type JudgedAnswer,
  marginOf,
  type Said,
  type Unreadable,
  type WithheldExample,
  worstDisagreements,
} from './report-examples.js';

interface Card {
  /** What an address names. */
  readonly id: string;
  readonly title: string;
  /** Names and what stands beside them, which is HTML already. */
  readonly rows: readonly (readonly [string, string])[];
  readonly seq: number;
  /** Asked of `soliloquy why`. */
  readonly why: string;
}

const two = (value: number): string => (Number.isInteger(value) ? String(value) : value.toFixed(2));

const verdictText = (verdict: Verdict): string =>
  verdict.status === 'score' ? two(verdict.score) : `unreadable (${shortened(verdict.reason, 80)})`;

/** `4.33 of 4, 5, 4` */
function scoresText(verdicts: readonly Verdict[]): string {
  if (verdicts.length === 0) return 'not judged: empty, or as another answer, or the run ended before';
  const { score } = meanScore(verdicts);
  return `${score === null ? 'no score' : two(score)} of ${verdicts.map(verdictText).join(', ')}`;
}

function cardHtml({ id, title, rows, seq, why }: Card, run: string): string {
  const shown = rows.map(([name, html]) => `<dt>${escaped(name)}</dt><dd>${html}</dd>`).join('');
  return `<article class="example" id="${escaped(id)}"><h3>${escaped(title)}</h3><dl>${shown}</dl>
<p class="small">seq ${seq}: <code>npx soliloquy why ${escaped(run)} ${escaped(why)}</code></p></article>`;
}

const pairCards = ({ pairs }: Examples): Card[] =>
  [...pairs].map(([iteration, { seq, body }]) => ({
    id: `example-pair-${iteration}`,
    title: `Iteration ${iteration}, the pair with the largest margin: ${two(marginOf(body))} points`,
    rows: [
      ['prompt', modelText(body.prompt)],
      [`chosen, ${two(body.chosen.score)}`, modelText(body.chosen.text)],
      [`rejected, ${two(body.rejected.score)}`, modelText(body.rejected.text)],
    ],
    seq,
    why: `pair:${body.id}`,
  }));

const disagreementCard = (one: Disagreement): Card => ({
  id: `example-disagreement-${one.version}-${gapOf(one) > 0 ? 'flattered' : 'slighted'}`,
  title: `Judge against truth: of ${one.version}, the answer that the judge thinks far too ${gapOf(one) > 0 ? 'much' : 'little'} of`,
  rows: [
    ['prompt', modelText(one.prompt)],
    ['answer', modelText(one.text)],
    ['judge', two(one.self)],
    ['truth', two(one.truth)],
  ],
  seq: one.seq,
  why: `seq:${one.seq}`,
});

const REASONS: Readonly<Record<string, string>> = {
  tie: 'every answer has the same score',
  unparseable: 'fewer than two answers have a score that can be read',
  'too-few': 'fewer than two answers that can be judged',
  failed: 'a request failed for good',
  filtered: 'the prompt did not pass the filters',
};

const answerRow = ({ id, text, verdicts }: JudgedAnswer): [string, string] => [
  id,
  `${modelText(text)}<br><span class="small">${escaped(scoresText(verdicts))}</span>`,
];

const withheldCard = (reason: string, one: WithheldExample): Card => ({
  id: `example-${reason}`,
  title: `No pair: ${reason} – ${REASONS[reason] ?? ''}`,
  rows: [
    ...(one.prompt === null ? [] : [['prompt', modelText(one.prompt)] as const]),
    ...(one.detail === '' ? [] : [['why', escaped(shortened(one.detail))] as const]),
    ...one.answers.map(answerRow),
  ],
  seq: one.seq,
  why: `pair:${one.episode}`,
});

const FILTERS: Readonly<Record<string, string>> = {
  empty: 'nothing was written',
  'too-short': 'too few words',
  'too-long': 'too many words',
  keyword: 'it asks for what a text model can’t do',
  duplicate: 'it is known already',
  'held-out': 'it is a held-out prompt',
  similar: 'too like a known prompt',
};

const filteredCard = (reason: string, { seq, body }: Said<BodyOf<'prompt.filtered'>>): Card => ({
  id: `example-filtered-${reason}`,
  title: `Filtered: ${reason} – ${FILTERS[reason] ?? ''}`,
  rows: [
    ['prompt', modelText(body.prompt)],
    ...(body.detail === '' ? [] : [['detail', escaped(shortened(body.detail))] as const]),
  ],
  seq,
  why: `pair:${body.episode}`,
});

const unreadableCard = ({ seq, id, player, reason, text }: Unreadable): Card => ({
  id: 'example-unreadable',
  title: `A judgement that can’t be read, by the player “${shortened(player, 60)}”`,
  rows: [
    ['raw text', text === null ? '(a scorer gave no text)' : modelText(text)],
    ['why', escaped(shortened(reason))],
  ],
  seq,
  why: `judgement:${id}`,
});

/** '' where there is nothing to show. */
export function examplesHtml(examples: Examples, run: string): string {
  const { withheld, filtered, unreadable } = examples;
  const cards = [
    ...pairCards(examples),
    ...worstDisagreements(examples).map(disagreementCard),
    ...[...withheld]
      .filter(([reason]) => reason !== 'filtered')
      .map(([reason, one]) => withheldCard(reason, one)),
    ...[...filtered].map(([reason, one]) => filteredCard(reason, one)),
    ...(unreadable ? [unreadableCard(unreadable)] : []),
  ];
  return cards.map((card) => cardHtml(card, run)).join('\n');
}
