/**
 * `soliloquy data`: what a data file is, how many of its rows are of use, and why the others are not.
 */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { type DataRecord, promptText } from '../data/records.js';
import { type Survey, surveyFile } from '../data/survey.js';
import { isSoliloquyError, SoliloquyError } from '../protocol/errors.js';
import { isHubId } from '../store/hub/hub-id.js';
import { dataPaths } from './hub.js';
import { printJson, wholeNumber } from './options.js';

interface Options {
  readonly json?: true;
  readonly show: number;
}

interface NotRead {
  readonly file: string;
  readonly error: { readonly code: string; readonly message: string };
}

const EXAMPLES = `
A file's layout is told from its content, not its name: JSON lines or one JSON list (both perhaps gzipped), or Parquet.
docs/data.md names the layouts. Exit code 1 where nothing is of use, or a named file can't be read to its end.

Examples
  soliloquy data trees.jsonl.gz
  soliloquy data downloads/ --json
  soliloquy data preferences.parquet --show 3`;

export const dataCommand = (): Command =>
  new Command('data')
    .description('what a data file is, how many of its rows are of use, and why others are not')
    .argument(
      '<file-or-folder>',
      'of a folder, every file in it and below; or hf:datasets/org/name@revision:path',
    )
    .option('--show <n>', 'records to show of each file', wholeNumber(0, 1000), 0)
    .option('--json', '{"files": [{"file", "layout", "rows", "usable", "records", "reasons", …}, …]}')
    .addHelpText('after', EXAMPLES)
    .action(tellOf);

async function tellOf(given: string, options: Options): Promise<void> {
  if (isHubId(given)) return tellFiles(await dataPaths(given), true, options);
  const path = given;
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat) {
    const fix = 'name a file or a folder that exists';
    throw new SoliloquyError('data.unreadable', `${path} does not exist`, { file: path, fix });
  }
  return tellFiles(stat.isDirectory() ? filesIn(path) : [path], stat.isDirectory(), options);
}

/** `among`: one of them that is broken is told of beside the others. */
async function tellFiles(files: readonly string[], among: boolean, options: Options): Promise<void> {
  const told: (Survey | NotRead)[] = [];
  for (const file of files) told.push(await surveyed(file, options.show, among));
  if (options.json) printJson({ files: told });
  else process.stdout.write(`${told.map(textOf).join('\n\n')}${told.length > 0 ? '\n' : 'no file\n'}`);
  const useful = told.some((one) => 'usable' in one && one.usable > 0);
  const broken = !among && told.some((one) => 'stopped' in one);
  if (!useful || broken) process.exitCode = 1;
}

const filesIn = (folder: string): string[] =>
  readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && !entry.name.startsWith('.'))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();

/** In a folder, a file that can't be read is told of beside the others. */
async function surveyed(file: string, show: number, among: boolean): Promise<Survey | NotRead> {
  try {
    return await surveyFile(file, show);
  } catch (error) {
    if (!among || !isSoliloquyError(error)) throw error;
    return { file, error: { code: error.code, message: error.message } };
  }
}

const NAMES: Readonly<Record<DataRecord['kind'], string>> = {
  instruction: 'instruction',
  preference: 'preference pair',
  ranked: 'ranked group',
  question: 'evaluation question',
  annotation: 'annotation',
};

const plural = (n: number, one: string): string => `${n} ${one}${n === 1 ? '' : 's'}`;

function textOf(one: Survey | NotRead): string {
  if ('error' in one) return `${one.file}\n  not read: ${one.error.message}`;
  const { file, title, layout, format, unit, rows, usable, records, reasons, winRate, stopped } = one;
  const counts = Object.entries(records).map(([kind, n]) => plural(n, NAMES[kind as DataRecord['kind']]));
  const lines = [
    file,
    `  ${title} [${layout}; ${format}]`,
    `  ${usable} of ${plural(rows, unit)} of use: ${counts.join(', ') || 'no record'}`,
  ];
  for (const { reason, of, count, first } of reasons)
    lines.push(`  ${of === 'row' ? 'left out' : 'in part '}  ${count} × ${reason} (first: ${unit} ${first})`);
  if (winRate?.winRate != null)
    lines.push(
      `  win rate of output_2 ${winRate.winRate.toFixed(2)} % ± ${winRate.standardError?.toFixed(2) ?? '–'} (${winRate.wins} wins, ${winRate.draws} draws, ${winRate.losses} losses)`,
    );
  if (stopped !== undefined) lines.push(`  stopped: ${stopped}`);
  for (const record of one.shown) lines.push('', shownText(record));
  return lines.join('\n');
}

const cut = (text: string, chars: number): string => {
  const flat = text.replace(/\s+/g, ' ').trim();
  return flat.length > chars ? `${flat.slice(0, chars - 1)}…` : flat;
};

function shownText(record: DataRecord): string {
  const line = (name: string, text: string) => `    ${name.padEnd(10)} ${cut(text, 96)}`;
  const head = `  ${record.kind} ${record.id}`;
  switch (record.kind) {
    case 'instruction':
      return [head, line('prompt', promptText(record.turns)), line('response', record.response)].join('\n');
    case 'preference':
      return [
        head,
        line('prompt', promptText(record.turns)),
        line('chosen', record.chosen),
        line('rejected', record.rejected),
      ].join('\n');
    case 'ranked':
      return [
        head,
        line('prompt', promptText(record.turns)),
        ...record.responses.map(({ value, text }) => line(String(value), text)),
      ].join('\n');
    case 'question':
      return [
        head,
        ...(record.turns ?? []).map((turn) => line('turn', turn)),
        ...(record.answer?.turns ?? []).map((turn) => line('answer', turn)),
      ].join('\n');
    case 'annotation':
      return [
        head,
        ...(record.turns.length > 0 ? [line('prompt', promptText(record.turns))] : []),
        ...record.answers.map(({ text, model }, i) => line(model ?? `answer ${i + 1}`, text ?? '–')),
        line('verdict', `${record.preference ?? record.score} by ${record.by}`),
      ].join('\n');
    default:
      return record satisfies never;
  }
}
