/** The script's view in a real browser, over real logs of the scripted model. */
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BodyOf, Envelope } from '../../src/protocol/messages.js';
import { hasBrowser, startBrowser } from '../support/browser.js';
import { ANSWER, hostileRun } from '../support/hostile.js';
import { type Inspected, inspect } from '../support/inspected.js';
import { resealedRun } from '../support/reseal.js';
import { envelopesIn, recordScripted, scriptedConfig } from '../support/scripted-run.js';
import { temporaryFolder, writeTinyModel } from '../support/tiny-run.js';
import { openWatched, seriousFaults, watchPage } from '../support/watched-page.js';

/** Rows × 24 px that no browser draws as one element. */
const MANY = 700_000;

describe.skipIf(!hasBrowser)(
  'the script (skipped where there is no chromium)',
  () => {
    const folder = temporaryFolder();
    const run = join(folder.path, 'runs', 'one');
    let envelopes: readonly Envelope[];
    let browser: Browser;
    let inspected: Inspected;

    beforeAll(async () => {
      await recordScripted(
        scriptedConfig(await writeTinyModel(join(folder.path, 'm0')), { iterations: 1 }),
        run,
      );
      envelopes = await envelopesIn(run);
      hostileRun(run, join(folder.path, 'runs', 'hostile'));
      inspected = await inspect(run);
      browser = await startBrowser();
    }, 120_000);
    afterAll(async () => {
      await browser?.close();
      await inspected?.close();
      folder.remove();
    });

    const open = (path: string) => openWatched(browser, inspected.at(path));
    const firstOf = (type: string) => envelopes.find((one) => one.type === type)!;

    it('opens at a seq of the address, chosen in the list and whole beside it', async () => {
      const said = firstOf('responses.made');
      const { page, faults } = await open(`/one/script?seq=${said.seq}`);
      await page.locator('[role=option][aria-selected=true]', { hasText: 'responses.made' }).waitFor();
      const pane = page.locator('#message-pane');
      await pane.locator('h2', { hasText: `${said.seq} · responses.made` }).waitFor();
      expect(await pane.locator('.links').textContent()).toContain(`${said.cause} `);
      expect(await pane.locator('.why').textContent()).toBe(`soliloquy why ${run} seq:${said.seq}`);
      expect(faults).toEqual([]);
      await page.context().close();
    });

    it('finds a text and opens the message that holds it', async () => {
      const said = firstOf('responses.made');
      const { id } = (said.body as BodyOf<'responses.made'>).candidates[0]!;
      const holding = envelopes.filter((one) => JSON.stringify(one).includes(id));
      const { page } = await open('/one/script');
      await page.locator('[role=option]').first().waitFor();
      await page.keyboard.press('/');
      await page.keyboard.type(id);
      await page.locator('.told', { hasText: `${holding.length} found` }).waitFor();
      await page.locator('[role=option]').first().click();
      await page.locator('#message-pane h2', { hasText: `${holding[0]!.seq} · ` }).waitFor();
      expect(new URL(page.url()).searchParams.get('text')).toBe(id);
      await page.context().close();
    });

    it('keeps every letter that is typed while the list is filtered by those before it', async () => {
      const { page } = await open('/one/script');
      const search = page.getByRole('searchbox', { name: 'Search' });
      await search.focus();
      // From here on the page's timers and frames come only when they are called.
      await page.clock.install({ time: 0 });
      await page.clock.pauseAt(1000);
      await page.keyboard.type('judg');
      await page.clock.runFor(250);
      await page.waitForURL(/text=judg$/);
      await page.keyboard.type('em');
      await page.clock.runFor(100);
      expect(await search.inputValue()).toBe('judgem');
      await page.clock.runFor(250);
      await page.waitForURL(/text=judgem$/);
      await page.clock.resume();
      await page.getByRole('button', { name: 'Clear' }).click();
      await page.locator('.told', { hasText: 'messages' }).waitFor();
      expect(await search.inputValue()).toBe('');
      await page.context().close();
    });

    it('filters by role, type and episode, together', async () => {
      const { page } = await open('/one/script');
      const told = (count: number) =>
        page.locator('.told', { hasText: new RegExp(`^${count} found`) }).waitFor();
      await page.getByRole('combobox', { name: /^Type/ }).selectOption('judgement.made');
      await told(envelopes.filter(({ type }) => type === 'judgement.made').length);
      const [id] = (firstOf('judgement.made').body as BodyOf<'judgement.made'>).id.split('/');
      await page.getByRole('searchbox', { name: 'Episode' }).fill(id!);
      await told(
        envelopes.filter(({ type, to }) => type === 'judgement.made' && to === `episode:${id}`).length,
      );
      await page.getByRole('combobox', { name: /^Role/ }).selectOption('trainer');
      await told(0);
      await page.context().close();
    });

    it('marks no message as the one that is shown where the filter has left that one out', async () => {
      const isJudged = ({ type }: Envelope) => type === 'judgement.made';
      const next = envelopes.find((one) => isJudged(one) && !isJudged(envelopes[one.seq - 1]!))!;
      const { page } = await watchPage(browser);
      const placed = page.waitForResponse(/\/place\?/);
      await page.goto(inspected.at(`/one/script?type=judgement.made&seq=${next.seq - 1}`));
      expect(await (await placed).json()).toMatchObject({ isThere: false });
      await page.locator('#message-pane h2', { hasText: `${next.seq - 1} · ` }).waitFor();
      await page.locator('[role=option] .number', { hasText: new RegExp(`^${next.seq}$`) }).waitFor();
      const marked = page.locator('[role=option][aria-selected=true]');
      expect(await marked.count()).toBe(0);
      await page.locator('#script-list').focus();
      await page.keyboard.press('ArrowDown');
      await marked.waitFor();
      await page.context().close();
    });

    it('is walked through by keyboard, to the message and back', async () => {
      const { page } = await open('/one/script?seq=0');
      const list = page.locator('#script-list');
      const chosen = (seq: number) =>
        page
          .locator('[role=option][aria-selected=true] .number', { hasText: new RegExp(`^${seq}$`) })
          .waitFor();
      await chosen(0);
      await list.focus();
      await page.keyboard.press('ArrowDown');
      await chosen(1);
      await page.keyboard.press('End');
      await chosen(envelopes.length - 1);
      await page.keyboard.press('ArrowUp');
      await chosen(envelopes.length - 2);
      await page.keyboard.press('Home');
      await chosen(0);
      await page.keyboard.press('Enter');
      await page.locator('#message-pane:focus').waitFor();
      await page.keyboard.press('Escape');
      await page.locator('#script-list:focus').waitFor();
      await page.context().close();
    });

    it('draws the sequence of the chosen message’s episode; an arrow opens its message', async () => {
      const said = firstOf('pair.made');
      const { page } = await open(`/one/script?seq=${said.seq}&pane=sequence`);
      const arrow = page.getByRole('link', { name: `${said.type} ${said.seq}` });
      await arrow.waitFor();
      await arrow.focus();
      await page.keyboard.press('Enter');
      await page.locator('#message-pane h2', { hasText: `${said.seq} · ` }).waitFor();
      await page.context().close();
    });

    it('shows hostile texts as text', async () => {
      const { page, faults } = await open(`/hostile/script?seq=${firstOf('responses.made').seq}`);
      const pane = page.locator('#message-pane');
      await pane
        .getByRole('button', { name: /^show all 100,/ })
        .first()
        .click();
      expect(await pane.locator('.words', { hasText: 'the very end' }).first().textContent()).toBe(ANSWER);
      expect(await page.evaluate("'pwned' in window")).toBe(false);
      expect(faults).toEqual([]);
      await page.context().close();
    });

    it.each(['light', 'dark'] as const)('has no serious fault for axe (%s)', async (colorScheme) => {
      const { page } = await watchPage(browser, { colorScheme });
      await page.goto(inspected.at(`/one/script?seq=${firstOf('judgement.made').seq}`));
      await page.locator('#message-pane h2').waitFor();
      expect(await seriousFaults(page)).toEqual([]);
      await page.goto(inspected.at(`/one/script?seq=${firstOf('pair.made').seq}&pane=sequence`));
      await page.locator('svg.sequence').waitFor();
      expect(await seriousFaults(page)).toEqual([]);
      await page.context().close();
    });

    it('scrolls to the last of more messages than a browser can draw', async () => {
      const long = resealedRun(run, join(folder.path, 'runs', 'long'), (all) => [
        all[0]!,
        ...Array.from(
          { length: MANY },
          () =>
            ({
              ...all[0]!,
              from: 'model',
              to: 'record',
              cause: 0,
              type: 'worker.crashed',
              body: { task: 't', attempt: 0, reason: 'r' },
            }) as Envelope,
        ),
      ]);
      const other = await inspect(long);
      const { page } = await watchPage(browser);
      await page.goto(other.at('/long/script?seq=0'));
      await page.locator('.told', { hasText: (MANY + 1).toLocaleString('en') }).waitFor({ timeout: 120_000 });
      await page.locator('#script-list').evaluate((list) => list.scrollTo(0, list.scrollHeight));
      await page.locator('[role=option] .number', { hasText: new RegExp(`^${MANY}$`) }).waitFor();
      expect(await page.locator('[role=option]').count()).toBeLessThan(80);
      await page.context().close();
      await other.close();
    }, 240_000);
  },
  60_000,
);
