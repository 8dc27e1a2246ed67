/**
 * `soliloquy export` of a run: its data and its log in forms that other programs read.
 */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { isSoliloquyError, SoliloquyError } from '../protocol/errors.js';
import type { Written } from '../report/export-file.js';
import { exportOtel, OTEL_FILES } from '../report/export-otel.js';
import { exportParquet, PARQUET_FILES } from '../report/export-parquet.js';
import { exportPerfetto, PERFETTO_FILES } from '../report/export-perfetto.js';
import { exportTrl, TRL_FILES, type TrlStyle } from '../report/export-trl.js';
import { newFolder } from './new-folder.js';
import { printJson, sizeText } from './options.js';
import { packageVersion } from './package.js';
import { type RunArgument, runArgument } from './run-argument.js';

export const RUN_FORMATS = ['trl', 'otel', 'perfetto', 'parquet'] as const;
export type RunFormat = (typeof RUN_FORMATS)[number];

export const isRunFormat = (format: string): format is RunFormat => RUN_FORMATS.some((one) => one === format);

export interface RunExport {
  readonly format: RunFormat;
  readonly to: string;
  /** Absent: as the run's models were asked. */
  readonly style?: TrlStyle;
  readonly force?: true;
  readonly json?: true;
}

const FILES: Readonly<Record<RunFormat, readonly string[]>> = {
  trl: TRL_FILES,
  otel: OTEL_FILES,
  perfetto: PERFETTO_FILES,
  parquet: PARQUET_FILES,
};

function write(run: RunArgument, { format, to, style }: RunExport): Promise<readonly Written[]> {
  switch (format) {
    case 'trl':
      return exportTrl(run, to, style);
    case 'otel':
      return exportOtel({ ...run, soliloquy: packageVersion() }, to);
    case 'perfetto':
      return exportPerfetto(run, to);
    case 'parquet':
      return exportParquet(run, to);
    default:
      return format satisfies never;
  }
}

/** A folder to write to: new, or with --force one that holds nothing but an earlier export of this format. */
function targetFolder({ format, to, force }: RunExport): void {
  try {
    newFolder(to);
  } catch (error) {
    if (!isSoliloquyError(error) || error.code !== 'run.exists') throw error;
    const strange = readdirSync(to).filter((name) => !FILES[format].includes(name));
    if (force && strange.length === 0) return;
    const fix =
      strange.length === 0
        ? 'name another folder with --to, or add --force to replace the earlier export there'
        : `name another folder with --to: it holds ${strange.slice(0, 3).join(', ')}`;
    throw new SoliloquyError('run.exists', error.message, { ...error.fields, fix });
  }
}

export async function exportRun(name: string, options: RunExport): Promise<void> {
  const { format, to, json } = options;
  const run = runArgument(name);
  targetFolder(options);
  const written = await write(run, options);
  const files = written.map((file) => ({ ...file, bytes: statSync(join(to, file.name)).size }));
  if (json) return printJson({ to, format, run: run.name, files });
  const width = Math.max(...files.map((file) => file.name.length));
  for (const file of files)
    process.stderr.write(
      `  ${file.name.padEnd(width)}  ${sizeText(file.bytes).padStart(9)}  ${file.rows} rows\n`,
    );
  process.stdout.write(
    `${to}: ${files.length} files, ${sizeText(files.reduce((sum, { bytes }) => sum + bytes, 0))}\n`,
  );
}
