/**
 * One run of a sweep as a child process of this same program, in a process group of its own: a Ctrl-C on the terminal reaches
 * the sweep alone, which passes it on once. What the child says is kept in `logs/` and its last line told.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { reasonOf } from '../protocol/errors.js';
import { readManifest, runFolder } from '../store/run-folder.js';
import { packageRoot } from './package.js';
import type { Cell } from './sweep-grid.js';
import type { Before, CellState, Doing } from './sweep-runs.js';

export interface Children extends Doing {
  /** Passes a signal on to every running child. */
  signal(signal: NodeJS.Signals): void;
}

export interface ChildOptions {
  /** The sweep's folder. */
  readonly dir: string;
  /** Arguments of a new run, without its folder. */
  readonly runArguments: (cell: Cell) => readonly string[];
  readonly machinery: readonly string[];
}

/** What a child needs to be this program again. */
const MAIN = join(packageRoot(), 'dist/src/cli/main.js');

const BARE = new Set(['models', 'data', 'config.json', 'messages.jsonl']);

/** A run that was ended before its first message left a folder of nothing: it is made anew. */
function beforeOf(path: string): Before {
  if (!existsSync(path) || readdirSync(path).length === 0) return 'missing';
  if (!existsSync(join(path, 'manifest.json'))) {
    const { log } = runFolder(path);
    const said = existsSync(log) && statSync(log).size > 0;
    if (said || readdirSync(path).some((name) => !BARE.has(name))) return 'unfinished';
    rmSync(path, { recursive: true });
    return 'missing';
  }
  return readManifest(path).status === 'finished' ? 'finished' : 'unfinished';
}

/** The way a failure is told by failure.ts, without its prefix. */
const reasonIn = (lines: readonly string[]): string =>
  lines.findLast((line) => /^(soliloquy|error): /.test(line))?.replace(/^(soliloquy|error): /, '') ??
  lines.at(-1) ??
  'it said nothing';

function endOf(
  code: number | null,
  signal: string | null,
  before: Before,
  lines: readonly string[],
  path: string,
): CellState {
  if (code === 0) return { state: 'finished' };
  if (code === 130 || signal === 'SIGINT' || signal === 'SIGTERM') return { state: 'stopped' };
  const why = code === null ? `killed by ${signal}` : reasonIn(lines);
  const reason =
    before === 'unfinished' ? `${path} can't be resumed (${why}); remove it to run it from the start` : why;
  return { state: 'failed', reason };
}

export function childProcesses({ dir, runArguments, machinery }: ChildOptions): Children {
  const running = new Set<ChildProcess>();
  const logs = join(dir, 'logs');
  mkdirSync(logs, { recursive: true });

  const start: Doing['start'] = (cell, before, onNote) =>
    new Promise((resolve) => {
      const path = join(dir, cell.name);
      const args = before === 'missing' ? ['run', ...runArguments(cell), '--out', path] : ['resume', path];
      const log = openSync(join(logs, `${cell.name}.log`), 'a');
      const child = spawn(process.execPath, [MAIN, ...args, ...machinery], {
        stdio: ['ignore', log, 'pipe'],
        detached: true,
      });
      running.add(child);
      const lines: string[] = [];
      createInterface({ input: child.stderr! }).on('line', (line) => {
        writeSync(log, `${line}\n`);
        lines.push(line);
        if (lines.length > 20) lines.shift();
        onNote(line.trim());
      });
      const settle = (state: CellState) => {
        if (!running.delete(child)) return;
        closeSync(log);
        resolve(state);
      };
      child.on('error', (error) => settle({ state: 'failed', reason: reasonOf(error) }));
      child.on('close', (code, signal) => settle(endOf(code, signal, before, lines, path)));
    });

  return {
    before: ({ name }) => beforeOf(join(dir, name)),
    start,
    signal: (signal) => {
      for (const child of running) child.kill(signal);
    },
  };
}
