/** Debian's chromium for tests of pages. */
import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

export const chromiumPath: string = process.env.SOLILOQUY_CHROMIUM ?? '/usr/bin/chromium';

/** False: tests that need one skip, saying so. */
export const hasBrowser: boolean = existsSync(chromiumPath);

export const startBrowser = (): Promise<Browser> =>
  chromium.launch({ executablePath: chromiumPath, args: ['--no-sandbox'] });
