/** A recorded run in the inspector, and a browser that looks at it; every request that leaves this machine is noted. */
import { join } from 'node:path';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { createHouse } from '../../src/cli/inspector-house.js';
import { startInspector } from '../../src/inspector/server.js';

export interface Inspected {
  /** Address of a page, such as `/one/script?seq=3`. */
  readonly at: (path: string) => string;
  close(): Promise<void>;
}

export async function inspect(run: string): Promise<Inspected> {
  const house = createHouse({ run });
  const inspector = await startInspector({
    house,
    page: join(import.meta.dirname, '../../dist/page'),
    port: 0,
  });
  return {
    at: (path) => `http://127.0.0.1:${inspector.port}${path}`,
    async close() {
      await inspector.close();
      house.close();
    },
  };
}

export interface Looking {
  readonly page: Page;
  /** Addresses that were asked for outside of this machine, errors of the page, dialogs: all should be none. */
  readonly wrongs: string[];
}

export async function look(browser: Browser, options: BrowserContextOptions = {}): Promise<Looking> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 720 }, ...options });
  const page = await context.newPage();
  const wrongs: string[] = [];
  page.on('request', (request) => {
    const { hostname, protocol } = new URL(request.url());
    if (hostname !== '127.0.0.1' && protocol !== 'data:') wrongs.push(request.url());
  });
  page.on('pageerror', (error) => wrongs.push(error.message));
  page.on('dialog', (dialog) => {
    wrongs.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  return { page, wrongs };
}
