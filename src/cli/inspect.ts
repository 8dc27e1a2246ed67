/**
 * `soliloquy inspect [RUN]`: the page on a recorded run, or on one that another process is writing.
 */
import { join } from 'node:path';
import { Command } from 'commander';
import { startInspector } from '../inspector/server.js';
import { SoliloquyError } from '../protocol/errors.js';
import { createHouse, runsIn } from './inspector-house.js';
import { interrupted, type StatelyFlags, showPage, withStately } from './inspector-options.js';
import { decimal, printJson, wholeNumber } from './options.js';
import { pageFolder } from './package.js';

interface Options extends StatelyFlags {
  readonly port: number;
  readonly open: boolean;
  readonly speed?: number;
  readonly json?: true;
}

const EXAMPLES = `
Shows the statecharts, every message, episode and number of a run, at any moment of it; starts forks. All runs of the same folder
are at hand. A run in this process is steered by \`soliloquy run --inspect\`. Only this machine can open the page; nothing on it
comes from elsewhere. The first opening of a long log makes an index beside it (RUN/index/), with progress on the page.

Examples
  soliloquy inspect                         the newest run in runs/
  soliloquy inspect runs/paper-1 --port 8080
  soliloquy inspect runs/paper-1 --stately --redact --speed 5
  soliloquy run --inspect                   watch, hold, step and stop a live run`;

export const inspectCommand = (): Command =>
  withStately(
    new Command('inspect')
      .description('see a run in the browser: statecharts, messages, episodes, numbers, time')
      .argument('[run]', 'the run’s folder (default: the newest in runs/)')
      .option('--port <n>', 'the page’s port (default: any that is free)', wholeNumber(0, 65535), 0),
  )
    .option(
      '--speed <x>',
      'with --stately: so many times as fast as the run was (default: at once)',
      decimal(0.001, 1e9),
    )
    .option('--no-open', 'say the page’s address, open no browser')
    .option('--json', 'the address as one JSON line on standard output')
    .addHelpText('after', EXAMPLES)
    .action(inspect);

function newestRun(): string {
  const [newest] = runsIn('runs');
  if (newest !== undefined) return join('runs', newest);
  throw new SoliloquyError('run.missing', 'there is no run in runs/', {
    fix: 'make one: soliloquy run, or name a folder: soliloquy inspect RUN',
  });
}

async function inspect(path: string | undefined, options: Options): Promise<void> {
  const run = path ?? newestRun();
  const house = createHouse({ run });
  try {
    const { watched } = house.open(house.home);
    const inspector = await startInspector({ house, page: pageFolder(), port: options.port });
    if (options.json) printJson({ url: inspector.url, run: house.home });
    await showPage('inspector', inspector.url, options);
    const stately = await statelyOf(run, options);
    watched.onChange(() => {
      const { failure } = watched;
      if (failure !== undefined)
        process.stderr.write(`${failure instanceof Error ? failure.message : failure}\n`);
    });
    await interrupted();
    await stately?.close();
    await inspector.close();
  } finally {
    house.close();
  }
}

/** The log played into the Stately inspector, if that was asked for. */
async function statelyOf(run: string, options: Options) {
  const { stately, statelyPort, redact, speed } = options;
  if (!stately) return null;
  const { openStately } = await import('./stately-feed.js');
  const opened = await openStately({
    run,
    port: statelyPort ?? 0,
    redact: redact ?? false,
    ...(speed === undefined ? {} : { speed }),
  });
  await showPage('stately', opened.url, options);
  return opened;
}
