/**
 * `soliloquy replay`: folds a run's log through the machines, with no model. Proof with --verify, a look inside with --until, the
 * run again at any speed with --follow.
 */
import { Command } from 'commander';
import { type MachineState, type Replayed, replayRun } from '../../actors/replay.js';
import { SoliloquyError } from '../protocol/errors.js';
import type { Envelope } from '../protocol/messages.js';
import { decimal, printJson, systemClock, wholeNumber } from './options.js';
import { createPace } from './pace.js';

interface Options {
  readonly verify?: true;
  readonly until?: number;
  readonly follow?: true;
  readonly speed?: number;
  readonly json?: true;
}

const EXAMPLES = `
A replay checks that every message of a role is the one that its machine says, byte for byte, and the hash chain. --verify also
derives metrics, verdicts and training data again, and compares metrics.jsonl, data/, lineage, weights and the manifest.
Exit code 0: all is equal; 1: "diverged at seq N: expected …, got …", "chain broken at seq N", or what else differs.

Examples
  soliloquy replay runs/paper-1 --verify
  soliloquy replay runs/paper-1 --until 2000           each machine's state and context after message 2000
  soliloquy replay runs/paper-1 --follow --speed 20    the messages as they came, twenty times as fast`;

export function replayCommand(): Command {
  return new Command('replay')
    .description('fold a run’s log through the machines, without the model')
    .argument('<run>', 'the run’s folder')
    .option('--verify', 'derive all that was derived again, and compare')
    .option('--until <seq>', 'stop after this message and show every machine', wholeNumber(0))
    .option('--follow', 'tell each message at the pace at which it came')
    .option('--speed <x>', 'with --follow: so many times as fast', decimal(0.001, 1e9))
    .option('--json', 'the result as JSON; with --follow one message a line')
    .addHelpText('after', EXAMPLES)
    .action(replay);
}

async function replay(path: string, options: Options): Promise<void> {
  const { verify = false, until, follow, speed = 1, json } = options;
  if (verify && until !== undefined)
    throw new SoliloquyError('usage', '--verify goes with the whole log, not with --until', {
      fix: 'leave one of them out',
    });
  const began = performance.now();
  const done = await replayRun({
    path,
    verify,
    ...(until === undefined ? {} : { until }),
    ...(follow ? { onMessage: follower(speed, json ?? false) } : {}),
  });
  const seconds = (performance.now() - began) / 1000;
  if (done.problems.length > 0) process.exitCode = 1;
  if (until !== undefined) return showMachines(done, json ?? false);
  if (json) return follow ? undefined : printJson({ ...figures(done), verified: verify, seconds });
  tell(path, done, verify, seconds);
}

const figures = ({ machines: _, ...rest }: Replayed) => rest;

function tell(path: string, done: Replayed, verify: boolean, seconds: number): void {
  const { messages, facts, pairs, outcomeHash, finished, inFlight, torn, problems } = done;
  const pace = Math.round(messages / seconds);
  process.stdout.write(
    `${path}: ${messages} messages, ${facts} facts, ${pairs} pairs, outcome ${outcomeHash}\n` +
      `replayed in ${seconds.toFixed(2)} s (${pace} messages/s), no model asked\n`,
  );
  if (!finished)
    process.stdout.write(
      `not finished: ${inFlight.queued} messages said and not delivered, ${inFlight.jobs} jobs under way${torn ? ', a torn last line' : ''}; \`soliloquy resume ${path}\` goes on\n`,
    );
  for (const problem of problems) process.stderr.write(`${problem}\n`);
  if (problems.length === 0)
    process.stdout.write(
      verify ? 'verified: everything is equal\n' : 'every message is what its machine says\n',
    );
}

function showMachines(done: Replayed, json: boolean): void {
  const machines = done.machines();
  if (json) {
    printJson({ ...figures(done), machines });
    return;
  }
  for (const { address, state, context } of machines)
    process.stdout.write(`${address}  ${state}\n${indented(context)}\n`);
  process.stdout.write(
    `after message ${done.messages - 1}: ${done.inFlight.queued} said and not delivered, ${done.inFlight.jobs} jobs under way\n`,
  );
}

const indented = (context: MachineState['context']): string =>
  JSON.stringify(context, null, 1)
    .split('\n')
    .slice(1, -1)
    .map((line) => `  ${line}`)
    .join('\n');

/** Waits between messages as long as the run did, at `speed`. */
function follower(speed: number, json: boolean): (envelope: Envelope) => Promise<void> {
  const pace = createPace(speed, systemClock);
  return async (envelope) => {
    await pace(envelope);
    if (json) return printJson(envelope);
    const { seq, from, to, type, cause } = envelope;
    process.stdout.write(
      `${String(seq).padStart(6)}  ${from} → ${to}  ${type}${cause >= 0 ? `  (after ${cause})` : ''}\n`,
    );
  };
}
