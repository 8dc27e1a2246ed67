/**
 * `soliloquy resume`: goes on with a run after a crash, a stop, a full disk.
 */
import { existsSync } from 'node:fs';
import { Command } from 'commander';
import { resumeRun } from '../../actors/resume.js';
import { readRunConfig } from '../store/run-config.js';
import { runFolder } from '../store/run-folder.js';
import { type AllowCommand, addAllowCommand, allowed } from './allow-command.js';
import { inCache } from './hub.js';
import { printJson } from './options.js';
import { assetsFolder } from './package.js';
import { machineryOf, type RunMachinery, reported, runToEnd, withRunMachinery } from './running.js';
import { foldReport, reportFile } from './write-report.js';

const EXAMPLES = `
The run ends with the outcome that it would have had without the interruption, if --backend is the one that it was begun with
(the default). A training goes on from its last kept step (--set flow.keepSteps=N of the run).

Examples
  soliloquy resume runs/paper-1
  soliloquy resume runs/paper-1 --workers 1 --json`;

export function resumeCommand(): Command {
  const command = new Command('resume')
    .description('go on with a run after a crash or a stop, with the same outcome')
    .argument('<run>', 'the run’s folder');
  return addAllowCommand(withRunMachinery(command)).addHelpText('after', EXAMPLES).action(resume);
}

async function resume(path: string, options: RunMachinery & AllowCommand): Promise<void> {
  await inCache(readRunConfig(path).config);
  const { run, config, notes, messages, progress } = await resumeRun({
    ...machineryOf(options),
    ...allowed(options),
    path,
    assets: assetsFolder(),
  });
  if (!options.json) for (const note of notes) process.stderr.write(`${note}\n`);
  if (run === null) {
    // It may have died between its last message and its report.
    const folder = runFolder(path);
    if (!existsSync(reportFile(folder))) await reported(folder, await foldReport(folder.log), options);
    if (options.json) printJson({ status: 'finished', run: path, messages, resumed: false });
    else process.stdout.write(`${path} is finished: nothing to do.\n`);
    return;
  }
  const said = `${config.name}, seed ${config.seed}, ${run.backend} × ${options.workers}: on from message ${messages} in ${path}`;
  await runToEnd(run, config, options, { said, from: progress });
}
