/** The episodes' view in a real browser, over real logs of the scripted model. */
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createWorld } from '../../actors/worlds.js';
import type { BodyOf, Envelope } from '../../src/protocol/messages.js';
import { readRunConfig } from '../../src/store/run-config.js';
import { hasBrowser, startBrowser } from '../support/browser.js';
import { hostileRun, JUDGEMENT, PROMPT } from '../support/hostile.js';
import { type Inspected, inspect } from '../support/inspected.js';
import { resealedRun } from '../support/reseal.js';
import { envelopesIn, recordScripted, scriptedConfig } from '../support/scripted-run.js';
import { temporaryFolder, writeTinyModel } from '../support/tiny-run.js';
import { openWatched, seriousFaults, watchPage } from '../support/watched-page.js';

/** As a log has it where the judge found all answers equal. */
function tied(one: Envelope): Envelope {
  if (one.type !== 'pair.made') return one;
  const { id: episode, iteration, positives } = one.body as BodyOf<'pair.made'>;
  const body = { episode, iteration, reason: 'tie', detail: '2 answers all have score 3', positives };
  return { ...one, type: 'pair.withheld', body: body as unknown as Envelope['body'] };
}

describe.skipIf(!hasBrowser)(
  'the episodes (skipped where there is no chromium)',
  () => {
    const folder = temporaryFolder();
    const run = join(folder.path, 'runs', 'one');
    let envelopes: readonly Envelope[];
    let browser: Browser;
    let inspected: Inspected;
    let id: string;

    const bodiesOf = <T extends Envelope['type']>(type: T) =>
      envelopes.filter((one) => one.type === type).map(({ body }) => body as BodyOf<T>);

    beforeAll(async () => {
      await recordScripted(
        scriptedConfig(await writeTinyModel(join(folder.path, 'm0')), { iterations: 1 }),
        run,
      );
      envelopes = await envelopesIn(run);
      hostileRun(run, join(folder.path, 'runs', 'hostile'));
      id = bodiesOf('pair.made')[0]!.id;
      resealedRun(run, join(folder.path, 'runs', 'tied'), (all) => all.map(tied));
      inspected = await inspect(run);
      browser = await startBrowser();
    }, 120_000);
    afterAll(async () => {
      await browser?.close();
      await inspected?.close();
      folder.remove();
    });

    const open = (path: string) => openWatched(browser, inspected.at(path));

    it('shows prompt, candidates, judgements and true scores as the log and the world have them', async () => {
      const { page, faults } = await open(`/one/episodes?episode=${id}`);
      const detail = page.locator('#episode-detail');
      const { prompt } = bodiesOf('prompt.made').find(({ episode }) => episode === id)!;
      const { candidates } = bodiesOf('responses.made').find(({ episode }) => episode === id)!;
      const pair = bodiesOf('pair.made').find((one) => one.id === id)!;
      const truth = createWorld(readRunConfig(run).config).truth!;
      await detail.locator('.answer').first().waitFor();
      expect(await detail.locator('.prompt-text .words').textContent()).toBe(prompt);
      expect(await detail.locator('.answer').count()).toBe(candidates.length);
      for (const candidate of candidates) {
        const card = detail.locator(`[data-response="${candidate.id}"]`);
        if (candidate.text !== '')
          expect(await card.locator('.answer-text .words').textContent()).toBe(candidate.text);
        const known = truth(prompt, candidate.text);
        expect(await card.locator('.true').allTextContents()).toEqual(known ? [String(known.score)] : []);
        const judged = bodiesOf('judgement.made').filter(({ response }) => response === candidate.id);
        expect(await card.locator('.judgement').count()).toBe(judged.length);
        for (const one of judged) {
          const shown = card.locator(`[data-judgement="${one.id}"]`);
          expect(await shown.locator('.text').textContent()).toBe(one.generation!.text);
          expect(await shown.locator('strong').textContent()).toContain(
            one.verdict.status === 'score' ? `score ${one.verdict.score}` : 'unreadable',
          );
        }
      }
      expect(await detail.locator('.answer.chosen').getAttribute('data-response')).toBe(pair.chosen.response);
      expect(await detail.locator('.answer.rejected').getAttribute('data-response')).toBe(
        pair.rejected.response,
      );
      expect(faults).toEqual([]);
      await page.context().close();
    });

    it('marks the place of the verdict in the judge’s words', async () => {
      const { page } = await open(`/one/episodes?episode=${id}`);
      const readable = bodiesOf('judgement.made').find(
        (one) => one.id.startsWith(`${id}/`) && one.verdict.status === 'score',
      )!;
      const shown = page.locator(`[data-judgement="${readable.id}"]`);
      await shown.waitFor();
      expect((await shown.locator('mark.marker').textContent())!.toLowerCase()).toContain('score');
      expect(await shown.locator('mark.score').count()).toBe(1);
      await page.context().close();
    });

    it('lists episodes by how they ended, and says why there is no pair', async () => {
      const { page } = await open('/tied/episodes?end=withheld');
      const row = page.locator('#episode-list [role=option]').first();
      await row.click();
      await page.locator('.end', { hasText: 'No pair: all answers have the same score' }).waitFor();
      const all = await open('/one/episodes');
      const episodes = new Set(
        ['prompt.made', 'prompt.filtered', 'prompt.failed'].flatMap((type) =>
          bodiesOf(type as 'prompt.made').map(({ episode }) => episode),
        ),
      );
      await all.page.locator('.told', { hasText: `${episodes.size} episodes` }).waitFor();
      await page.context().close();
      await all.page.context().close();
    });

    it('is walked through by keyboard', async () => {
      const { page } = await open('/one/episodes');
      await page.locator('#episode-list [role=option]').first().waitFor();
      await page.locator('#episode-list').focus();
      await page.keyboard.press('ArrowDown');
      await page.locator('#episode-list-0[aria-selected=true]').waitFor();
      await page.keyboard.press('ArrowDown');
      await page.locator('#episode-list-1[aria-selected=true]').waitFor();
      await page.locator('#episode-detail h2').waitFor();
      await page.keyboard.press('Enter');
      await page.locator('#episode-detail:focus').waitFor();
      await page.context().close();
    });

    it('shows hostile texts as text', async () => {
      const { page, faults } = await open(`/hostile/episodes?episode=${id}`);
      const detail = page.locator('#episode-detail');
      await detail.locator('.answer').first().waitFor();
      expect(await detail.locator('.prompt-text .words').textContent()).toBe(PROMPT);
      expect(await detail.locator('.judgement .text').first().textContent()).toBe(JUDGEMENT);
      expect(await detail.locator('.judgement strong').first().textContent()).toContain('unreadable');
      expect(await page.evaluate("'pwned' in window")).toBe(false);
      expect(faults).toEqual([]);
      await page.context().close();
    });

    it.each(['light', 'dark'] as const)('has no serious fault for axe (%s)', async (colorScheme) => {
      const { page } = await watchPage(browser, { colorScheme });
      await page.goto(inspected.at(`/one/episodes?episode=${id}`));
      await page.locator('.answer').first().waitFor();
      expect(await seriousFaults(page)).toEqual([]);
      await page.context().close();
    });
  },
  60_000,
);
