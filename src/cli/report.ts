/**
 * `soliloquy report`: a run as one HTML page, from its log alone.
 */
import { resolve } from 'node:path';
import { Command } from 'commander';
import { reasonOf, SoliloquyError } from '../protocol/errors.js';
import { printJson } from './options.js';
import { runArgument } from './run-argument.js';
import { foldReport, reportFile, writeReport } from './write-report.js';

interface Options {
  readonly out?: string;
  readonly json?: true;
}

const EXAMPLES = `
One file, no script, no request: what was run, the lineage, the paper's tables beside ours, plots, examples, and how to
reproduce it. A run writes it at its end; here it is made again, also of a run that is not finished.

Examples
  soliloquy report runs/paper-1
  soliloquy report runs/paper-1 --out paper.html`;

export function reportCommand(): Command {
  return new Command('report')
    .description('a run as one HTML page that can be sent to a colleague, from its log alone')
    .argument('<run>', 'a run’s folder')
    .option('--out <file>', 'the page (default: RUN/report.html)')
    .option('--json', 'one JSON line that names the file')
    .addHelpText('after', EXAMPLES)
    .action(report);
}

async function report(path: string, { out, json }: Options): Promise<void> {
  const { folder } = runArgument(path);
  const file = out === undefined ? reportFile(folder) : resolve(out);
  const folded = await foldReport(folder.log);
  try {
    await writeReport(folder, folded, file);
  } catch (cause) {
    if (cause instanceof SoliloquyError) throw cause;
    throw new SoliloquyError(
      'log.write',
      `can't write ${file}: ${reasonOf(cause)}`,
      { file, fix: 'name a file that can be written with --out' },
      { cause },
    );
  }
  if (json)
    printJson({ run: folder.path, report: file, messages: folded.facts.tally.messages, torn: folded.torn });
  else process.stdout.write(`${file}\n`);
}
