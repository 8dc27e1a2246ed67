/**
 * A training by an external command: makes its folder, runs it, watches it, and takes its checkpoint as the new version. A job
 * that ended well before (a crash came between its end and the log) is taken as it stands; else the command runs, with the same
 * folder to write to. Only a command that was consented to is run.
 */
import type { Checkpoint } from '../../src/lm/checkpoint.js';
import { readSuccessor } from '../../src/lm/successor.js';
import { weightsHash } from '../../src/lm/weights.js';
import type { Commands } from '../../src/players/command-process.js';
import { createStepReader } from '../../src/players/trainer-output.js';
import {
  type CommandConfig,
  commandText,
  commandWords,
  environmentOf,
  filledIn,
} from '../../src/protocol/command.js';
import type { Config } from '../../src/protocol/config.js';
import { SoliloquyError } from '../../src/protocol/errors.js';
import type { ToldStep } from '../../src/protocol/lm.js';
import type { BodyOf } from '../../src/protocol/messages.js';
import { type Job, jobOf, prepare, readDone, writeDone } from './job.js';
import { endOrphan, forgetProcess, noteProcess } from './orphan.js';

export interface CommandTraining {
  readonly commands: Commands;
  /** The command that may be run, as `commandText` gives it; null: none. */
  readonly consented: string | null;
  /** Of the version: training/M2.command */
  readonly dir: string;
}

export interface CommandOutcome {
  readonly checkpoint: Checkpoint;
  readonly weightsHash: string;
  /** 0: the weights are those it was given. A command that told no step counts as one. */
  readonly steps: number;
  readonly curve: readonly ToldStep[];
}

/** `rows`: what is trained on, in TRL's layout, at least one. */
export async function trainByCommand(
  job: BodyOf<'model.train'>,
  before: Checkpoint,
  rows: readonly object[],
  onStep: (step: ToldStep) => void,
  config: Config,
  { commands, consented, dir }: CommandTraining,
): Promise<CommandOutcome> {
  checkConsent(config, consented);
  const own = jobOf(dir, job, config, rows, before);
  await endOrphan(own.dir, 1000 * config.command.graceSeconds);
  const known = await finishedBefore(own, before);
  if (known) return known;
  await prepare(own, before);
  const curve = await run(own, config.command, onStep, commands);
  const taken = outcomeOf(await readSuccessor(own.paths.out, before), before, curve);
  writeDone(own, taken);
  return taken;
}

function checkConsent({ cast, command }: Config, consented: string | null): void {
  if (cast.trainer !== 'command')
    throw new SoliloquyError(
      'usage',
      'this training was ordered from a command, which is not cast any more',
      {
        fix: 'fork from before it was ordered (--at "training.request:N")',
      },
    );
  const asked = commandText(command);
  if (asked !== consented)
    throw new SoliloquyError('usage', `nobody has allowed the command of this run: ${asked}`, {
      command: asked,
      fix: 'read it; then add --allow-command',
    });
}

async function finishedBefore(job: Job, before: Checkpoint): Promise<CommandOutcome | null> {
  const done = readDone(job);
  if (!done) return null;
  try {
    const outcome = outcomeOf(await readSuccessor(job.paths.out, before), before, done.curve);
    return outcome.weightsHash === done.weightsHash ? outcome : null;
  } catch {
    return null; // gone or damaged since: the command makes it again
  }
}

function outcomeOf(checkpoint: Checkpoint, before: Checkpoint, curve: readonly ToldStep[]): CommandOutcome {
  const hash = weightsHash(checkpoint.weights);
  const steps = hash === weightsHash(before.weights) ? 0 : Math.max(1, curve.at(-1)?.step ?? 0);
  return { checkpoint, weightsHash: hash, steps, curve };
}

async function run(
  { dir, paths, logFile }: Job,
  command: CommandConfig,
  onStep: (step: ToldStep) => void,
  commands: Commands,
): Promise<readonly ToldStep[]> {
  const curve: ToldStep[] = [];
  const read = createStepReader();
  await commands.run({
    words: filledIn(commandWords(command), paths),
    env: { ...command.env, ...environmentOf(paths) },
    logFile,
    timeoutMs: command.timeoutMinutes * 60_000,
    graceMs: command.graceSeconds * 1000,
    onStart: (pid) => noteProcess(dir, pid),
    onLine(line) {
      const step = read(line);
      if (!step) return;
      curve.push(step);
      onStep(step);
    },
  });
  forgetProcess(dir);
  return curve;
}
