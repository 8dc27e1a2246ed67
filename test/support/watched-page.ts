/** A page under watch: what it asks for from elsewhere, what goes wrong in it, and what axe finds. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { AxeResults } from 'axe-core';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { keyOf, rngOf } from '../../src/rng.js';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

export interface WatchedPage {
  readonly page: Page;
  /** Requests that leave loopback, errors of scripts, dialogs, refusals of the content policy: all should be none. */
  readonly faults: readonly string[];
}

/**
 * How many times slower scripts run, each answer of the server being late by up to LATE_MS too: what holds on a quick machine by luck
 * alone then fails.
 */
const slowness = Number(process.env.SOLILOQUY_SLOW_PAGES ?? 1);
const LATE_MS = 400;

async function slowDown(page: Page): Promise<void> {
  const session = await page.context().newCDPSession(page);
  await session.send('Emulation.setCPUThrottlingRate', { rate: slowness });
  const rng = rngOf(keyOf(1, 'late answers'));
  await page.route(/\/api\/(?!.*\/events)/, async (route) => {
    await new Promise((resolve) => setTimeout(resolve, rng.uniform() * LATE_MS));
    // A page that has gone meanwhile wants no answer.
    await route.continue().catch(() => {});
  });
}

/** An empty page in a context of its own. */
export async function watchPage(browser: Browser, options: BrowserContextOptions = {}): Promise<WatchedPage> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 720 }, ...options });
  const page = await context.newPage();
  if (slowness > 1) await slowDown(page);
  const faults: string[] = [];
  page.on('request', (request) => {
    if (!/^(http:\/\/127\.0\.0\.1:\d+\/|data:)/.test(request.url())) faults.push(request.url());
  });
  page.on('pageerror', ({ message }) => faults.push(message));
  page.on('console', (message) => {
    if (/Content.Security.Policy/i.test(message.text())) faults.push(message.text());
  });
  page.on('dialog', (dialog) => {
    faults.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  return { page, faults };
}

export async function openWatched(
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
): Promise<WatchedPage> {
  const watched = await watchPage(browser, options);
  await watched.page.goto(url);
  return watched;
}

/** Ids of rules that are broken seriously, each with the places where. */
export async function seriousFaults(page: Page): Promise<string[]> {
  // Through the debugger, which no content policy holds back.
  const { violations } = (await page.evaluate(`${axe}; axe.run()`)) as AxeResults;
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 200)).join(' | ')}`);
}
