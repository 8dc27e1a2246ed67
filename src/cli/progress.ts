/**
 * Progress for people, on standard error: one living line on a terminal, a plain line now and then elsewhere. The estimate
 * of the time left weighs the stages by the sequences they sample or train, and learns their pace as it goes.
 */
import type { WriteStream } from 'node:tty';
import { type Progress, progress, START } from '../../actors/streams.js';
import type { Run } from '../../actors/system.js';
import type { Config } from '../protocol/config.js';
import type { Clock } from '../protocol/ports.js';

/** A stage of the run and its weight. */
interface Part {
  readonly phase: string;
  readonly weight: number;
}

/** A trained sequence costs about so many sampled ones. */
const TRAINED = 1.5;
/** Share of the asks that pass the filters, for want of knowing. */
const NEW = 0.45;

export function partsOf(config: Config): Part[] {
  const { world, invent, respond, judge, evaluate, sft, dpo, iterations, eft } = config;
  const k = evaluate.judgeSamples;
  const measure = (version: string, against: number): Part => ({
    phase: `measuring ${version}`,
    weight: world.heldOut * (1 + k * (1 + against)) + world.probes * 4 * k,
  });
  const train = (to: string, rows: number, epochs: number): Part => ({
    phase: `training ${to}`,
    weight: rows * epochs * TRAINED,
  });
  const prompts = invent.asks * NEW;
  const parts = [
    measure('M0', 0),
    train('SFT', world.demonstrations, sft.epochs),
    measure('SFT', 1),
    train('M1', world.demonstrations + (eft ? world.evaluations : 0), sft.epochs),
    measure('M1', 1),
  ];
  if (eft && world.name !== 'microworld') parts.splice(3, 0, { phase: 'making EFT', weight: world.heldOut });
  for (let t = 1; t <= iterations; t++)
    parts.push(
      { phase: `iteration ${t}`, weight: invent.asks + prompts * respond.candidates * (1 + judge.samples) },
      train(`M${t + 1}`, prompts * 2, dpo.epochs),
      measure(`M${t + 1}`, 2),
    );
  return parts;
}

/** Share of the whole that is done. */
export function shareDone(
  parts: readonly Part[],
  { phase, closed, asks, step, steps }: Progress,
  measured: number,
): number {
  if (phase === 'finished') return 1;
  const at = parts.findIndex((part) => part.phase === phase);
  if (at < 0) return 0;
  const total = parts.reduce((sum, { weight }) => sum + weight, 0);
  const before = parts.slice(0, at).reduce((sum, { weight }) => sum + weight, 0);
  const within = phase.startsWith('measuring')
    ? measured
    : phase.startsWith('training')
      ? step / (steps || 1)
      : closed / (asks || 1);
  return (before + parts[at]!.weight * Math.min(1, within)) / total;
}

const clock = (seconds: number): string =>
  `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, '0')}`;

function detail(p: Progress): string {
  if (p.phase.startsWith('iteration'))
    return `${p.invented}/${p.asks} prompts, ${p.judgements} judgements, ${p.pairs} pairs`;
  if (p.phase.startsWith('training') && p.loss !== null)
    return `step ${p.step}/${p.steps}, loss ${p.loss.toFixed(3)}`;
  return '';
}

/** Where a line goes; a terminal can take it back. */
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
  let state: Progress | undefined = from === START ? undefined : from;
  let measured = 0;
  let shownAt = 0;
  let shownPhase = '';

  const line = (p: Progress): string => {
    const share = shareDone(parts, p, measured);
    const elapsed = (now() - began) / 1000;
    const gained = share - shareBefore;
    const left = gained > 0.02 ? `, about ${clock((elapsed / gained) * (1 - share))} left` : '';
    const scores = detail(p);
    return `${String(Math.round(100 * share)).padStart(3)} %  ${p.phase}${scores ? `: ${scores}` : ''}  (${clock(elapsed)}${left})`;
  };
  const show = () => {
    if (!state) return;
    const due = now() - shownAt >= (out.isTTY ? LIVE_EVERY_MS : PLAIN_EVERY_MS) || state.phase !== shownPhase;
    if (!due) return;
    shownAt = now();
    shownPhase = state.phase;
    if (out.isTTY) out.write(`\r\x1b[2K${line(state).slice(0, (out.columns ?? 100) - 1)}`);
    else out.write(`${line(state)}\n`);
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
    if (out.isTTY) out.write('\r\x1b[2K');
  };
}
