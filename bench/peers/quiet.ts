/**
 * Who else was computing while something was measured? Threads that wait for each other (torch's) suffer far more from a busy
 * machine than independent workers do, so figures taken on one flatter this project: the share of the CPU that went to others is
 * told beside the tables.
 */
import { cpus } from 'node:os';
import { z } from 'zod';
import type { Peers } from './process.js';

/** CPU seconds so far. */
export interface CpuTimes {
  /** Of the whole machine: all cores, busy and in total. */
  readonly busy: number;
  readonly total: number;
  /** Of this benchmark: Node with its threads, Python with its. */
  readonly own: number;
}

/** A figure is disturbed where others took more of the machine than this. */
export const DISTURBED = 0.1;

export async function cpuTimes(peers: Pick<Peers, 'has' | 'call'>): Promise<CpuTimes> {
  const python = peers.has('lean')
    ? (await peers.call('cpu', {}, z.object({ seconds: z.number() }))).seconds
    : 0;
  const { user, system } = process.cpuUsage();
  let busy = 0;
  let idle = 0;
  for (const { times } of cpus()) {
    busy += (times.user + times.nice + times.sys + times.irq) / 1000;
    idle += times.idle / 1000;
  }
  return { busy, total: busy + idle, own: (user + system) / 1e6 + python };
}

/** Share of the machine that others took in between. */
export function shareOfOthers(before: CpuTimes, after: CpuTimes): number {
  const total = after.total - before.total;
  const others = after.busy - before.busy - (after.own - before.own);
  return total > 0 ? Math.max(0, Math.min(1, others / total)) : 0;
}

export interface Watch {
  /** Does the work, and notes what others took meanwhile. */
  watched<T>(work: () => Promise<T>): Promise<T>;
  /** Shares, one for each watched work. */
  readonly shares: readonly number[];
}

export function createWatch(peers: Pick<Peers, 'has' | 'call'>): Watch {
  const shares: number[] = [];
  return {
    shares,
    async watched(work) {
      const before = await cpuTimes(peers);
      const result = await work();
      shares.push(shareOfOthers(before, await cpuTimes(peers)));
      return result;
    },
  };
}

/** One line: whether the machine was the benchmark's own. */
export function quietLine(shares: readonly number[]): string {
  const loud = shares.filter((share) => share > DISTURBED).length;
  const worst = `at most ${(100 * Math.max(0, ...shares)).toFixed(0)} % of the CPU went to other processes`;
  return loud === 0
    ? `quiet machine: ${worst}`
    : `DISTURBED: during ${loud} of ${shares.length} measures other processes took over ${100 * DISTURBED} % of the CPU (${worst}); torch suffers more from that than this project: measure again on a quiet machine`;
}
