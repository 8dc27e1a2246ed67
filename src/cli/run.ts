/**
 * `soliloquy run`: the whole loop, with progress, ending in a table and a run folder.
 */
import { join } from 'node:path';
import { Command } from 'commander';
import { START } from '../../actors/streams.js';
import { createRun } from '../../actors/system.js';
import { type Config, type ConfigPart, mergeParts, resolveConfig } from '../protocol/config.js';
import { quick, worldPresets } from '../protocol/presets.js';
import { freeName } from '../store/run-folder.js';
import { addCasts, addWorld, castsIn, given, type WorldOptions, worldPart } from './config-options.js';
import { allExperiments, loadExperiment } from './experiments.js';
import { pinnedConfig } from './hub.js';
import { printJson, wholeNumber } from './options.js';
import { assetsFolder } from './package.js';
import { machineryOf, type RunMachinery, runToEnd, withRunMachinery } from './running.js';
import { collectSet } from './set-option.js';

interface Options extends RunMachinery, WorldOptions {
  readonly seed?: number;
  readonly iterations?: number;
  readonly out?: string;
  readonly quick?: true;
  readonly model?: string;
  readonly list?: true;
  readonly set?: ConfigPart[];
  readonly [cast: `cast.${string}`]: string | undefined;
}

const EXAMPLES = `
Examples
  soliloquy run                                     the paper's loop on the embedded world
  soliloquy run --quick                             the same path in under a minute
  soliloquy run frozen-judge --seed 3               an experiment of experiments/
  soliloquy run --cast.judge 'ensemble:[live,frozen:M1]' --set dpo.beta=0.2
  soliloquy run --world open-assistant --data trees.jsonl --model ./checkpoint
  soliloquy run --world files --data alpaca.json --data pairs.parquet --eval-data questions.jsonl --model hf:org/name`;

export function runCommand(): Command {
  const command = new Command('run')
    .description('run the loop: M0 → SFT baseline → M1 → M2 → M3 …, every message on the record')
    .argument('[experiment]', 'name of an experiment (see --list) or a file of your own', 'paper')
    .option('--list', 'list the experiments and stop')
    .option('--seed <n>', 'the run’s seed', wholeNumber(0))
    .option('--iterations <n>', 'DPO iterations after M1', wholeNumber(0, 50))
    .option('--out <dir>', 'the run’s folder (default: runs/<experiment>-<seed>, numbered if taken)')
    .option('--quick', 'small sizes: a look at the whole path, not a result')
    .option('--model <dir>', 'M0: a folder in Hugging Face layout, or hf:org/name@revision')
    .option('--set <path=value>', 'any option of the config, repeatable', collectSet);
  return withRunMachinery(addCasts(addWorld(command)))
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
  const flags = given({
    seed: options.seed,
    iterations: options.iterations,
    model: options.model,
    cast: castsIn(options),
    world: worldPart(world, options),
  });
  const config = resolveConfig(
    { name: experiment.name },
    worldPresets[world] ?? {},
    experiment.config,
    options.quick ? quick : {},
    sets,
    flags as ConfigPart,
  );
  return pinnedConfig(config);
}

async function runLoop(name: string, options: Options): Promise<void> {
  const config = await configOf(name, options);
  const out =
    options.out ?? freeName(join('runs', `${config.name}${options.quick ? '-quick' : ''}-${config.seed}`));
  const run = await createRun({ ...machineryOf(options), config, out, assets: assetsFolder() });
  const said = `${config.name}, seed ${config.seed}, ${run.backend} × ${options.workers} → ${out}`;
  await runToEnd(run, config, options, { said, from: START });
}
