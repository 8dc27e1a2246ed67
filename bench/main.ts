/**
 * `npm run bench`: what this machine does. Alone (own.ts), beside the Python stack
 * (`--peers`, peers/contest.ts), the log (`--log`, log.ts), adapters and memory (`--lora`, lora.ts), or what watching costs
 * (`--inspect`, inspect.ts).
 * Progress goes to stderr, tables to stdout. Exit code 0 fine, 1 failed or not the same numbers, 2 wrong usage.
 */
import { writeFileSync } from 'node:fs';
import { CommanderError } from 'commander';
import { describe, exitCodeOf } from '../src/cli/failure.js';
import { measureInspect } from './inspect.js';
import { measureLog } from './log.js';
import { measureLora } from './lora.js';
import { type BenchOptions, parseOptions } from './options.js';
import { measureOwn } from './own.js';
import { measurePeers } from './peers/contest.js';

function optionsOrExit(): BenchOptions | null {
  try {
    return parseOptions(process.argv.slice(2));
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    process.exitCode = error.exitCode === 0 ? 0 : 2;
    return null;
  }
}

async function main(): Promise<void> {
  const options = optionsOrExit();
  if (options === null) return;
  try {
    const measure = options.inspect
      ? measureInspect
      : options.lora
        ? measureLora
        : options.log
          ? measureLog
          : options.peers
            ? measurePeers
            : measureOwn;
    const figures = await measure(options);
    if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(figures, null, 2)}\n`);
  } catch (error) {
    process.stderr.write(describe(error, false));
    process.exitCode = exitCodeOf(error);
  }
}

await main();
