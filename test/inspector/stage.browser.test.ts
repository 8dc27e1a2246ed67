/** The stage, time, live control and forks in a real browser: what the page shows and does, held against the log and a replay. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createStaging } from '../../actors/staging.js';
import type { Run } from '../../actors/system.js';
import type { Config } from '../../src/protocol/config.js';
import type { Envelope } from '../../src/protocol/messages.js';
import { runFolder } from '../../src/store/run-folder.js';
import { hasBrowser, startBrowser } from '../support/browser.js';
import {
  envelopesIn,
  forkScripted,
  grownLines,
  recordScripted,
  scriptedConfig,
  scriptedRun,
} from '../support/scripted-run.js';
import { temporaryFolder, writeTinyModel } from '../support/tiny-run.js';
import { openWatched, seriousFaults, type WatchedPage } from '../support/watched-page.js';

const dist = join(import.meta.dirname, '../../dist/src/cli');
const folder = temporaryFolder();
const HOSTILE = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>';

let browser: Browser;
let config: Config;
let envelopes: readonly Envelope[];
let inspecting: ChildProcess;
let url: string;

/** `soliloquy inspect` as a process of its own; says where its page is. */
async function inspectRun(run: string): Promise<{ readonly child: ChildProcess; readonly url: string }> {
  const child = spawn(process.execPath, [join(dist, 'main.js'), 'inspect', run, '--json', '--no-open'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  for await (const line of createInterface({ input: child.stdout! }))
    return { child, url: (JSON.parse(line) as { url: string }).url };
  throw new Error('inspect said nothing');
}

const stopped = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    child.once('exit', () => resolve());
    child.kill('SIGINT');
  });

const opened: WatchedPage[] = [];

async function openPage(address: string, options: BrowserContextOptions = {}): Promise<Page> {
  const watched = await openWatched(browser, address, options);
  opened.push(watched);
  // A log that is opened for the first time shows earlier moments until it is read so far.
  await watched.page.locator('.stage[aria-busy=false]').waitFor();
  return watched.page;
}
const at = (path: string, own = url): string => own.replace('/#', `${path}#`);
const stateOf = (page: Page, machine: string) => page.locator(`[data-machine=${machine}] .state-now`);
const lit = (page: Page) =>
  page
    .locator('.area .fired[data-transition]')
    .evaluateAll((all) => all.map((one) => Number(one.getAttribute('data-transition'))));
const seqIn = (page: Page): string | null => new URL(page.url()).searchParams.get('seq');

