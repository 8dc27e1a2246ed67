#!/usr/bin/env node
/**
 * The `soliloquy` command: finds the subcommand, and turns whatever goes wrong into a clear message and an exit code:
 * 0 fine, 1 failed, 2 wrong usage.
 */
import { Command, CommanderError } from 'commander';
import { answerCommand } from './answer.js';
import { compareCommand } from './compare.js';
import { dataCommand } from './data.js';
import { doctorCommand } from './doctor.js';
import { evalCommand } from './eval.js';
import { exportCommand } from './export.js';
import { describe, exitCodeOf } from './failure.js';
import { forkCommand } from './fork.js';
import { generateCommand } from './generate.js';
import { withOffline } from './hub.js';
import { inspectCommand } from './inspect.js';
import { judgeBenchCommand } from './judge-bench.js';
import { machinesCommand } from './machines.js';
import { packageVersion } from './package.js';
import { parityCommand } from './parity.js';
import { pretrainCommand } from './pretrain.js';
import { replayCommand } from './replay.js';
import { reportCommand } from './report.js';
import { resumeCommand } from './resume.js';
import { runCommand } from './run.js';
import { scoreCommand } from './score.js';
import { serveCommand } from './serve.js';
import { sweepCommand } from './sweep.js';
import { trainCommand } from './train.js';
import { whyCommand } from './why.js';

export function program(): Command {
  const soliloquy = new Command('soliloquy')
    .description(
      'A lab for self-rewarding language models: one model invents, answers, judges and is trained on its own scores.',
    )
    .version(packageVersion())
    // `eval RUN --version M2` is eval's own option.
    .enablePositionalOptions()
    .exitOverride()
    .showHelpAfterError('(add --help for the options)');
  const commands = [
    runCommand,
    resumeCommand,
    replayCommand,
    forkCommand,
    sweepCommand,
    compareCommand,
    reportCommand,
    evalCommand,
    inspectCommand,
    whyCommand,
    scoreCommand,
    generateCommand,
    answerCommand,
    serveCommand,
    parityCommand,
    exportCommand,
    dataCommand,
    judgeBenchCommand,
    trainCommand,
    pretrainCommand,
    machinesCommand,
    doctorCommand,
  ];
  for (const make of commands)
    soliloquy.addCommand(
      withOffline(make()).exitOverride().showHelpAfterError('(add --help for the options)'),
    );
  return soliloquy;
}

async function main(): Promise<number> {
  try {
    await program().parseAsync(process.argv);
    return Number(process.exitCode ?? 0);
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    process.stderr.write(describe(error, process.argv.includes('--json')));
    return exitCodeOf(error);
  }
}

// A reader that has seen enough, such as `head`, is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

process.exitCode = await main();
