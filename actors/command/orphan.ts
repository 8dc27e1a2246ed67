/**
 * The command of a run that died without ending it: found by the pid and the starting time that stand in process.json, and ended
 * before the same job is begun again, so that two never write to one folder.
 */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { signalGroup } from '../../src/players/command-process.js';
import { SoliloquyError } from '../../src/protocol/errors.js';
import { writeAtomic } from '../../src/store/files.js';
import { isRunning, startOf } from '../../src/store/lock.js';

const schema = z.object({ pid: z.number().int().min(2), started: z.string().nullable() });
type Noted = z.output<typeof schema>;

const fileOf = (dir: string) => join(dir, 'process.json');

export const noteProcess = (dir: string, pid: number): void =>
  writeAtomic(fileOf(dir), JSON.stringify({ pid, started: startOf(pid) } satisfies Noted));

export const forgetProcess = (dir: string): void => rmSync(fileOf(dir), { force: true });

function noted(dir: string): Noted | null {
  if (!existsSync(fileOf(dir))) return null;
  const parsed = schema.safeParse(JSON.parse(readFileSync(fileOf(dir), 'utf8')));
  return parsed.success ? parsed.data : null;
}

const POLL_MS = 50;

/** Where the system can't tell whether it is the same process, nothing is ended: `trainer.failed` says what to look for. */
export async function endOrphan(dir: string, graceMs: number): Promise<void> {
  const found = noted(dir);
  if (found && isRunning(found)) {
    const { pid, started } = found;
    if (started === null)
      throw new SoliloquyError('trainer.failed', `process ${pid} may be this job's command, still running`, {
        pid,
        fix: `end it if it is; then, or if it is another program, remove ${fileOf(dir)}`,
      });
    const lives = () => isRunning(found);
    signalGroup(pid, 'SIGTERM');
    for (let waited = 0; lives() && waited < graceMs; waited += POLL_MS) await sleep(POLL_MS);
    if (lives()) signalGroup(pid, 'SIGKILL');
    while (lives()) await sleep(POLL_MS);
  }
  forgetProcess(dir);
}
