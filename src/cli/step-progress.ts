/**
 * Progress of one training for people, on standard error: one living line on a terminal, a plain line now and then
 * elsewhere. The time left is that of the steps left at the mean pace since the first step: what came before it (reading,
 * compiling) does not come again.
 */
import type { WriteStream } from 'node:tty';
import type { TrainStep } from '../protocol/lm.js';
import type { Clock } from '../protocol/ports.js';

type Out = Pick<WriteStream, 'write'> & { readonly isTTY?: boolean; readonly columns?: number };

const LIVE_EVERY_MS = 100;
const PLAIN_EVERY_MS = 15_000;

const clockText = (ms: number): string => {
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
};

export interface StepProgress {
  show(step: TrainStep): void;
  /** Leaves the terminal's line clean. */
  end(): void;
}

export function stepProgress(out: Out, { now }: Clock): StepProgress {
  let first: { readonly step: number; readonly at: number } | undefined;
  let shownAt = Number.NEGATIVE_INFINITY;
  const line = ({ step, steps, loss, accuracy, gradNorm }: TrainStep): string => {
    first ??= { step, at: now() };
    const elapsed = now() - first.at;
    const pace = elapsed / (step - first.step);
    const left = step === first.step ? '' : `, about ${clockText(pace * (steps - step))} left`;
    const right = accuracy === undefined ? '' : `, pairs right ${(100 * accuracy).toFixed(0)} %`;
    return `step ${step}/${steps}  loss ${loss.toFixed(4)}${right}, gradient ${gradNorm.toFixed(2)}  (${clockText(elapsed)}${left})`;
  };
  return {
    show(step) {
      const due = now() - shownAt >= (out.isTTY ? LIVE_EVERY_MS : PLAIN_EVERY_MS) || step.step === step.steps;
      if (!due) return;
      shownAt = now();
      if (out.isTTY) out.write(`\r\x1b[2K${line(step).slice(0, (out.columns ?? 100) - 1)}`);
      else out.write(`${line(step)}\n`);
    },
    end() {
      if (out.isTTY) out.write('\r\x1b[2K');
    },
  };
}

export const silentProgress: StepProgress = { show: () => undefined, end: () => undefined };