describe.skipIf(!hasBrowser)('the page (skipped where there is no chromium)', () => {
  beforeAll(async () => {
    config = scriptedConfig(await writeTinyModel(join(folder.path, 'm0')), { iterations: 1 });
    const one = join(folder.path, 'runs', 'one');
    await recordScripted(config, one);
    envelopes = await envelopesIn(one);
    const { seq } = envelopes.find(({ type }) => type === 'responses.made')!;
    await forkScripted(one, join(folder.path, 'runs', 'hostile'), String(seq), {}, [
      { type: 'responses.made', seq, path: 'candidates.0.text', value: HOSTILE },
    ]);
    browser = await startBrowser();
    ({ child: inspecting, url } = await inspectRun(one));
  }, 120_000);
  afterEach(async () => {
    expect(opened.splice(0).flatMap(({ faults }) => faults)).toEqual([]);
    for (const context of browser.contexts()) await context.close();
  });
  afterAll(async () => {
    await browser?.close();
    if (inspecting) await stopped(inspecting);
    folder.remove();
  });

  describe('time', () => {
    /** States of the five roles after a message, as a fold of the log gives them. */
    const foldTo = (seq: number) => {
      const staging = createStaging(config);
      const states = new Map<string, string>();
      let taken: readonly number[] = [];
      for (const envelope of envelopes.slice(0, seq + 1)) {
        const state = staging.take(envelope);
        if (state === null) continue;
        states.set(envelope.to, state);
        if (envelope.seq === seq) taken = staging.contextOf(envelope.to)!.taken;
      }
      return { states, taken };
    };

    it('goes to any message, and the charts show the states that a replay gives', async () => {
      const page = await openPage(at('/one/stage'));
      const field = page.getByRole('spinbutton');
      for (const seq of [3, 40, 111, envelopes.length - 1, 25]) {
        await field.fill(String(seq));
        await field.press('Enter');
        await page.getByRole('link', { name: `message ${seq}`, exact: true }).waitFor();
        const { states } = foldTo(seq);
        for (const role of ['coordinator', 'generator', 'responder', 'judge', 'trainer'])
          expect(await stateOf(page, role).textContent()).toBe(states.get(role) ?? 'not written to yet');
        expect(seqIn(page)).toBe(String(seq));
      }
    });

    it('lights exactly the transitions that the message took', async () => {
      const { seq } = envelopes.find(({ type }) => type === 'pair.made')!;
      const { cause } = envelopes[seq]!;
      const { taken } = foldTo(cause);
      expect(taken.length).toBeGreaterThan(1);
      const page = await openPage(at(`/one/stage?chart=episode&seq=${cause}`));
      await page.locator('.area .transition.fired').first().waitFor({ state: 'attached' });
      expect((await lit(page)).sort()).toEqual([...taken].sort());
    });

    it('is walked by keys: one, a hundred, to the ends', async () => {
      const page = await openPage(at('/one/stage?seq=50'));
      const slider = page.getByRole('slider');
      await slider.focus();
      const last = envelopes.length - 1;
      await page.waitForFunction(`document.querySelector('input[type=range]')?.max === '${last}'`);
      for (const [key, seq] of [
        ['ArrowRight', 51],
        ['ArrowLeft', 50],
        ['PageUp', 150],
        ['PageDown', 50],
        ['Home', -1],
        ['End', last],
        ['[', null],
      ] as const) {
        await slider.press(key);
        if (seq !== null) expect(seqIn(page)).toBe(String(seq));
        else expect(Number(seqIn(page))).toBeLessThan(last);
      }
    });

    it('asks one question at a time, however fast it is moved, and ends where it was left', async () => {
      const page = await openPage(at('/one/stage?seq=0'));
      await page.getByRole('link', { name: 'message 0', exact: true }).waitFor();
      let open = 0;
      let most = 0;
      const isMoment = (address: string) => address.includes('/moment?');
      page.on('request', (request) => {
        if (isMoment(request.url())) most = Math.max(most, ++open);
      });
      page.on('requestfinished', (request) => {
        if (isMoment(request.url())) open--;
      });
      await page.getByRole('slider').focus();
      for (let i = 0; i < 60; i++) await page.keyboard.press('ArrowRight');
      await page.getByRole('link', { name: 'message 60', exact: true }).waitFor();
      expect(most).toBe(1);
    });

    it('plays to the newest message and stops there', async () => {
      const page = await openPage(at('/one/stage?seq=0'));
      await page.getByLabel('Speed').selectOption('1000');
      await page.getByRole('button', { name: 'Play' }).click();
      await page.getByRole('link', { name: `message ${envelopes.length - 1}`, exact: true }).waitFor();
      await page.getByRole('button', { name: 'Play' }).waitFor();
    });
  });

  it('opened without a run’s name, has the name in its address and in all links, with what else was asked for', async () => {
    const page = await openPage(url.replace('/#', '/?seq=7#'));
    await page.waitForURL(at('/one/stage?seq=7').replace(/#.*/, ''));
    const links = await page.locator('a[href]').evaluateAll((all) => all.map((a) => a.getAttribute('href')!));
    expect(links.length).toBeGreaterThan(10);
    for (const link of links) expect(link).toMatch(/^\/one\//);
    await page.getByRole('link', { name: 'Script', exact: true }).click();
    await page.waitForURL(/\/one\/script\?seq=7$/);
  });

  it('shows a context as text, whatever a model wrote', async () => {
    const hostile = await envelopesIn(join(folder.path, 'runs', 'hostile'));
    const said = hostile.findLast(
      ({ type, body }) => type === 'responses.made' && JSON.stringify(body).includes('onerror'),
    )!;
    const page = await openPage(at(`/hostile/stage?chart=episode&context=1&seq=${said.seq}`));
    const tree = page.locator('.tree');
    await tree.getByText('candidates').click();
    await tree.locator('summary').nth(2).click();
    await tree.getByText(HOSTILE).waitFor();
    expect(await page.locator('.tree img, .tree script').count()).toBe(0);
    expect(await page.evaluate('"hacked" in window')).toBe(false);
  });

  describe('a live run', () => {
    let runs = 0;
    /** A run that has not started, with its page; `through` puts something between them. */
    async function liveRun(through = async (address: string) => address) {
      const { inspectLive } = (await import(
        join(dist, 'live-inspector.js')
      )) as typeof import('../../src/cli/live-inspector.js');
      const run = await scriptedRun(config, join(folder.path, 'runs', `live-${runs++}`));
      const inspector = await inspectLive(run, { page: 0, stately: null });
      const page = await openPage(await through(inspector.url!));
      await page.getByRole('button', { name: 'Pause' }).click();
      await page.getByText('0 messages, paused').waitFor();
      return { run, page, inspector };
    }
    const count = (page: Page) => page.locator('.controls .count');
    const counted = (page: Page, many: number) =>
      count(page)
        .getByText(`${many} message${many === 1 ? '' : 's'}, paused`, { exact: true })
        .waitFor();
    /** The server is asked again and again, so that the run would have had its time. */
    const staysAt = async (run: Run, page: Page, many: number) => {
      for (let i = 0; i < 5; i++) {
        const head = `fetch('/api/runs/${run.folder.path.split('/').at(-1)}/head').then((answer) => answer.json())`;
        expect(await page.evaluate(head)).toMatchObject({ count: many, control: 'held' });
        expect(lines(run)).toBe(many);
      }
    };
    const lines = (run: Run) => grownLines(runFolder(run.folder.path).log);

    it('is held, stepped and let go from the page, its states lit as they come', async () => {
      const { run, page, inspector } = await liveRun();
      const end = run.start();
      await staysAt(run, page, 0);
      const staging = createStaging(config);
      const states = new Map<string, string>();
      for (let step = 1; step <= 12; step++) {
        await page.getByRole('button', { name: 'Step' }).click();
        await counted(page, step);
        await page.getByRole('link', { name: `message ${step - 1}`, exact: true }).waitFor();
        if (step % 4 === 1) await staysAt(run, page, step);
        expect(lines(run)).toBe(step);
        const envelope = (await envelopesIn(run.folder.path)).at(-1)!;
        const state = staging.take(envelope);
        if (state !== null) states.set(envelope.to, state);
        for (const [role, shown] of states)
          if (!role.startsWith('episode:')) expect(await stateOf(page, role).textContent()).toBe(shown);
      }
      await page.getByRole('button', { name: 'Go on' }).click();
      const { outcomeHash, messages } = await end;
      inspector.ended();
      await page.getByText(`${messages} messages, over`).waitFor();
      expect(outcomeHash).toBe((await scriptedOutcome()).outcomeHash);
      await inspector.close();
    });

    const scriptedOutcome = () => recordScripted(config, join(folder.path, 'runs', `alone-${runs++}`));

    it('keeps its script at the newest message for whoever stands there, and still for whoever reads above', async () => {
      const { run, page, inspector } = await liveRun();
      const end = run.start();
      const list = page.locator('#script-list');
      const row = (seq: number) => list.locator('.number', { hasText: new RegExp(`^${seq}$`) }).first();
      const steps = async (from: number, to: number) => {
        for (let count = from + 1; count <= to; count++) {
          run.step();
          await expect.poll(() => lines(run), { interval: 1, timeout: 30_000 }).toBe(count);
        }
        await counted(page, to);
      };
      await steps(0, 60);
      await page.getByRole('link', { name: 'Script', exact: true }).click();
      await row(59).waitFor();
      await steps(60, 90);
      await row(89).waitFor();
      expect(await row(0).count()).toBe(0);
      await list.evaluate((box) => box.scrollTo(0, 0));
      await row(0).waitFor();
      await steps(90, 120);
      await page.locator('.told', { hasText: '120 messages' }).waitFor();
      expect(await list.evaluate((box) => box.scrollTop)).toBe(0);
      await list.evaluate((box) => box.scrollTo(0, box.scrollHeight));
      await row(119).waitFor();
      await steps(120, 150);
      await row(149).waitFor();
      run.stop();
      expect(await end).toMatchObject({ status: 'stopped' });
      await inspector.close();
    });

    it('is stopped only after a question', async () => {
      const { run, page, inspector } = await liveRun();
      const end = run.start();
      await page.getByRole('button', { name: 'Stop …' }).click();
      await page.getByRole('button', { name: 'Let it run' }).click();
      await page.keyboard.press('s');
      await count(page).getByText('1 message, paused').waitFor();
      await page.getByRole('button', { name: 'Stop …' }).click();
      await page.getByRole('button', { name: 'Stop it' }).click();
      expect(await end).toMatchObject({ status: 'stopped' });
      await inspector.close();
    });

    it('is followed without loss by a page whose connections are cut', async () => {
      const sockets = new Set<Socket>();
      let target = 0;
      const proxy = createServer((socket) => {
        const onward = connect(target, '127.0.0.1');
        for (const [one, other] of [
          [socket, onward],
          [onward, socket],
        ] as const) {
          sockets.add(one);
          one.on('error', () => other.destroy());
          one.on('close', () => other.destroy());
          one.pipe(other);
        }
      });
      await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
      const { port } = proxy.address() as AddressInfo;
      const { run, page, inspector } = await liveRun(async (address) => {
        target = Number(new URL(address).port);
        return address.replace(String(target), String(port));
      });
      const cut = () => {
        for (const socket of sockets) socket.destroy();
        sockets.clear();
      };
      const end = run.start();
      for (let step = 1; step <= 6; step++) {
        cut();
        run.step();
        await counted(page, step);
        await page.getByRole('link', { name: `message ${step - 1}`, exact: true }).waitFor();
      }
      run.release();
      cut();
      const { messages } = await end;
      inspector.ended();
      await count(page).getByText(`${messages} messages`).waitFor();
      await page.getByRole('link', { name: `message ${messages - 1}`, exact: true }).waitFor();
      cut();
      proxy.close();
      await inspector.close();
    });
  });

  it('starts a fork with the cast that was written, says the same command, and opens its page', async () => {
    const made = envelopes.find(({ type }) => type === 'version.made')!;
    const page = await openPage(at(`/one/stage?seq=${made.seq}`));
    await page.getByRole('button', { name: 'Fork from here …' }).click();
    const dialog = page.getByRole('dialog');
    expect(await dialog.getByLabel('From message').inputValue()).toBe(String(made.seq));
    await dialog.getByLabel('From message').fill('M1');
    await dialog.getByLabel('judge').fill('emperor');
    await dialog.getByRole('button', { name: 'Start the fork' }).click();
    await dialog.getByRole('alert').getByText('no such player').first().waitFor();
    await dialog.getByLabel('judge').fill('constant:3');
    await dialog.getByText('--at M1 --cast.judge constant:3 --inspect').waitFor();
    await dialog.getByRole('button', { name: 'Start the fork' }).click();
    await page.waitForURL((now) => now.port !== new URL(url).port);
    const picked = () => page.getByLabel('Run').first().inputValue();
    await expect.poll(picked, { timeout: 60_000 }).not.toBe('');
    const name = await picked();
    const forked = JSON.parse(
      readFileSync(join(folder.path, 'runs', name, 'config.json'), 'utf8'),
    ) as Config & {
      fork: { parent: { run: string } };
    };
    expect(forked.cast).toEqual({ ...config.cast, judge: 'constant:3' });
    expect(forked.fork.parent.run).toBe('one');
    await page.getByText(/messages, (running|over)/).waitFor();
  }, 180_000);

  it.each(['light', 'dark'] as const)(
    'has no serious fault of accessibility (%s)',
    async (colorScheme) => {
      const page = await openPage(at('/one/stage?seq=60'), { colorScheme, reducedMotion: 'reduce' });
      const check = async (view: string) => {
        expect((await seriousFaults(page)).map((fault) => [view, fault])).toEqual([]);
      };
      await page.locator('.cards .state').first().waitFor({ state: 'attached' });
      await check('six');
      await page.goto(at('/one/stage?seq=60&chart=judge&context=1'));
      await page.locator('.tree li').first().waitFor();
      await check('large');
      await page.keyboard.press('?');
      await page.getByRole('dialog').waitFor();
      await check('help');
      await page.keyboard.press('Escape');
      await page.getByRole('dialog').waitFor({ state: 'detached' });
      await page.keyboard.press('f');
      await page.getByRole('dialog').waitFor();
      await check('fork');
    },
    60_000,
  );
});
