/**
 * Progress for people, on standard error: a living panel on a terminal, one line for each role and the newest scores; a plain line
 * now and then elsewhere. The time left is that of the share that is left, at the pace so far.
 */
import type { WriteStream } from 'node:tty';
import { createLogUpdate } from 'log-update';
import colours from 'picocolors';
import { type Progress, progress, START } from '../../actors/streams.js';
import type { Run } from '../../actors/system.js';
import type { Config } from '../protocol/config.js';
import type { Clock } from '../protocol/ports.js';
import { partsOf, shareDone } from './share-done.js';

const clock = (seconds: number): string =>
  `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, '0')}`;

const whole = (value: number): string => value.toLocaleString('en');

/** In one line, what matters of the running phase. */
function detail(p: Progress): string {
  if (p.phase.startsWith('iteration'))
    return `${p.invented}/${p.asks} prompts, ${p.judgements} judgements, ${p.pairs} pairs`;
  if (p.phase.startsWith('training') && p.loss !== null)
    return `step ${p.step}/${p.steps}, loss ${p.loss.toFixed(3)}`;
  return '';
}

/** `true 4.07 · self 3.62 · judge 66.4 %`: those of the newest version that was measured. */
export function scoresText({ measured }: Progress): string {
  if (!measured) return '';
  const { metrics } = measured;
  const score = (label: string, name: string) => {
    const value = metrics[name];
    return value === null || value === undefined ? [] : [`${label} ${value.toFixed(2)}`];
  };
  const pairwise = metrics['judge.pairwise'];
  return [
    ...score('true', 'true.score'),
    ...score('self', 'self.score'),
    ...score('gap', 'gap'),
    ...(pairwise === null || pairwise === undefined ? [] : [`judge right ${(100 * pairwise).toFixed(1)} %`]),
  ].join(' · ');
}

const line = (name: string, text: string): string[] =>
  text === '' ? [] : [`  ${colours.bold(name.padEnd(10))} ${text}`];

/** What each role has done in this iteration, and the newest scores. */
function rolesText(p: Progress): string[] {
  const scored = p.judgements - p.unparseable;
  const mean = scored > 0 ? `, mean score ${(p.scoreSum / scored).toFixed(2)}` : '';
  const unread = p.unparseable > 0 ? `, ${whole(p.unparseable)} unreadable` : '';
  const none = p.closed - p.pairs - p.filtered;
  const begun = p.asks > 0;
  return [
    ...line('generator', begun ? `${whole(p.invented)} of ${whole(p.asks)} prompts, ${whole(p.filtered)} filtered out` : ''), // biome-ignore format: a table
    ...line('responder', begun ? `${whole(p.answered)} prompts answered` : ''),
    ...line('judge', begun ? `${whole(p.judgements)} judgements${unread}${mean}` : ''),
    ...line('trainer', trainerText(p, begun ? `${whole(p.pairs)} pairs, ${whole(Math.max(0, none))} prompts without` : '')), // biome-ignore format: a table
    ...line(p.measured?.version ?? '', scoresText(p)),
  ];
}

const trainerText = ({ phase, loss, step, steps }: Progress, gathered: string): string =>
  phase.startsWith('training') && loss !== null
    ? `${phase.replace('training ', '')}: step ${step} of ${steps}, loss ${loss.toFixed(3)}`
    : gathered;

const BAR = 24;
const bar = (share: number): string => {
  const full = Math.round(share * BAR);
  return `${colours.cyan('█'.repeat(full))}${colours.dim('░'.repeat(BAR - full))}`;
};

/** Where lines go; a terminal can take them back. */
type Out = Pick<WriteStream, 'write'> & { readonly isTTY?: boolean; readonly columns?: number };

const PLAIN_EVERY_MS = 15_000;
const LIVE_EVERY_MS = 100;

/** Starts showing; the returned function ends it. */
export function showProgress(
  run: Pick<Run, 'messages$' | 'measuring$'>,
  config: Config,
  out: Out,
  { now }: Clock,
  from: Progress = START,
): () => void {
  const parts = partsOf(config);
  const began = now();
  const shareBefore = shareDone(parts, from, 0);
  const panel = out.isTTY ? createLogUpdate(out as WriteStream, { showCursor: true }) : null;
  let state: Progress | undefined = from === START ? undefined : from;
  let measured = 0;
  let shownAt = 0;
  let shownPhase = '';

  const figures = (p: Progress) => {
    const share = shareDone(parts, p, measured);
    const elapsed = (now() - began) / 1000;
    const gained = share - shareBefore;
    const left = gained > 0.02 ? `, about ${clock((elapsed / gained) * (1 - share))} left` : '';
    return {
      share,
      percent: `${String(Math.round(100 * share)).padStart(3)} %`,
      time: `${clock(elapsed)}${left}`,
    };
  };
  const plain = (p: Progress): string => {
    const { percent, time } = figures(p);
    const scores = detail(p);
    return `${percent}  ${p.phase}${scores ? `: ${scores}` : ''}  (${time})`;
  };
  const living = (p: Progress): string => {
    const { share, percent, time } = figures(p);
    return [`${bar(share)} ${percent}  ${p.phase}  ${colours.dim(time)}`, ...rolesText(p)].join('\n');
  };
  const show = () => {
    if (!state) return;
    const due = now() - shownAt >= (panel ? LIVE_EVERY_MS : PLAIN_EVERY_MS) || state.phase !== shownPhase;
    if (!due) return;
    shownAt = now();
    shownPhase = state.phase;
    if (panel) panel(living(state));
    else out.write(`${plain(state)}\n`);
  };
  const subscriptions = [
    progress(run.messages$, from).subscribe((next) => {
      if (next.phase !== state?.phase) measured = 0;
      state = next;
      show();
    }),
    run.measuring$.subscribe(({ share }) => {
      measured = share;
      show();
    }),
  ];
  return () => {
    for (const subscription of subscriptions) subscription.unsubscribe();
    panel?.clear();
  };
}
