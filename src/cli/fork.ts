/**
 * `soliloquy fork`: a new run that shares another's beginning and goes on live with another cast, hyper-parameter or fact.
 */
import { readFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { forkRun } from '../../actors/fork.js';
import { type OverrideRequest, parseOverride, parseOverrides } from '../log/overrides.js';
import { type Config, type ConfigPart, mergeParts } from '../protocol/config.js';
import { reasonOf, SoliloquyError } from '../protocol/errors.js';
import { readRunConfig } from '../store/run-config.js';
import { freeName } from '../store/run-folder.js';
import { type AllowCommand, addAllowCommand, allowed } from './allow-command.js';
import { addCasts, castsIn, given } from './config-options.js';
import { inCache, pinnedConfig } from './hub.js';
import { wholeNumber } from './options.js';
import { machineryOf, type RunMachinery, runToEnd, withRunMachinery } from './running.js';
import { collectSet } from './set-option.js';

const ROLES = ['generator', 'responder', 'judge', 'trainer'] as const;
type Role = (typeof ROLES)[number];

interface Options extends RunMachinery, AllowCommand {
  readonly at?: string;
  readonly out?: string;
  readonly name?: string;
  readonly iterations?: number;
  readonly set?: ConfigPart[];
  readonly override?: readonly OverrideRequest[];
  readonly resample?: readonly Role[];
}

const EXAMPLES = `
--at: messages with a lower seq are shared. A version stands for the moment just before it is announced: M2 exists, and nothing
has been done with it. Whoever is recast keeps what it was doing; what it does next is done by the new player. Changes that the
shared messages contradict are refused, with the reason. A fork without any change comes to the parent's outcome.

--override changes a recorded fact and goes on from there; the fork begins at the first overridden fact. In a file:
[{"type": "judgement", "seq": 1234, "path": "score", "value": 2}, …]. --resample draws a role's random numbers anew.

Examples
  soliloquy fork runs/paper-1 --at M1 --cast.judge frozen:M1
  soliloquy fork runs/paper-1 --at M2 --set dpo.beta=0.3 --out runs/beta
  soliloquy fork runs/paper-1 --at judgement.made:100 --resample judge
  soliloquy fork runs/paper-1 --override judgement@1234.score=2
  soliloquy compare runs/paper-1 runs/paper-1-at-M1`;

function collectOverrides(text: string, before: readonly OverrideRequest[] = []): readonly OverrideRequest[] {
  try {
    if (text.includes('@')) return [...before, parseOverride(text)];
    return [...before, ...parseOverrides(text, readFileSync(text, 'utf8'))];
  } catch (error) {
    const fix = error instanceof SoliloquyError ? ` ${error.fields.fix}` : '';
    throw new InvalidArgumentError(`${reasonOf(error)}.${fix}`);
  }
}

export function forkCommand(): Command {
  const command = new Command('fork')
    .description('a new run that shares another’s beginning and goes on live, with something changed')
    .argument('<run>', 'the parent’s folder')
    .option(
      '--at <place>',
      'a seq (1234), a version (M2), or the n-th message of a type (judgement.made:100)',
    )
    .option('--out <dir>', 'the fork’s folder (default: beside the parent, named after it and the place)')
    .option('--name <label>', 'the fork’s name in tables (default: the parent’s)')
    .option('--iterations <n>', 'DPO iterations after M1', wholeNumber(0, 50))
    .option('--set <path=value>', 'any option of the config, repeatable', collectSet)
    .option(
      '--override <fact>',
      'TYPE@SEQ.path=value (types: prompt, responses, judgement, pair, or a message type), or a JSON file; repeatable',
      collectOverrides,
    )
    .addOption(
      new Option('--resample <role>', 'draws this role anew from here on, repeatable')
        .choices(ROLES)
        .argParser((role: string, before: readonly Role[] = []) => {
          if (!ROLES.includes(role as Role)) throw new InvalidArgumentError(`one of ${ROLES.join(', ')}.`);
          return [...before, role as Role];
        }),
    );
  return addAllowCommand(withRunMachinery(addCasts(command)))
    .addHelpText('after', EXAMPLES)
    .action(fork);
}

/** Another seed for each role that is drawn anew: one more than the one it had. */
const reseeded = ({ seed, reseed }: Config, roles: readonly Role[]): Partial<Record<Role, number>> =>
  Object.fromEntries(roles.map((role) => [role, (reseed[role] ?? seed) + 1]));

async function fork(parent: string, options: Options): Promise<void> {
  const { at, name, iterations, override = [], resample = [] } = options;
  if (at === undefined && override.length === 0)
    throw new SoliloquyError('usage', 'fork: where?', {
      fix: 'say --at SEQ|M2|type:n, or --override a fact',
    });
  const before = readRunConfig(parent).config;
  await inCache(before);
  const flags = given({ name, iterations, cast: castsIn(options), reseed: reseeded(before, resample) });
  const place = at ?? `override-${Math.min(...override.map(({ seq }) => seq))}`;
  const beside = join(
    dirname(resolve(parent)),
    `${basename(resolve(parent))}-at-${place.replaceAll(/[^\w.-]/g, '-')}`,
  );
  const out = options.out ?? freeName(beside);
  const { run, config, seq, changes, progress } = await forkRun({
    ...machineryOf(options),
    ...allowed(options),
    parent,
    out,
    at,
    changes: await pinnedConfig(mergeParts(...(options.set ?? []), flags as ConfigPart)),
    overrides: override,
  });
  const what = [
    ...Object.entries(changes).map(([path, value]) => `${path}=${JSON.stringify(value)}`),
    ...override.map(({ type, seq: of, path, value }) => `${type}@${of}.${path}=${JSON.stringify(value)}`),
  ];
  const said = `fork of ${parent} at message ${seq}: ${what.join(', ') || 'nothing changed'}; ${run.backend} × ${options.workers} → ${out}`;
  await runToEnd(run, config, options, { said, from: progress });
}
