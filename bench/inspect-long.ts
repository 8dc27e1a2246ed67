/**
 * What the inspector takes for a long log: the first opening, which makes the index, and every later one: until the server answers,
 * until the page shows the last message, a seek, a search. Each once: these are waits of a person, not rates.
 */
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createHouse } from '../src/cli/inspector-house.js';
import { pageFolder } from '../src/cli/package.js';
import { startInspector } from '../src/inspector/server.js';
import { runFolder } from '../src/store/run-folder.js';
import { recordLong } from './log.js';

export const CHROMIUM = process.env.SOLILOQUY_CHROMIUM ?? '/usr/bin/chromium';

const say = (text: string) => process.stdout.write(`${text}\n`);

async function timed<T>(act: () => Promise<T>): Promise<{ readonly seconds: number; readonly value: T }> {
  const began = performance.now();
  const value = await act();
  return { seconds: (performance.now() - began) / 1000, value };
}

const answer = async <T>(url: string): Promise<T> => (await (await fetch(url)).json()) as T;

interface Opened {
  readonly origin: string;
  close(): Promise<void>;
}

async function open(run: string): Promise<Opened> {
  const house = createHouse({ run });
  house.open(house.home);
  const { url, close } = await startInspector({ house, page: pageFolder(), port: 0 });
  return {
    origin: new URL(url).origin,
    async close() {
      await close();
      house.close();
    },
  };
}

/** Polls until the answer holds. */
async function until<T>(url: string, holds: (value: T) => boolean): Promise<void> {
  while (!holds(await answer<T>(url))) await new Promise((resolve) => setTimeout(resolve, 50));
}

interface Head {
  readonly count: number;
  readonly progress: { readonly indexed: number; readonly stated: number };
}

/** Seconds until chromium shows the last row of the script, and a seek to the middle on the stage. */
async function inBrowser(origin: string, count: number) {
  if (!existsSync(CHROMIUM)) return null;
  const { chromium } = await import('playwright-core');
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] });
  try {
    const page = await browser.newPage({ viewport: { width: 1280, height: 720 } });
    const opening = await timed(async () => {
      await page.goto(`${origin}/long/script`);
      await page
        .getByText(String(count - 1), { exact: true })
        .first()
        .waitFor();
    });
    return opening.seconds;
  } finally {
    await browser.close();
  }
}

export async function measureOpening(wanted: number): Promise<object> {
  const under = mkdtempSync(join(tmpdir(), 'soliloquy-inspect-long-'));
  const run = join(under, 'long');
  try {
    const { messages } = await recordLong(wanted, run);
    const api = (origin: string, part: string) => `${origin}/api/runs/long/${part}`;
    process.stderr.write('  opening it for the first time\n');
    const first = await timed(async () => {
      const opened = await open(run);
      const isRead = ({ count, progress }: Head) => count === messages && progress.stated === 1;
      await until<Head>(api(opened.origin, 'head'), isRead);
      await opened.close();
    });
    const again = await timed(async () => {
      const opened = await open(run);
      await answer(api(opened.origin, 'head'));
      return opened;
    });
    const { origin, close } = again.value;
    const page = await inBrowser(origin, messages);
    const seek = await timed(() => answer(api(origin, `moment?seq=${messages >> 1}`)));
    const context = await timed(() => answer(api(origin, `context?address=judge&seq=${messages >> 1}`)));
    const search = await timed(() =>
      until<{ searched: number; of: number }>(
        api(origin, 'messages?text=no%20such%20text&count=1'),
        ({ searched, of }) => searched === of,
      ),
    );
    await close();
    const size = Math.round(statSync(runFolder(run).log).size / 2 ** 20);
    const figures = { messages, first, again, page, seek, context, search };
    say(`a log of ${messages} messages, ${size} MB`);
    say(`  opened for the first time, index and all states   ${first.seconds.toFixed(1)} s`);
    say(`  opened again: the server answers after            ${again.seconds.toFixed(2)} s`);
    if (page !== null) say(`  the page shows the last message after             ${page.toFixed(2)} s`);
    say(`  everybody's state in the midst of it              ${seek.seconds.toFixed(2)} s`);
    say(`  what the judge holds there                        ${context.seconds.toFixed(2)} s`);
    say(`  a text that is nowhere, searched                  ${search.seconds.toFixed(1)} s`);
    return Object.fromEntries(
      Object.entries(figures).map(([name, one]) => [
        name,
        one !== null && typeof one === 'object' ? one.seconds : one,
      ]),
    );
  } finally {
    rmSync(under, { recursive: true, force: true });
  }
}
