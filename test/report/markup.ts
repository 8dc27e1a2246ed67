/** A strict reading of the markup that our pages are written in: every tag is closed by its own name, every entity is known. */
import { expect } from 'vitest';

const VOID = new Set(['meta', 'br']);

/** Names of the elements in their order; fails where tags don't balance or text holds what a browser would have to guess. */
export function checkTags(html: string): string[] {
  const open: string[] = [];
  const seen: string[] = [];
  const bare = html.replace(/<style>[^<]*<\/style>/g, '<style></style>');
  const tag = /<(\/?)([a-zA-Z][\w-]*)((?:\s+[\w:-]+(?:="[^"<]*")?)*)\s*(\/?)>|<!doctype html>|</gi;
  for (const [all, closing, name, , alone] of bare.matchAll(tag)) {
    if (all.toLowerCase() === '<!doctype html>') continue;
    expect(name, `a stray "<" in ${bare.slice(0, 80)}`).toBeDefined();
    if (closing) expect(open.pop()).toBe(name);
    else {
      seen.push(name!.toLowerCase());
      if (!alone && !VOID.has(name!)) open.push(name!);
    }
  }
  expect(open).toEqual([]);
  expect(bare.match(/&(?!(amp|lt|gt|quot|#39);)/g)).toBeNull();
  return seen;
}

/** Every link inside the page leads to something on it, and no name is given twice. */
export function checkLinks(html: string): void {
  const ids = [...html.matchAll(/\sid="([^"]*)"/g)].map(([, id]) => id!);
  expect(ids.filter((id, i) => ids.indexOf(id) !== i)).toEqual([]);
  const wanted = [...html.matchAll(/(?:href="|url\()#([^")]*)/g)].map(([, id]) => id!);
  expect(wanted.filter((id) => !ids.includes(id))).toEqual([]);
}

/** Nothing is fetched and nothing runs: plain links are all that names another place. */
export function checkStandsAlone(html: string): void {
  const links = html
    .replace(/<a href="https:\/\/arxiv\.org\/[^"]*">/g, '<a>')
    .replace(/ xmlns(:\w+)?="[^"]*"/g, '');
  expect(links.match(/\b(src|srcset|href|action|data|poster)="(?!#)[^"]*"/g)).toBeNull();
  expect(links.match(/@import|url\((?!#)/g)).toBeNull();
  const seen = new Set(checkTags(html));
  for (const name of ['script', 'link', 'img', 'iframe', 'object', 'embed', 'form', 'base', 'image', 'use'])
    expect(seen.has(name), name).toBe(false);
  expect(links.match(/<[a-z][^>]*\son\w+=/g)).toBeNull();
}
