/**
 * Owns: the order in which a sweep's runs are done, so many at once, and what became of each. A run that fails stops no
 * other; a stop lets the running ones end and begins none. What a run is (a child process, in sweep-child.ts) is given.
 */
import type { Cell } from './sweep-grid.js';

export type CellState =
  | { readonly state: 'waiting' }
  | { readonly state: 'running'; readonly note: string }
  | { readonly state: 'skipped' }
  | { readonly state: 'finished' }
  | { readonly state: 'stopped' }
  | { readonly state: 'failed'; readonly reason: string };

/** What a folder holds before the sweep: nothing, a finished run, or one to go on with. */
export type Before = 'missing' | 'finished' | 'unfinished';

export interface Doing {
  before(cell: Cell): Before;
  /** Starts or goes on with a run; settles when it is over. Never rejects. */
  start(cell: Cell, before: Before, onNote: (note: string) => void): Promise<CellState>;
}

export interface Sweeping {
  readonly parallel: number;
  readonly doing: Doing;
  onChange(cell: Cell, state: CellState): void;
  /** True once no further run is to begin. */
  stopped(): boolean;
}

export async function runCells(
  cells: readonly Cell[],
  { parallel, doing, onChange, stopped }: Sweeping,
): Promise<ReadonlyMap<Cell, CellState>> {
  const states = new Map<Cell, CellState>(cells.map((cell) => [cell, { state: 'waiting' }]));
  const become = (cell: Cell, state: CellState) => {
    states.set(cell, state);
    onChange(cell, state);
  };
  const waiting = cells.flatMap((cell) => {
    const before = doing.before(cell);
    if (before !== 'finished') return [{ cell, before }];
    become(cell, { state: 'skipped' });
    return [];
  });
  const work = async (): Promise<void> => {
    for (
      let next = stopped() ? undefined : waiting.shift();
      next;
      next = stopped() ? undefined : waiting.shift()
    ) {
      const { cell, before } = next;
      become(cell, { state: 'running', note: before === 'missing' ? 'starting' : 'going on' });
      become(cell, await doing.start(cell, before, (note) => become(cell, { state: 'running', note })));
    }
  };
  await Promise.all(Array.from({ length: parallel }, work));
  return states;
}
