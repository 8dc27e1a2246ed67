/**
 * `npm run screenshots`: the README's pictures: the inspector's own pages on real runs that are made for it (seed 1, about a
 * minute), taken with Debian's chromium.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';

const chromiumPath = process.env.SOLILOQUY_CHROMIUM ?? '/usr/bin/chromium';
if (!existsSync(chromiumPath)) {
  process.stderr.write(
    `no chromium at ${chromiumPath}: apt-get install chromium, or name one with SOLILOQUY_CHROMIUM\n`,
  );
  process.exit(1);
}
const root = join(import.meta.dirname, '..');
const main = join(root, 'dist/src/cli/main.js');
const under = mkdtempSync(join(tmpdir(), 'soliloquy-screenshots-'));
const soliloquy = (...args) => {
  const { status } = spawnSync(process.execPath, [main, ...args], { stdio: ['ignore', 'ignore', 'inherit'] });
  if (status !== 0) throw new Error(`soliloquy ${args.join(' ')} ended with ${status}`);
};

const pages = [
  ['stage', '/paper-1/stage?chart=judge&context=1&seq=6000', '.chart, .large, svg', 'dark'],
  ['episode', '/paper-1/episodes?episode=1-0002&seq=6000', 'article, section', 'light'],
  ['gap', '/hacking-1/progress', 'svg', 'light'],
];

try {
  soliloquy('run', '--seed', '1', '--quiet', '--out', join(under, 'paper-1'));
  soliloquy('run', 'hacking', '--seed', '1', '--quiet', '--out', join(under, 'hacking-1'));
  const server = spawn(process.execPath, [main, 'inspect', join(under, 'paper-1'), '--no-open', '--json']);
  const url = await new Promise((resolve) => {
    createInterface({ input: server.stdout }).once('line', (line) => resolve(new URL(JSON.parse(line).url)));
  });
  const browser = await chromium.launch({ executablePath: chromiumPath, args: ['--no-sandbox'] });
  for (const [name, path, there, colorScheme] of pages) {
    const page = await browser.newPage({ viewport: { width: 1280, height: 720 }, colorScheme });
    const run = path.split('/')[1];
    const isRead = async () => {
      const { count, progress } = await (await fetch(`${url.origin}/api/runs/${run}/head`)).json();
      return count > 0 && progress.indexed === 1 && progress.stated === 1;
    };
    while (!(await isRead())) await new Promise((resolve) => setTimeout(resolve, 200));
    await page.goto(`${url.origin}${path}`);
    await page.locator('main').locator(there).first().waitFor();
    await page.waitForLoadState('networkidle').catch(() => undefined);
    await page.waitForTimeout(1000); // fonts and the light that runs along an arrow
    await page.screenshot({ path: join(root, 'docs/pictures', `${name}.png`) });
    await page.close();
    process.stdout.write(`docs/pictures/${name}.png\n`);
  }
  await browser.close();
  server.kill('SIGINT');
} finally {
  rmSync(under, { recursive: true, force: true });
}
