/**
 * `soliloquy pretrain microworld`: makes M0 from random weights by the world's recipe, and says in recipe.json how to check it.
 */
import { join } from 'node:path';
import { Command } from 'commander';
import { writeCheckpoint } from '../lm/checkpoint-writer.js';
import { SoliloquyError } from '../protocol/errors.js';
import { versionId } from '../protocol/ids.js';
import { writeAtomic } from '../store/files.js';
import { PRETRAINING } from '../worlds/microworld/pretraining.js';
import { PREFIX_STEPS, type Pretraining, pretrain, recipeOf } from './microworld-m0.js';
import { newFolder } from './new-folder.js';
import { withLanguageModel } from './one-model.js';
import { type Machinery, printJson, systemClock, wholeNumber, withMachinery } from './options.js';
import { packageVersion } from './package.js';
import { silentProgress, stepProgress } from './step-progress.js';

interface Options extends Machinery {
  readonly to: string;
  readonly steps: number;
  readonly seed: number;
  readonly stopAfter?: number;
  readonly json?: true;
  readonly quiet?: true;
}

const EXAMPLES = `
Writes a model in Hugging Face layout with recipe.json: the recipe, and the hash of the weights at the end and after the
first ${PREFIX_STEPS} steps (derived on wasm, whatever backend does the rest), which anyone can check in seconds.

Examples
  soliloquy pretrain microworld --to my-m0
  soliloquy pretrain microworld --to look --stop-after 50     the first 50 steps of the same course
  soliloquy run --model my-m0`;

export function pretrainCommand(): Command {
  const microworld = withMachinery(
    new Command('microworld')
      .description('the embedded world’s M0')
      .requiredOption('--to <dir>', 'where the model goes; absent or empty before')
      .option(
        '--steps <n>',
        'that the course has; the learning rate falls over them',
        wholeNumber(1),
        PRETRAINING.steps,
      )
      .option('--seed <n>', 'of weights and text', wholeNumber(0), PRETRAINING.seed)
      .option('--stop-after <n>', 'end the course early, after so many of its steps', wholeNumber(1)),
  )
    .option('--json', 'one JSON line at the end (recipe.json without the curve), progress off')
    .option('--quiet', 'no progress')
    .exitOverride()
    .showHelpAfterError('(add --help for the options)')
    .addHelpText('after', EXAMPLES)
    .action(pretrainMicroworld);
  return new Command('pretrain').description('make M0 from random weights').addCommand(microworld);
}

const M0 = versionId('M0');
const PREFIX = versionId('prefix');

async function pretrainMicroworld(options: Options): Promise<void> {
  const { to, seed, steps, stopAfter = steps, json, quiet } = options;
  if (stopAfter > steps)
    throw new SoliloquyError('usage', `--stop-after ${stopAfter} is beyond the course's ${steps} steps`, {
      fix: 'lower it, or raise --steps',
    });
  newFolder(to);
  const course: Pretraining = { seed, steps };
  const silent = json || quiet;
  if (!silent) process.stderr.write(`the first ${PREFIX_STEPS} steps on wasm, for recipe.json …\n`);
  const prefix = await prefixOf(course, options.workers);
  await withLanguageModel(options, async (model) => {
    if (!silent)
      process.stderr.write(
        `microworld M0, seed ${seed}: ${stopAfter} of ${steps} steps, ${model.backend} × ${model.workers} → ${to}\n`,
      );
    const progress = silent ? silentProgress : stepProgress(process.stderr, systemClock);
    const outcome = await pretrain(model, M0, course, stopAfter, progress.show).finally(progress.end);
    const made = {
      recipe: recipeOf(course),
      seed,
      steps: outcome.steps,
      backend: model.backend,
      soliloquy: packageVersion(),
      loss: outcome.curve.at(-1)!.loss,
      weightsHash: outcome.weightsHash,
      prefix,
    };
    writeAtomic(join(to, 'recipe.json'), `${JSON.stringify(made, null, 2)}\n`);
    await writeCheckpoint(to, await model.checkpoint(M0));
    if (json) printJson({ to, ...made });
    else
      process.stdout.write(
        `${to}: loss ${made.loss.toFixed(4)}, weights ${made.weightsHash.slice(0, 16)}, after ${prefix.steps} steps ${prefix.weightsHash.slice(0, 16)}\n`,
      );
  });
}

/** The first steps on wasm: it gives the same bits on every machine. */
export async function prefixOf(
  course: Pretraining,
  workers: number,
): Promise<{ readonly steps: number; readonly weightsHash: string }> {
  const steps = Math.min(PREFIX_STEPS, course.steps);
  return withLanguageModel({ workers, backend: 'wasm' }, async (model) => {
    const { weightsHash } = await pretrain(model, PREFIX, course, steps);
    return { steps, weightsHash };
  });
}
