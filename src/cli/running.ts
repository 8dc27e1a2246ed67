/**
 * A run on its way, whoever made it: progress, Ctrl-C, and how its end is told.
 */
import { relative } from 'node:path';
import { type Command, Option } from 'commander';
import type { Machinery } from '../../actors/parts.js';
import type { Progress } from '../../actors/streams.js';
import type { Run, RunEnd } from '../../actors/system.js';
import { commandText } from '../protocol/command.js';
import type { Config } from '../protocol/config.js';
import { DURABILITIES, type Durability } from '../protocol/durability.js';
import { reasonOf } from '../protocol/errors.js';
import { foldFact, noFacts } from '../report/report-facts.js';
import { summary } from '../report/summary.js';
import type { Tally } from '../report/tally.js';
import type { RunFolder } from '../store/run-folder.js';
import { type InspectorFlags, openInspector, stayOpen, withInspector } from './inspector-options.js';
import type { LiveInspector } from './live-inspector.js';
import { type Machinery as Flags, memoryOption, printJson, systemClock, withMachinery } from './options.js';
import { packageVersion } from './package.js';
import { showProgress } from './progress.js';
import { tellEvents } from './run-events.js';
import { type Folded, foldReport, reportFile, writeReport } from './write-report.js';

export interface Showing {
  readonly json?: true;
  readonly quiet?: true;
}

export interface RunMachinery extends Flags, Showing, InspectorFlags {
  readonly durability: Durability;
  /** Bytes. */
  readonly memory?: number;
}

export const withRunMachinery = (command: Command): Command =>
  withInspector(withMachinery(command))
    .addOption(
      new Option(
        '--durability <when>',
        'when the disk has a message: `message` at once, `grouped` within a quarter of a second, `none` when the system likes; a crash of the program alone loses nothing in any case',
      )
        .choices(DURABILITIES)
        .default('grouped' satisfies Durability),
    )
    .addOption(memoryOption('run'))
    .option('--json', 'what happens as JSON, one event a line; the last is the end (with --quiet: only that)')
    .option('--quiet', 'no progress');

export const machineryOf = ({ workers, backend, durability, memory }: RunMachinery): Machinery => ({
  workers,
  backend,
  durability,
  ...(memory === undefined ? {} : { memory }),
  clock: systemClock,
  versions: { soliloquy: packageVersion(), node: process.version },
});

export interface Beginning {
  /** Told before all else. */
  readonly said: string;
  readonly from: Progress;
}

export async function runToEnd(
  run: Run,
  config: Config,
  options: Showing & InspectorFlags,
  { said, from }: Beginning,
): Promise<void> {
  const isNew = from.messages === 0;
  const facts = noFacts();
  if (isNew) run.messages$.subscribe((envelope) => foldFact(facts, envelope));
  if (!options.json && !options.quiet) process.stderr.write(`${said}\n`);
  // Whatever is quiet: a program of the config's is about to be run.
  if (config.cast.trainer === 'command')
    process.stderr.write(`the trainer’s command: ${commandText(config.command)}\n`);
  const stopProgress = showing(run, config, options, from);
  const inspector = await watched(run, options);
  const signals = stopOnSignal(run);
  let end: RunEnd;
  try {
    end = await run.start();
  } catch (error) {
    await inspector?.close();
    throw error;
  } finally {
    signals.release();
    stopProgress();
  }
  inspector?.ended();
  const folded = isNew ? { ...end, facts, torn: false } : await foldReport(run.folder.log);
  const report = await reported(run.folder, folded, options);
  tell({ ...end, report }, folded.facts.tally, config, options);
  // Who was told to go by a signal goes; a run that the page has stopped can still be looked at.
  if (signals.asked()) await inspector?.close();
  else if (inspector) await stayOpen(inspector);
}

/** What watches it, if anything does. A page that can't be opened ends the run before its first message. */
async function watched(run: Run, options: InspectorFlags): Promise<LiveInspector | null> {
  try {
    return await openInspector(run, options);
  } catch (error) {
    run.stop();
    await run.start();
    throw error;
  }
}

