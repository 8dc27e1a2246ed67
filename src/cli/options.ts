/**
 * Options that several commands share, and how their texts become values. Wrong values are usage errors that name the flag.
 */
import { availableParallelism } from 'node:os';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { BACKEND_CHOICES, type BackendChoice } from '../protocol/backends.js';

export const wholeNumber =
  (low: number, high = Number.MAX_SAFE_INTEGER) =>
  (text: string): number => {
    const value = Number(text);
    if (text.trim() !== '' && Number.isInteger(value) && value >= low && value <= high) return value;
    throw new InvalidArgumentError(
      `expected a whole number from ${low}${high === Number.MAX_SAFE_INTEGER ? '' : ` to ${high}`}.`,
    );
  };

export const decimal =
  (low: number, high: number) =>
  (text: string): number => {
    const value = Number(text);
    if (text.trim() !== '' && value >= low && value <= high) return value;
    throw new InvalidArgumentError(`expected a number from ${low} to ${high}.`);
  };

/** `1,2,3` → token ids. */
export function tokenIds(text: string): number[] {
  const ids = text.split(',').map((part) => Number(part.trim()));
  if (text.trim() !== '' && ids.every((id) => Number.isInteger(id) && id >= 0)) return ids;
  throw new InvalidArgumentError('expected token ids such as 1,2,3.');
}

export interface Machinery {
  readonly workers: number;
  readonly backend: BackendChoice;
}

/** One thread a core, at most 8: more only helps models larger than this engine is made for. */
export const defaultWorkers = (): number => Math.min(8, Math.max(1, availableParallelism()));

export const withMachinery = (command: Command): Command =>
  command
    .option(
      '--workers <n>',
      'worker threads; the result is the same for any number',
      wholeNumber(1, 256),
      defaultWorkers(),
    )
    .addOption(
      new Option('--backend <name>', 'what does the numbers').choices(BACKEND_CHOICES).default('auto'),
    );

/** Bytes, given in GiB. */
export const memoryOption = (what: 'run' | 'training'): Option =>
  new Option(
    '--memory <GiB>',
    `memory that the ${what} may take; one that won’t fit is refused (default: what the machine or container has)`,
  ).argParser((text) => decimal(0.1, 1e6)(text) * 2 ** 30);

export const systemClock = { now: () => Date.now() };

export const printJson = (value: unknown): void => {
  process.stdout.write(`${JSON.stringify(value)}\n`);
};

export function sizeText(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  if (bytes < 1e6) return `${(bytes / 1e3).toFixed(1)} kB`;
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(2)} GB`;
}
