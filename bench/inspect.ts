/**
 * `npm run bench -- --inspect`: what watching costs a live run. The default run alone, with `--inspect` and a reader of its events,
 * and with the page open in Debian's chromium on this same machine, in turn. The browser runs before the run begins, as a
 * researcher's does; its page opens as soon as there is an address. The time is the log's own: first message to last. Then what
 * opening a long log takes (inspect-long.ts).
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { get, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { packageRoot } from '../src/cli/package.js';
import { readLog } from '../src/log/reader.js';
import { SoliloquyError } from '../src/protocol/errors.js';
import { runFolder } from '../src/store/run-folder.js';
import { CHROMIUM, measureOpening } from './inspect-long.js';
import type { BenchOptions } from './options.js';
import { machineLine } from './own.js';
import { median, range, tableOf } from './report.js';

const ROUNDS = 5;

type Way = 'alone' | 'events' | 'page';
/** Begins watching; the returned function ends it. */
type Watch = (url: string) => Promise<() => Promise<void> | void>;
/** What is there before the run begins. */
type Prepare = () => Promise<Watch>;

const readEvents: Watch = (url) =>
  new Promise((resolve, reject) => {
    const { origin } = new URL(url);
    fetch(`${origin}/api/runs`)
      .then((answer) => answer.json())
      .then((said) => {
        const { home } = said as { home: string };
        const asked = get(`${origin}/api/runs/${home}/events`, (response: IncomingMessage) => {
          response.resume();
          resolve(() => void asked.destroy());
        });
        asked.on('error', () => undefined);
      })
      .catch(reject);
  });

const readingEvents: Prepare = async () => readEvents;

const openingPage: Prepare = async () => {
  const { chromium } = await import('playwright-core');
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] });
  const page = await browser.newPage({ viewport: { width: 1280, height: 720 } });
  return async (url) => {
    await page.goto(url);
    return () => browser.close();
  };
};

/** Seconds from the log's first message to its last. */
async function secondsIn(out: string): Promise<number> {
  let first: number | null = null;
  let last = 0;
  for await (const { at } of readLog(runFolder(out).log)) {
    first ??= at;
    last = at;
  }
  return (last - (first ?? last)) / 1000;
}

const lines = (child: ChildProcess, of: 'stdout' | 'stderr', said: (line: string) => void) =>
  createInterface({ input: child[of]! }).on('line', said);

async function ran(out: string, workers: number, small: boolean, prepare: Prepare | null): Promise<number> {
  const watch = await prepare?.();
  const main = join(packageRoot(), 'dist/src/cli/main.js');
  const flags = ['--out', out, '--workers', String(workers), '--json', '--quiet'];
  const child = spawn(process.execPath, [
    ...[main, 'run', ...flags, ...(small ? ['--quick'] : [])],
    ...(watch ? ['--inspect', '--no-open'] : []),
  ]);
  let end: Promise<(() => Promise<void> | void) | undefined> = Promise.resolve(undefined);
  lines(child, 'stderr', (line) => {
    const [url] = /http:\/\/127\.0\.0\.1:\d+\/#token=\S+/.exec(line) ?? [];
    if (url && watch) end = watch(url);
  });
  const closed = new Promise((resolve) => child.once('close', resolve));
  await new Promise<void>((resolve, reject) => {
    lines(child, 'stdout', (line) => {
      if (line.includes('"event":"ended"')) resolve();
    });
    child.once('close', () => reject(new SoliloquyError('worker.failed', 'the run ended without a word')));
  });
  await (await end)?.();
  child.kill('SIGINT');
  await closed;
  return secondsIn(out);
}

const PREPARE: { readonly [W in Way]: Prepare | null } = {
  alone: null,
  events: readingEvents,
  page: openingPage,
};

export async function measureInspect(options: BenchOptions): Promise<object> {
  const { quick, workers, messages, rounds = ROUNDS } = options;
  const ways: readonly Way[] = existsSync(CHROMIUM) ? ['alone', 'events', 'page'] : ['alone', 'events'];
  const under = mkdtempSync(join(tmpdir(), 'soliloquy-inspect-'));
  const seconds: Record<Way, number[]> = { alone: [], events: [], page: [] };
  try {
    for (let round = 0; round < rounds; round++) {
      process.stderr.write(`  round ${round + 1} of ${rounds}\n`);
      for (const way of ways)
        seconds[way].push(await ran(join(under, `${way}-${round}`), workers, quick, PREPARE[way]));
    }
  } finally {
    rmSync(under, { recursive: true, force: true });
  }
  const cost = (way: Way) => seconds[way].map((own, i) => 100 * (own / seconds.alone[i]! - 1));
  const names = {
    alone: 'alone',
    events: '--inspect, its events read',
    page: '--inspect, the page open in chromium',
  };
  process.stdout.write(`${machineLine()}, ${rounds} interleaved rounds, medians [ranges]\n`);
  const rows = ways.map((way) => [
    names[way],
    `${median(seconds[way]).toFixed(2)} s ${range(seconds[way], 2)}`,
    way === 'alone' ? '–' : `${median(cost(way)).toFixed(1)} % ${range(cost(way), 1)}`,
  ]);
  process.stdout.write(`${tableOf(['a default run', 'time', 'slower by'], rows)}\n`);
  if (ways.length < 3) process.stdout.write(`no chromium at ${CHROMIUM}: the page was not measured\n`);
  const opening = await measureOpening(messages);
  return { machine: machineLine(), seconds, opening };
}
