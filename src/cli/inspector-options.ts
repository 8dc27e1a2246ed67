/**
 * `--inspect` of run, resume and fork: the page beside a live run, and how long it stays.
 */
import type { Command } from 'commander';
import open from 'open';
import type { Run } from '../../actors/system.js';
import { inspectLive, type LiveInspector } from './live-inspector.js';
import { wholeNumber } from './options.js';

export interface InspectorFlags {
  readonly inspect?: true;
  readonly inspectPort?: number;
  /** Commander's name of --no-open. */
  readonly open?: boolean;
}

export const withInspector = (command: Command): Command =>
  command
    .option('--inspect', 'watch and steer the run on a page in the browser (this machine only)')
    .option(
      '--inspect-port <n>',
      'with --inspect: the page’s port (default: any that is free)',
      wholeNumber(0, 65535),
    )
    .option('--no-open', 'with --inspect: say the page’s address, open no browser');

/** Says where the page is, and shows it. A browser that doesn't open is no failure: the address was said. */
export async function showPage(url: string, { open: mayOpen }: Pick<InspectorFlags, 'open'>): Promise<void> {
  process.stderr.write(`inspector: ${url}\n`);
  if (mayOpen === false || !process.stderr.isTTY) return;
  try {
    const browser = await open(url);
    browser.on('error', () => undefined);
    browser.unref();
  } catch {
    // said above
  }
}

export async function openInspector(run: Run, flags: InspectorFlags): Promise<LiveInspector> {
  const inspector = await inspectLive(run, flags.inspectPort ?? 0);
  await showPage(inspector.url, flags);
  return inspector;
}

/** Until Ctrl-C or SIGTERM. */
export const interrupted = (): Promise<void> =>
  new Promise((resolve) => {
    process.once('SIGINT', () => resolve());
    process.once('SIGTERM', () => resolve());
  });

export async function stayOpen(inspector: LiveInspector): Promise<void> {
  process.stderr.write('the page stays open: Ctrl-C closes it\n');
  await interrupted();
  await inspector.close();
}
