/** The Progress view in a real browser: its numbers are the log's, the gap is not to be missed, links lead to the messages. */
import { appendFileSync, cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { BodyOf, Envelope, Metric } from '../../src/protocol/messages.js';
import { runFolder } from '../../src/store/run-folder.js';
import { hasBrowser, startBrowser } from '../support/browser.js';
import { HACKED, HOSTILE, type Inspected, inspectRuns } from '../support/inspected-runs.js';
import { resealedRun } from '../support/reseal.js';
import { openWatched, seriousFaults, type WatchedPage } from '../support/watched-page.js';

let runs: Inspected;
let browser: Browser;
const opened: WatchedPage[] = [];

async function open(run: string, query = '', options = {}): Promise<Page> {
  const watched = await openWatched(
    browser,
    runs.url(`/${encodeURIComponent(run)}/progress${query}`),
    options,
  );
  opened.push(watched);
  await watched.page
    .locator(`.progress[data-folded="${run === 'fork' ? runs.fork.length : runs.one.length}"]`)
    .waitFor();
  return watched.page;
}

/** The number that has the focus. */
const focused = (page: Page): Promise<string | null> =>
  page.evaluate("document.activeElement.closest('[data-number]')?.getAttribute('data-number') ?? null");

/** version/name → the metric, and where it stands. */
const published = (): Map<string, Metric & { readonly seq: number }> =>
  new Map(
    runs.one
      .filter(({ type }) => type === 'evaluation.made')
      .flatMap(({ seq, body }) => {
        const { version, metrics } = body as BodyOf<'evaluation.made'>;
        return metrics.map((metric) => [`${version}/${metric.name}`, { ...metric, seq }] as const);
      }),
  );

describe.skipIf(!hasBrowser)('the Progress view (skipped where there is no chromium)', () => {
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

  it('shows every number of the log, to the last bit', async () => {
    const page = await open('one');
    await page.getByRole('button', { name: /All numbers/ }).click();
    const shown = await page
      .locator('[data-number]')
      .evaluateAll((cells) =>
        cells.map((cell) => [
          cell.getAttribute('data-number'),
          Number(cell.querySelector('data')!.getAttribute('value')),
        ]),
      );
    const known = [...published()].flatMap(([key, { value }]) => (value === null ? [] : [[key, value]]));
    expect(known.length).toBeGreaterThan(50);
    expect(new Map(shown as [string, number][])).toEqual(new Map(known as [string, number][]));
  });

  it('opens what is behind a number: the message that says it, and the command that explains it', async () => {
    const page = await open('one');
    await page.locator('[data-number="M1/judge.pairwise"] a').click();
    const behind = page.getByRole('complementary', { name: 'Behind the number' });
    const { value, seq } = published().get('M1/judge.pairwise')!;
    await behind.getByText('soliloquy why one M1 judge.pairwise', { exact: true }).waitFor();
    expect(await behind.locator('data').getAttribute('value')).toBe(String(value));
    expect(new URL(page.url()).searchParams.get('number')).toBe('M1/judge.pairwise');
    await behind.getByRole('link', { name: `message ${seq}` }).click();
    await page.waitForURL(runs.url(`/one/script?seq=${seq}`));
  });

  it('opens the same from a link that was sent', async () => {
    const page = await open('one', `?number=${encodeURIComponent('M2/gap')}`);
    await page.getByText('soliloquy why one M2 gap', { exact: true }).waitFor();
  });

  it('shows the gap of a run that hacks its reward: large, in words, and where it stands', async () => {
    const page = await open('hacked');
    const headline = page.locator('.headline');
    const { self, truth } = HACKED.M2!;
    expect(await headline.getAttribute('data-verdict')).toBe('flatters');
    expect(await headline.locator('data').getAttribute('value')).toBe(String(self - truth));
    expect(await headline.textContent()).toMatch(/\+1\.75/);
    expect(await headline.textContent()).toContain('the self-score climbs while the true score falls');
    const size = Number.parseFloat(
      await page.evaluate("getComputedStyle(document.querySelector('.headline .number')).fontSize"),
    );
    expect(size).toBeGreaterThanOrEqual(48);
    expect(await page.locator('.between .above').count()).toBeGreaterThan(0);
    await headline.getByRole('link').click();
    await page.waitForURL(runs.url(`/hacked/script?seq=${published().get('M2/gap')!.seq}`));
  });

  it('goes to the message of a version from its point in a plot, and from its card', async () => {
    const page = await open('one');
    const { seq } = published().get('M1/self.score')!;
    await page.locator(`#gap [data-series^="self-score"] [data-seq="${seq}"] .target`).click();
    await page.waitForURL(runs.url(`/one/script?seq=${seq}`));
    await page.goBack();
    const made = runs.one.find(
      ({ type, body }) => type === 'version.made' && (body as BodyOf<'version.made'>).version === 'M2',
    )!;
    const card = page.locator('[data-version="M2"]');
    expect(await card.textContent()).toContain(
      (made.body as BodyOf<'version.made'>).weightsHash.slice(0, 12),
    );
    await card.getByRole('link').click();
    await page.waitForURL(runs.url(`/one/script?seq=${made.seq}`));
  });

  it('shows hostile names as text', async () => {
    const page = await open(HOSTILE, `?number=${encodeURIComponent('M1/gap')}`);
    await page.locator('[data-version="M2"]').getByText(`judge ${HOSTILE}`).waitFor();
    await page.getByText(`soliloquy why '${HOSTILE}' M1 gap`, { exact: true }).waitFor();
    expect(await page.evaluate('window.hacked')).toBeUndefined();
    expect(await page.locator('img').count()).toBe(0);
  });

  it.each(['light', 'dark'] as const)('is free of serious faults to axe, %s', async (colorScheme) => {
    const page = await open('hacked', `?number=${encodeURIComponent('M2/gap')}`, { colorScheme });
    expect(await seriousFaults(page)).toEqual([]);
  });

  it('is used by keyboard alone: a section, a number, its message', async () => {
    const page = await open('one');
    await page.getByRole('button', { name: 'Numbers by version' }).focus();
    await page.keyboard.press('Enter');
    expect(await page.evaluate('document.activeElement.textContent')).toBe('Numbers by version');
    const reached: (string | null)[] = [];
    for (let i = 0; i < 12 && !reached.includes('M0/true.score'); i++) {
      await page.keyboard.press('Tab');
      reached.push(await focused(page));
    }
    expect(reached).toContain('M0/true.score');
    await page.keyboard.press('Enter');
    await page.getByText('soliloquy why one M0 true.score', { exact: true }).waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('complementary', { name: 'Behind the number' }).waitFor({ state: 'detached' });
    expect(await focused(page)).toBe('M0/true.score');
  });

  it('opens what is behind a head to head in sight of it', async () => {
    const page = await open('one');
    const cell = page.locator('[data-game="M2/h2h.oracle.M1.win"]');
    await cell.getByRole('link').click();
    const behind = page.getByRole('complementary', { name: 'Behind the number' });
    await behind.getByText('soliloquy why one M2 h2h.oracle.M1.win', { exact: true }).waitFor();
    const [top, bottom] = await behind.evaluate((box) => {
      const { y, bottom } = box.getBoundingClientRect();
      return [y, bottom];
    });
    expect(top).toBeGreaterThan(0);
    expect(bottom).toBeLessThanOrEqual(720);
    expect(await behind.locator('data').getAttribute('value')).toBe(
      String(published().get('M2/h2h.oracle.M1.win')!.value),
    );
  });

  it('goes on with a run that goes on: a new version and its numbers come by themselves', async () => {
    const growing = runs.folderOf('growing');
    cpSync(runs.folderOf('one'), growing, { recursive: true });
    rmSync(join(growing, 'index'), { recursive: true, force: true });
    const { log } = runFolder(growing);
    const lines = readFileSync(log, 'utf8').split('\n').slice(0, -1);
    const { seq } = published().get('M1/gap')!;
    writeFileSync(log, `${lines.slice(0, seq + 1).join('\n')}\n`);
    const watched = await openWatched(browser, runs.url('/growing/progress'));
    opened.push(watched);
    const { page } = watched;
    await page.locator('[data-number="M1/gap"]').waitFor();
    expect(await page.locator('[data-number="M2/gap"]').count()).toBe(0);
    expect(await page.locator('[data-iteration]').count()).toBe(0);
    appendFileSync(log, `${lines.slice(seq + 1).join('\n')}\n`);
    await page.locator('[data-number="M2/gap"]').waitFor();
    await page.locator('[data-version="M2"]').waitFor();
    await page.locator('[data-iteration="1"]').waitFor();
    await page.getByRole('link', { name: 'finished' }).waitFor();
  });

  it('says so where the world knows no true score, and shows what the judge believes', async () => {
    const withoutTruth = (metric: Metric): Metric =>
      /^(true\.score|gap|h2h\.oracle\..*)$/.test(metric.name)
        ? { ...metric, value: null, interval: null, n: 0 }
        : metric;
    resealedRun(runs.folderOf('one'), runs.folderOf('blind'), (all) =>
      all.map((envelope) => {
        if (envelope.type === 'evaluation.answered')
          return { ...envelope, body: { ...envelope.body, truth: null } } as Envelope;
        if (envelope.type !== 'evaluation.made') return envelope;
        const { version, metrics } = envelope.body as BodyOf<'evaluation.made'>;
        return { ...envelope, body: { version, metrics: metrics.map(withoutTruth) } } as Envelope;
      }),
    );
    const page = await open('blind');
    expect(await page.locator('.headline').textContent()).toContain('knows no true score');
    expect(await page.locator('#gap .series').count()).toBe(1);
    expect(await page.locator('#histograms rect.truth').count()).toBe(0);
    expect(await page.locator('#histograms rect.self').count()).toBeGreaterThan(0);
  });

  it('stays within the window at 1280 × 720', async () => {
    const page = await open('one');
    expect(await page.locator('main').evaluate((main) => main.scrollWidth <= main.clientWidth)).toBe(true);
  });
});
