/**
 * `soliloquy run`: the whole loop, with progress, ending in a table and a run folder.
 */
import { join, relative } from 'node:path';
import { Command, Option } from 'commander';
import { createRun, type Run, type RunEnd } from '../../actors/system.js';
import { type Config, type ConfigPart, mergeParts, resolveConfig } from '../protocol/config.js';
import { quick, type WorldName, worldPresets } from '../protocol/presets.js';
import { summary } from '../report/summary.js';
import { emptyTally, type Tally, tallyMessage } from '../report/tally.js';
import { freeName } from '../store/run-folder.js';
import { allExperiments, loadExperiment } from './experiments.js';
import { type Machinery, printJson, systemClock, wholeNumber, withMachinery } from './options.js';
import { assetsFolder, packageVersion } from './package.js';
import { showProgress } from './progress.js';
import { collectSet } from './set-option.js';

interface Options extends Machinery {
  readonly seed?: number;
  readonly iterations?: number;
  readonly out?: string;
  readonly quick?: true;
  readonly world?: WorldName;
  readonly data?: string;
  readonly model?: string;
  readonly list?: true;
  readonly json?: true;
  readonly quiet?: true;
  readonly set?: ConfigPart[];
  readonly [cast: `cast.${string}`]: string | undefined;
}

const EXAMPLES = `
Examples
  soliloquy run                                     the paper's loop on the embedded world
  soliloquy run --quick                             the same path in under a minute
  soliloquy run frozen-judge --seed 3               an experiment of experiments/
  soliloquy run --cast.judge 'ensemble:[live,frozen:M1]' --set dpo.beta=0.2
  soliloquy run --world open-assistant --data trees.jsonl --model ./checkpoint`;

export function runCommand(): Command {
  const command = new Command('run')
    .description('run the loop: M0 → SFT baseline → M1 → M2 → M3 …, every message on the record')
    .argument('[experiment]', 'name of an experiment (see --list) or a file of your own', 'paper')
    .option('--list', 'list the experiments and stop')
    .option('--seed <n>', 'the run’s seed', wholeNumber(0))
    .option('--iterations <n>', 'DPO iterations after M1', wholeNumber(0, 50))
    .option('--out <dir>', 'the run’s folder (default: runs/<experiment>-<seed>, numbered if taken)')
    .option('--quick', 'small sizes: a look at the whole path, not a result')
    .addOption(
      new Option('--world <name>', 'where seed data comes from').choices(['microworld', 'open-assistant']),
    )
    .option('--data <file>', 'open-assistant: a message-tree export, .jsonl or .jsonl.gz')
    .option('--model <dir>', 'M0: a folder in Hugging Face layout')
    .option('--set <path=value>', 'any option of the config, repeatable', collectSet);
  for (const role of ['generator', 'responder', 'judge', 'trainer'])
    command.option(
      `--cast.${role} <player>`,
      `who plays the ${role}${role === 'judge' ? ', e.g. frozen:M1, oracle, constant:3' : ''}`,
    );
  return withMachinery(command)
    .option('--json', 'one JSON line at the end, progress off')
    .option('--quiet', 'no progress')
    .addHelpText('after', EXAMPLES)
    .action(async (experiment: string, options: Options) =>
      options.list ? listExperiments(options) : runLoop(experiment, options),
    );
}

async function listExperiments({ json }: Options): Promise<void> {
  const experiments = await allExperiments();
  if (json) return printJson(experiments);
  for (const { name, summary } of experiments) process.stdout.write(`${name.padEnd(24)}${summary}\n`);
}

