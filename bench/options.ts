/**
 * The benchmark's command line. Wrong values are usage errors that name the flag (exit code 2).
 */
import { availableParallelism } from 'node:os';
import { Command, InvalidArgumentError, Option } from 'commander';
import { wholeNumber } from '../src/cli/options.js';
import { BACKEND_CHOICES, type BackendChoice } from '../src/protocol/backends.js';
import { LORA_SIZE_NAMES, type LoraSizeName, SIZE_NAMES, type SizeName } from './sizes.js';

export const PARTS = ['sampling', 'training', 'iteration', 'scaling'] as const;
export type Part = (typeof PARTS)[number];

export interface BenchOptions {
  readonly peers: boolean;
  /** The log: recording, replaying, what recording costs. */
  readonly log: boolean;
  /** A whole iteration of larger models, with adapters and without: time and peak memory. */
  readonly lora: boolean;
  readonly loraSizes: readonly LoraSizeName[];
  /** What watching a live run costs it. */
  readonly inspect: boolean;
  /** Of the long log, about. */
  readonly messages: number;
  /** The iteration in the sizes of `soliloquy run --quick`. */
  readonly quick: boolean;
  readonly sizes: readonly SizeName[];
  readonly only: readonly Part[];
  /** Interleaved rounds; undefined = 7, with peers 3. */
  readonly rounds: number | undefined;
  readonly backend: BackendChoice;
  readonly workers: number;
  readonly python: string;
  /** A file for all figures. */
  readonly json: string | undefined;
}

/** `a,b` → names of `known`, in the order of `known`. */
const listOf =
  <T extends string>(known: readonly T[]) =>
  (text: string): readonly T[] => {
    const wanted = text.split(',').map((part) => part.trim());
    const same = (a: string, b: string) => a.toLowerCase() === b.toLowerCase();
    const odd = wanted.find((name) => !known.some((one) => same(one, name)));
    if (odd !== undefined) throw new InvalidArgumentError(`"${odd}" is none of ${known.join(', ')}.`);
    return known.filter((name) => wanted.some((one) => same(one, name)));
  };

const EXAMPLES = `
Examples
  npm run bench                                            this project alone, the default model
  npm run bench -- --log                                   recording and replaying, a log of a million messages
  npm run bench -- --inspect                               what the inspector costs a live run
  npm run bench -- --lora                                  30M parameters: memory and time with adapters and without
  npm run bench -- --lora --lora-sizes 135M,360M,494M      the same of the shapes of SmolLM2 and Qwen2.5-0.5B
  npm run bench -- --peers --python ~/venv/bin/python      against transformers, a lean torch loop, torch eager and TRL
  npm run bench -- --peers --sizes S --only sampling --rounds 5 --json bench.json

The Python of the peers: --python, else SOLILOQUY_PYTHON, else python3. What it lacks is skipped, and said.
Exit code 1: a peer computes something else than this project (checked before anything is timed), or a measure failed.`;

/** What only the comparison knows. */
const OF_PEERS = ['sizes', 'only', 'workers', 'python'] as const;

function refuseWithoutPeers(command: Command): void {
  if (command.opts<{ peers?: true }>().peers) return;
  const { lora, inspect } = command.opts<{ lora?: true; inspect?: true }>();
  const alone = OF_PEERS.find(
    (name) => command.getOptionValueSource(name) === 'cli' && !((lora || inspect) && name === 'workers'),
  );
  if (alone !== undefined) command.error(`error: --${alone} needs --peers`);
}

/** Throws commander's error on wrong usage; `--help` too (exit code 0). */
export function parseOptions(
  argv: readonly string[],
  environment: Readonly<Record<string, string | undefined>> = process.env,
): BenchOptions {
  const command = new Command('bench')
    .description('what this machine does: this project alone or, with --peers, beside the Python stack')
    .option('--peers', 'measure the Python stack too, interleaved')
    .option('--log', 'what recording costs, and how fast a long log is replayed')
    .option(
      '--lora',
      'one DPO iteration of larger models, all weights and adapters: time, peak memory, estimate',
    )
    .option('--lora-sizes <list>', `with --lora: ${LORA_SIZE_NAMES.join(', ')}`, listOf(LORA_SIZE_NAMES), [
      '30M',
    ] as const)
    .option('--inspect', 'what watching a live run costs it: alone, its events read, the page open')
    .option(
      '--messages <n>',
      'with --log, --inspect: length of the long log, about',
      wholeNumber(1000),
      1_000_000,
    )
    .option('--quick', 'with --peers, --inspect: the small sizes of `soliloquy run --quick`')
    .option('--sizes <list>', 'with --peers: XS, S, M', listOf(SIZE_NAMES), [...SIZE_NAMES])
    .option('--only <list>', `with --peers: ${PARTS.join(', ')}`, listOf(PARTS), [...PARTS])
    .option('--rounds <n>', 'interleaved rounds (default: 7, with --peers 3)', wholeNumber(1, 1000))
    .addOption(
      new Option('--backend <name>', 'what does the numbers of this project')
        .choices(BACKEND_CHOICES)
        .default('auto'),
    )
    .option(
      '--workers <n>',
      'worker threads of this project, and threads of torch (default: with --peers 2)',
      wholeNumber(1, 256),
    )
    .option('--python <path>', 'Python of the peers (default: SOLILOQUY_PYTHON, else python3)')
    .option('--json <file>', 'write all figures to this file')
    .addHelpText('after', EXAMPLES)
    .allowExcessArguments(false)
    .exitOverride()
    .showHelpAfterError('(add --help for the options)');
  command.parse([...argv], { from: 'user' });
  refuseWithoutPeers(command);
  const given = command.opts<{
    peers?: true;
    log?: true;
    lora?: true;
    loraSizes: readonly LoraSizeName[];
    inspect?: true;
    messages: number;
    quick?: true;
    sizes: readonly SizeName[];
    only: readonly Part[];
    rounds?: number;
    backend: BackendChoice;
    workers?: number;
    python?: string;
    json?: string;
  }>();
  return {
    peers: given.peers ?? false,
    log: given.log ?? false,
    lora: given.lora ?? false,
    loraSizes: given.loraSizes,
    inspect: given.inspect ?? false,
    messages: given.messages,
    quick: given.quick ?? false,
    sizes: given.sizes,
    only: given.only,
    rounds: given.rounds,
    backend: given.backend,
    workers: given.workers ?? Math.min(2, availableParallelism()),
    python: given.python ?? (environment.SOLILOQUY_PYTHON || 'python3'),
    json: given.json,
  };
}