/** The report's file; null, with the reason told, where it couldn't be written: a run doesn't fail by that. */
export async function reported(
  folder: RunFolder,
  folded: Folded,
  { json, quiet }: Showing,
): Promise<string | null> {
  const file = reportFile(folder);
  try {
    const begun = performance.now();
    await writeReport(folder, folded, file);
    const took = (performance.now() - begun) / 1000;
    if (!json && !quiet) process.stderr.write(`report written in ${took.toFixed(1)} s\n`);
    return file;
  } catch (error) {
    process.stderr.write(
      `no report was written (${reasonOf(error)}); make it with: npx soliloquy report ${folder.path}\n`,
    );
    return null;
  }
}

interface Told extends RunEnd {
  readonly report: string | null;
}

/** Whoever is told while it goes on: a program, a person, nobody. */
function showing(run: Run, config: Config, { json, quiet }: Showing, from: Progress): () => void {
  if (json && !quiet) return tellEvents(run, config, systemClock, from);
  if (json || quiet) return () => undefined;
  return showProgress(run, config, process.stderr, systemClock, from);
}

/** The first Ctrl-C ends the run between two messages, the second at once. */
function stopOnSignal(run: Run): { readonly release: () => void; readonly asked: () => boolean } {
  let asked = false;
  const onSignal = () => {
    if (asked) process.exit(130);
    asked = true;
    process.stderr.write('\nstopping at the next message (again to leave at once) …\n');
    run.stop();
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return {
    asked: () => asked,
    release() {
      process.off('SIGINT', onSignal);
      process.off('SIGTERM', onSignal);
    },
  };
}

function tell(end: Told, tally: Tally, config: Config, options: Showing): void {
  const { status, folder, messages, outcomeHash, headHash, reason, report } = end;
  if (status !== 'finished') process.exitCode = status === 'stopped' ? 130 : 1;
  const metrics = Object.fromEntries(
    [...tally.metrics].map(([version, own]) => [version, [...own.values()]]),
  );
  if (options.json) {
    const run = folder.path;
    const usage = Object.fromEntries([...tally.usage].map(([name, own]) => [name, Object.fromEntries(own)]));
    printJson({
      event: 'ended',
      status,
      run,
      messages,
      outcomeHash,
      headHash,
      reason,
      report,
      metrics,
      lineage: tally.versions,
      ...(tally.usage.size > 0 ? { usage } : {}),
    });
    return;
  }
  if (status === 'finished') process.stdout.write(`\n${summary(tally)}\n`);
  process.stdout.write(`\n${whereThingsLie(end, config)}`);
}

function whereThingsLie(end: Told, config: Config): string {
  const { status, folder, messages, outcomeHash, reason, report } = end;
  const near = relative(process.cwd(), folder.path);
  const at = near === '' || near.startsWith('..') ? folder.path : near;
  const head = { finished: 'Finished', stopped: 'Stopped', failed: `Failed: ${reason}` }[status];
  const lines = [
    `${head}. ${messages} messages, outcome ${outcomeHash.slice(0, 16)}`,
    `  ${at}/messages.jsonl   every message, hash-chained     ${at}/metrics.jsonl   every measurement`,
    `  ${at}/models/          each version, Hugging Face layout     ${at}/data/   what each was trained on`,
    ...(report === null ? [] : [`  ${at}/report.html      all of it on one page, to read and to send`]),
  ];
  const next =
    status === 'finished'
      ? [
          'Try next:',
          `  npx soliloquy inspect ${at}     see it: statecharts, messages, episodes, numbers`,
          `  npx soliloquy fork ${at} --at M1 --cast.judge frozen:M1     what the moving judge is worth`,
          `  npx soliloquy run hacking --seed ${config.seed}          reward hacking, seen against the true score`,
          `  npx soliloquy why ${at} M${config.iterations + 1}     what is behind the last version`,
          `  npx soliloquy generate ${at}/M${config.iterations + 1} --prompt "…"     talk to the last version`,
        ]
      : [`To go on: npx soliloquy resume ${at}     with the same outcome as if it had not stopped`];
  return `${[...lines, ...next].join('\n')}\n`;
}