/** Later wins: world preset, experiment, --quick, --set, own flags. */
export async function configOf(name: string, options: Options): Promise<Config> {
  const experiment = await loadExperiment(name);
  const sets = mergeParts(...(options.set ?? []));
  const world = options.world ?? sets.world?.name ?? experiment.config.world?.name ?? 'microworld';
  const cast = Object.fromEntries(
    Object.entries(options).flatMap(([key, value]) =>
      key.startsWith('cast.') ? [[key.slice(5), value]] : [],
    ),
  );
  const given = <T extends object>(part: T): T =>
    Object.fromEntries(Object.entries(part).filter(([, value]) => value !== undefined)) as T;
  const flags = given({
    seed: options.seed,
    iterations: options.iterations,
    model: options.model,
    cast,
    world: given({ name: world, data: options.data }),
  });
  return resolveConfig(
    { name: experiment.name },
    worldPresets[world] ?? {},
    experiment.config,
    options.quick ? quick : {},
    sets,
    flags as ConfigPart,
  );
}

async function runLoop(name: string, options: Options): Promise<void> {
  const config = await configOf(name, options);
  const out =
    options.out ?? freeName(join('runs', `${config.name}${options.quick ? '-quick' : ''}-${config.seed}`));
  const run = await createRun({
    config,
    out,
    assets: assetsFolder(),
    workers: options.workers,
    backend: options.backend,
    clock: systemClock,
    versions: { soliloquy: packageVersion(), node: process.version },
  });
  const tally = emptyTally();
  run.messages$.subscribe((envelope) => tallyMessage(tally, envelope));
  const silent = options.json || options.quiet;
  if (!silent)
    process.stderr.write(
      `${config.name}, seed ${config.seed}, ${run.backend} × ${options.workers} → ${out}\n`,
    );
  const stopProgress = silent ? () => {} : showProgress(run, config, process.stderr, systemClock);
  const release = stopOnSignal(run);
  let end: RunEnd;
  try {
    end = await run.start();
  } finally {
    release();
    stopProgress();
  }
  tell(end, tally, config, options);
}

/** The first Ctrl-C ends the run between two messages, the second at once. */
function stopOnSignal(run: Run): () => void {
  let asked = false;
  const onSignal = () => {
    if (asked) process.exit(130);
    asked = true;
    process.stderr.write('\nstopping at the next message (again to leave at once) …\n');
    run.stop();
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return () => {
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
  };
}

function tell(end: RunEnd, tally: Tally, config: Config, options: Options): void {
  const { status, folder, messages, outcomeHash, headHash, reason } = end;
  if (status !== 'finished') process.exitCode = status === 'stopped' ? 130 : 1;
  const metrics = Object.fromEntries(
    [...tally.metrics].map(([version, own]) => [version, [...own.values()]]),
  );
  if (options.json) {
    const run = folder.path;
    printJson({ status, run, messages, outcomeHash, headHash, reason, metrics, lineage: tally.versions });
    return;
  }
  if (status === 'finished') process.stdout.write(`\n${summary(tally)}\n`);
  process.stdout.write(`\n${whereThingsLie(end, config)}`);
}

function whereThingsLie({ status, folder, messages, outcomeHash, reason }: RunEnd, config: Config): string {
  const near = relative(process.cwd(), folder.path);
  const at = near === '' || near.startsWith('..') ? folder.path : near;
  const head = { finished: 'Finished', stopped: 'Stopped', failed: `Failed: ${reason}` }[status];
  const lines = [
    `${head}. ${messages} messages, outcome ${outcomeHash.slice(0, 16)}`,
    `  ${at}/messages.jsonl   every message, hash-chained     ${at}/metrics.jsonl   every measurement`,
    `  ${at}/models/          each version, Hugging Face layout     ${at}/data/   what each was trained on`,
  ];
  const next =
    status === 'finished'
      ? [
          'Try next:',
          `  npx soliloquy run frozen-judge --seed ${config.seed}     what the moving judge is worth`,
          `  npx soliloquy run hacking --seed ${config.seed}          reward hacking, seen against the true score`,
          `  npx soliloquy generate ${at}/M${config.iterations + 1} --prompt "…"     talk to the last version`,
        ]
      : [
          'To go on: the same command with the same seed makes the same run again from the start (into a new folder);',
          '  all that was written so far stays readable where it is.',
        ];
  return `${[...lines, ...next].join('\n')}\n`;
}
