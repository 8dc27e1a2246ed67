/** The Compare view in a real browser: two runs side by side, where they first part, and every number of both. */
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { BodyOf } from '../../src/protocol/messages.js';
import { hasBrowser, startBrowser } from '../support/browser.js';
import { HACKED, HOSTILE, type Inspected, inspectRuns } from '../support/inspected-runs.js';
import { openWatched, seriousFaults, type WatchedPage } from '../support/watched-page.js';

/** What is shown grows with what was read of both logs. */
const ends = { timeout: 30_000 };

let runs: Inspected;
let browser: Browser;
const opened: WatchedPage[] = [];

async function open(run: string, other: string, options = {}): Promise<Page> {
  const query = other === '' ? '' : `?with=${encodeURIComponent(other)}`;
  const watched = await openWatched(
    browser,
    runs.url(`/${encodeURIComponent(run)}/compare${query}`),
    options,
  );
  opened.push(watched);
  if (other !== '') {
    await watched.page.locator('.compared').waitFor();
    await watched.page.locator('.logs').waitFor();
  }
  return watched.page;
}

const valueIn = (log: Inspected['one'], version: string, name: string) => {
  const made = log.findLast(
    ({ type, body }) => type === 'evaluation.made' && (body as BodyOf<'evaluation.made'>).version === version,
  )!;
  const { metrics } = made.body as BodyOf<'evaluation.made'>;
  return { seq: made.seq, value: metrics.find((metric) => metric.name === name)!.value! };
};

describe.skipIf(!hasBrowser)('the Compare view (skipped where there is no chromium)', () => {
  beforeAll(async () => {
    runs = await inspectRuns();
    browser = await startBrowser();
  });
  afterEach(async () => {
    expect(opened.splice(0).flatMap(({ faults }) => faults)).toEqual([]);
    for (const context of browser.contexts()) await context.close();
  });
  afterAll(async () => {
    await browser?.close();
    await runs?.close();
  });

  it('takes the second run from those beside, and puts it into the address', async () => {
    const page = await open('one', '');
    await page.getByLabel('with').selectOption('fork');
    await page.locator('.logs').waitFor();
    await page.waitForURL(runs.url('/one/compare?with=fork'));
    await page.getByRole('link', { name: 'Swap the two' }).click();
    await page.waitForURL(runs.url('/fork/compare?with=one'));
    await page.locator('[data-log="fork"].run-a').waitFor();
  });

  it('marks the first message that differs in both logs, and goes to it in either script', async () => {
    const page = await open('one', 'fork');
    const { seq } = runs.fork.find(({ type }) => type === 'run.forked')!;
    await page.locator(`[data-parting="${seq}"]`).waitFor();
    for (const [name, log] of [
      ['one', runs.one],
      ['fork', runs.fork],
    ] as const) {
      const first = page.locator(`[data-log="${name}"] li.first`);
      expect(await first.getAttribute('data-seq')).toBe(String(seq));
      expect(await first.textContent()).toContain(log[seq]!.type);
      await expect.poll(() => page.locator(`[data-log="${name}"] li.same`).count(), ends).toBe(3);
    }
    await page.locator('[data-log="fork"] li.first').getByRole('link').click();
    await page.waitForURL(runs.url(`/fork/script?seq=${seq}`));
    await page.goBack();
    await page.locator('[data-log="one"] li.first').getByRole('link').click();
    await page.waitForURL(runs.url(`/one/script?seq=${seq}`));
  });

  it('says so where two logs differ in their order and their making only', async () => {
    const page = await open('one', 'fork');
    await page.getByText('both hold the same prompts, answers, judgements, pairs and versions').waitFor();
  });

  it('says which run was forked from which, and where', async () => {
    const page = await open('fork', 'one');
    const { seq } = runs.fork.find(({ type }) => type === 'run.forked')!;
    const text = await page.locator('[data-fork="fork"]').textContent();
    expect(text).toContain(`fork was forked from one at message ${seq}`);
  });

  it('shows in what the configs differ', async () => {
    const page = await open('one', 'fork');
    const cells = () => page.locator('[data-path="dpo.beta"] td').allInnerTexts();
    await expect.poll(cells, ends).toEqual(['0.1', '0.5']);
  });

  it('shows both numbers of a version, as the logs have them, and their difference', async () => {
    const page = await open('one', 'hacked');
    const cell = page.locator('[data-cell="M2/self.score"]');
    const { value, seq } = valueIn(runs.one, 'M2', 'self.score');
    const other = HACKED.M2!.self;
    const shown = () =>
      cell.locator('data').evaluateAll((all) => all.map((one) => one.getAttribute('value')));
    await expect.poll(shown, ends).toEqual([String(value), String(other)]);
    const difference = other - value;
    expect(await cell.locator('.difference').textContent()).toBe(
      `${difference > 0 ? '+' : '−'}${Math.abs(difference).toFixed(2)}`,
    );
    await cell.getByRole('link').nth(1).click();
    await page.waitForURL(runs.url(`/hacked/script?seq=${seq}`));
  });

  it('draws both runs on the same axes', async () => {
    const page = await open('one', 'hacked');
    const plot = page.locator('[data-measure="gap"]');
    for (const name of ['one', 'hacked'])
      await expect
        .poll(() => plot.locator(`[data-series="${name}"] .point`).count(), ends)
        .toBe(Object.keys(HACKED).length);
  });

  it('shows hostile names and texts as text', async () => {
    const page = await open('one', HOSTILE);
    await page.locator('.log h3').getByText(HOSTILE, { exact: true }).waitFor();
    expect(await page.evaluate('window.hacked')).toBeUndefined();
    expect(await page.locator('img').count()).toBe(0);
  });

  it('says that a run is not there', async () => {
    const watched = await openWatched(browser, runs.url('/one/compare?with=none'));
    opened.push(watched);
    await watched.page.getByText('there is no run none beside one').waitFor();
  });

  it.each(['light', 'dark'] as const)('is free of serious faults to axe, %s', async (colorScheme) => {
    const page = await open('one', 'fork', { colorScheme });
    expect(await seriousFaults(page)).toEqual([]);
  });

  it('is used by keyboard alone: a run is chosen, a message gone to', async () => {
    const page = await open('one', '');
    await page.getByLabel('with').focus();
    await page.keyboard.type('fork');
    await page.locator('.logs').waitFor();
    await page.locator('[data-log="one"] li.first a').focus();
    await page.keyboard.press('Enter');
    await page.waitForURL(/\/one\/script\?seq=/);
  });
});
