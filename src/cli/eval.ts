/**
 * `soliloquy eval`: the held-out measures of one version, by the run's own evaluator and with its random numbers: what needs
 * no other version comes out as in the run's metrics.jsonl.
 */
import Table from 'cli-table3';
import { Command } from 'commander';
import { castEndpoints, createServers } from '../../actors/endpoints.js';
import { evaluate } from '../../actors/evaluator.js';
import { clockOf, settledFormat } from '../../actors/format.js';
import { createWorld, templateFor } from '../../actors/worlds.js';
import { readCheckpoint } from '../lm/checkpoint.js';
import type { SharedModel } from '../pool/language-model.js';
import type { Config } from '../protocol/config.js';
import { SoliloquyError } from '../protocol/errors.js';
import type { VersionId } from '../protocol/ids.js';
import type { BodyOf, Metric } from '../protocol/messages.js';
import { addWorld } from './config-options.js';
import { type Subject, type SubjectOptions, subjectOf } from './evaluation-subject.js';
import { withLanguageModel } from './one-model.js';
import { type Machinery, printJson, systemClock, wholeNumber, withMachinery } from './options.js';

interface Options extends Machinery, SubjectOptions {
  readonly json?: true;
  readonly quiet?: true;
}

const EXAMPLES = `
Of a run: its own config, world and seed. Of a plain model: the default microworld's bank, or the one that --world and
--data name. Head-to-heads and the KL need another version and are left out. The last bits of the numbers may differ
between backends.

Examples
  soliloquy eval runs/paper-1                     the newest version
  soliloquy eval runs/paper-1 --version M2        the same as: soliloquy eval runs/paper-1/M2
  soliloquy eval ./checkpoint --json
  soliloquy eval ./checkpoint --world open-assistant --data trees.jsonl`;

export function evalCommand(): Command {
  const command = addWorld(new Command('eval'), 'whose held-out prompts and probe bank')
    .description('held-out measures of one version')
    .argument(
      '<run-or-model>',
      'a run’s folder, a version of it (RUN/M3), or a model folder in Hugging Face layout',
    )
    .option('--version <name>', 'of the run, such as M2 (default: the newest)')
    .option('--seed <n>', 'of the draws (default: the run’s; 1)', wholeNumber(0))
    .option('--held-out <n>', 'microworld: prompts to answer (default: the run’s; 300)', wholeNumber(1))
    .option('--probes <n>', 'microworld: probe groups to judge (default: the run’s; 150)', wholeNumber(0));
  return withMachinery(command)
    .option(
      '--json',
      '{"version", "seed", "world", "backend", "metrics": [{"name", "value", "interval", "n"}, …]}',
    )
    .option('--quiet', 'no progress')
    .addHelpText('after', EXAMPLES)
    .action(measure);
}

async function measure(name: string, options: Options): Promise<void> {
  const found = await subjectOf(name, options);
  const { version } = found;
  const config = await configOf(found);
  const subject = { ...found, config };
  const world = createWorld(config);
  const seedData = await world.seed();
  const silent = options.json || options.quiet || !process.stderr.isTTY;
  const servers = createServers(config.endpoints, castEndpoints(config), { clock: systemClock });
  await withLanguageModel({ ...options, ...clockOf(config) }, async (model) => {
    const load = loaderOf(model, subject);
    await load(version);
    const facts = await evaluate(
      {
        config,
        model,
        world,
        template: templateFor(config, world),
        seedData: () => seedData,
        load,
        exists: (other) => subject.folderOf(other) !== undefined,
        endpoint: servers.of,
        onProgress: (_version, share) =>
          silent || process.stderr.write(`\r\x1b[2K${Math.round(100 * share)} %  measuring ${version}`),
      },
      { version, against: [], reference: null, judge: config.cast.judge },
      new Map(),
    );
    if (!silent) process.stderr.write('\r\x1b[2K');
    // What needs another version has nothing to count.
    const { metrics } = facts.at(-1)!.body as BodyOf<'evaluation.made'>;
    const told = metrics.filter((metric) => metric.name !== 'kl');
    if (options.json)
      return printJson({
        version,
        seed: config.seed,
        world: world.name,
        backend: model.backend,
        metrics: told,
      });
    process.stdout.write(`${headOf(subject, world.name, model.backend)}\n${tableOf(told)}\n`);
  });
}

/** A run's model is asked as in its run, a plain one through its chat template where it has one. */
async function configOf({ version, config, folderOf, inRun }: Subject): Promise<Config> {
  const dir = folderOf(version);
  if (inRun || dir === undefined) return config;
  return settledFormat(config, await readCheckpoint(dir), systemClock);
}

const loaderOf =
  (model: SharedModel, subject: Subject) =>
  async (version: VersionId): Promise<void> => {
    if (model.has(version)) return;
    const dir = subject.folderOf(version);
    if (dir === undefined)
      throw new SoliloquyError('checkpoint.missing', `version ${version} is nowhere to be found`, {
        version,
        fix: 'cast a judge that exists',
      });
    model.register(version, await readCheckpoint(dir));
  };

function headOf({ version, config, backend }: Subject, world: string, by: string): string {
  const note = backend === null || backend === by ? '' : `; the run used ${backend}: last bits may differ`;
  return `${version} on ${world}, seed ${config.seed}, ${by}${note}`;
}

const HISTOGRAM = 'judge.histogram.';
const number = (value: number | null): string =>
  value === null ? '–' : String(Math.round(value * 1000) / 1000);

/** One line a metric; the histogram's bins stand together. */
function tableOf(metrics: readonly Metric[]): string {
  const style = { head: [], border: [], compact: true };
  const table = new Table({
    head: ['measure', 'value', `interval`, 'n'],
    colAligns: ['left', 'right', 'left', 'right'],
    style,
  });
  for (const { name, value, interval, n } of metrics.filter((metric) => !metric.name.startsWith(HISTOGRAM)))
    table.push([
      name,
      number(value),
      interval === null ? '' : `${number(interval.low)} – ${number(interval.high)}`,
      n,
    ]);
  const bins = metrics.filter((metric) => metric.name.startsWith(HISTOGRAM));
  const shown = bins.map(({ name, value }) => `${name.slice(HISTOGRAM.length)}: ${value}`).join('  ');
  return `${table.toString()}\njudge’s scores of the probes  ${shown}`;
}
