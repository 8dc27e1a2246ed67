/**
 * `--inspect` and `--stately` of run, resume and fork: what can be watched beside a live run, and how long it stays.
 */
import type { Command } from 'commander';
import type { Run } from '../../actors/system.js';
import { inspectLive, type LiveInspector } from './live-inspector.js';
import { wholeNumber } from './options.js';

const port = wholeNumber(0, 65535);

export interface StatelyFlags {
  readonly stately?: true;
  readonly statelyPort?: number;
  readonly redact?: true;
}

export interface InspectorFlags extends StatelyFlags {
  readonly inspect?: true;
  readonly inspectPort?: number;
  /** Commander's name of --no-open. */
  readonly open?: boolean;
}

export const withStately = (command: Command): Command =>
  command
    .option(
      '--stately',
      'show the machines in stately.ai’s inspector too: its page, in a frame of ours, is told every message (see --redact); without this flag nothing leaves the machine',
    )
    .option('--stately-port <n>', 'with --stately: our relay’s port (default: any that is free)', port)
    .option('--redact', 'with --stately: no prompts, texts and contexts, only message types and states');

export const withInspector = (command: Command): Command =>
  withStately(
    command
      .option('--inspect', 'watch and steer the run on a page in the browser (this machine only)')
      .option('--inspect-port <n>', 'with --inspect: the page’s port (default: any that is free)', port),
  ).option('--no-open', 'with --inspect or --stately: say the page’s address, open no browser');

/** Says where a page is, and shows it. A browser that doesn't open is no failure: the address was said. */
export async function showPage(
  name: string,
  url: string,
  { open: mayOpen }: Pick<InspectorFlags, 'open'>,
): Promise<void> {
  process.stderr.write(`${name}: ${url}\n`);
  if (mayOpen === false || !process.stderr.isTTY) return;
  try {
    const { default: open } = await import('open');
    const browser = await open(url);
    browser.on('error', () => undefined);
    browser.unref();
  } catch {
    // said above
  }
}

/** Null if nothing of the kind was asked for. */
export async function openInspector(run: Run, flags: InspectorFlags): Promise<LiveInspector | null> {
  if (!flags.inspect && !flags.stately) return null;
  const inspector = await inspectLive(run, {
    page: flags.inspect ? (flags.inspectPort ?? 0) : null,
    stately: flags.stately ? { port: flags.statelyPort ?? 0, redact: flags.redact ?? false } : null,
  });
  const { url, stately } = inspector;
  if (url !== null) await showPage('inspector', url, flags);
  if (stately !== null) await showPage('stately', stately, flags);
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
