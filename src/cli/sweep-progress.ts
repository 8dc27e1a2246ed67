/**
 * A sweep's progress on standard error: on a terminal one living line for each running run, elsewhere a plain line whenever a
 * run begins or ends.
 */
import type { WriteStream } from 'node:tty';
import type { Clock } from '../protocol/ports.js';
import type { Cell } from './sweep-grid.js';
import type { CellState } from './sweep-runs.js';

type Out = Pick<WriteStream, 'write'> & {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
};

const EVERY_MS = 100;

export interface SweepProgress {
  changed(cell: Cell, state: CellState): void;
  end(): void;
}

const clock = (ms: number): string =>
  `${Math.floor(ms / 60_000)}:${String(Math.floor(ms / 1000) % 60).padStart(2, '0')}`;

export function showSweep(cells: readonly Cell[], out: Out, { now }: Clock): SweepProgress {
  const running = new Map<Cell, string>();
  const began = new Map<Cell, number>();
  const width = Math.max(...cells.map(({ name }) => name.length));
  let over = 0;
  let drawn = 0;
  let shownAt = 0;

  const erase = () => {
    if (drawn > 0) out.write(`\x1b[${drawn}A\x1b[J`);
    drawn = 0;
  };
  const draw = () => {
    // A pseudo-terminal without a size says 0.
    const columns = (out.columns || 100) - 1;
    const shown = [...running].slice(0, Math.max(1, (out.rows || 24) - 2));
    erase();
    for (const [{ name }, note] of shown)
      out.write(`${`  ${name.padEnd(width)}  ${note}`.slice(0, columns)}\n`);
    drawn = shown.length;
    shownAt = now();
  };
  /** A line that stays. */
  const say = (cell: Cell, text: string) => {
    if (out.isTTY) erase();
    const count = `[${String(over).padStart(String(cells.length).length)}/${cells.length}]`;
    out.write(`${count} ${cell.name.padEnd(width)}  ${text}\n`);
    if (out.isTTY) draw();
  };
  const took = (cell: Cell) => clock(now() - (began.get(cell) ?? now()));

  return {
    changed(cell, state) {
      if (state.state === 'running') {
        const isNew = !running.has(cell);
        running.set(cell, state.note);
        if (isNew) began.set(cell, now());
        if (!out.isTTY) {
          if (isNew) say(cell, state.note);
        } else if (isNew || now() - shownAt >= EVERY_MS) draw();
        return;
      }
      running.delete(cell);
      if (state.state !== 'stopped') over++;
      if (state.state === 'skipped') say(cell, 'finished before');
      else if (state.state === 'finished') say(cell, `finished in ${took(cell)}`);
      else if (state.state === 'stopped') say(cell, `stopped after ${took(cell)}`);
      else if (state.state === 'failed') say(cell, `failed: ${state.reason}`);
    },
    end: erase,
  };
}
