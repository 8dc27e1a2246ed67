/** What axe finds on a page, or a part of it, that is serious or worse. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Page } from 'playwright-core';

const source = () => readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

interface Violation {
  readonly id: string;
  readonly impact: string | null;
  readonly nodes: readonly { readonly html: string }[];
}

/** The page's own policy lets no foreign script in, so this one comes by the debugger. */
export async function seriousFaults(page: Page, part = 'html'): Promise<string[]> {
  await page.evaluate(source());
  const { violations } = await page.evaluate(
    (selector) =>
      (globalThis as unknown as { axe: { run(part: string): Promise<{ violations: Violation[] }> } }).axe.run(
        selector,
      ),
    part,
  );
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 200)).join(' | ')}`);
}
