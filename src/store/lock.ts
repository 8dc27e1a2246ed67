/**
 * One writer a run: a file that names the process that writes. A dead process keeps nothing: its lock is taken over. Alive is who
 * has the pid and, where the system tells (Linux), started when the lock says: pids are given again.
 */
import { closeSync, linkSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { z } from 'zod';
import { SoliloquyError } from '../protocol/errors.js';

const schema = z.object({ pid: z.number().int(), started: z.string().nullable(), host: z.string() });
type Owner = z.output<typeof schema>;

/** When a process started, in the system's own words; null where it doesn't say. */
export function startOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // Fields 3 and 22; the second, the name, may hold anything in its parentheses.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    // A zombie is dead, though nobody has taken note of it.
    return fields[0] === 'Z' ? 'never' : (fields[19] ?? null);
  } catch {
    return null;
  }
}

const isAlive = ({ host, ...process }: Owner): boolean => host !== hostname() || isRunning(process); // of another machine it can't be known from here

/** Whether the process still runs: the pid, and where both are known the time at which it started. */
export function isRunning({ pid, started }: Pick<Owner, 'pid' | 'started'>): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
  }
  return started === null || startOf(pid) === started;
}

function ownerOf(file: string): Owner | null {
  try {
    return schema.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch {
    return null; // gone, or torn by a crash in mid-write
  }
}

export interface Lock {
  release(): void;
}

/** Takes the lock, or throws `run.locked`. */
export function takeLock(file: string, run: string): Lock {
  const mine = `${file}.${process.pid}`;
  const fd = openSync(mine, 'w');
  writeFileSync(fd, JSON.stringify({ pid: process.pid, started: startOf(process.pid), host: hostname() }));
  closeSync(fd);
  try {
    for (let tries = 0; ; tries++) {
      try {
        linkSync(mine, file); // a name that exists already is refused: one of two wins
        return { release: () => rmSync(file, { force: true }) };
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
        const owner = ownerOf(file);
        if ((owner && isAlive(owner)) || tries > 2) throw locked(run, file, owner);
        rmSync(file, { force: true });
      }
    }
  } finally {
    rmSync(mine, { force: true });
  }
}

const locked = (run: string, file: string, owner: Owner | null) =>
  new SoliloquyError(
    'run.locked',
    `${run} is being written by process ${owner?.pid ?? '?'} on ${owner?.host ?? '?'}`,
    {
      file,
      pid: owner?.pid ?? null,
      fix: `wait for it or stop it; if no such process runs there, remove ${file}`,
    },
  );
