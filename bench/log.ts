/**
 * `npm run bench -- --log`: what recording costs a default run (with and without a log on disk, side by side), what replaying it
 * takes, and how a long log is recorded and replayed: messages a second, and memory at each quarter.
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { replayRun } from '../actors/replay.js';
import { createRun, type RunOptions } from '../actors/system.js';
import { assetsFolder } from '../src/cli/package.js';
import { GENESIS } from '../src/log/chain.js';
import type { LogWriter } from '../src/log/writer.js';
import { type Config, type ConfigPart, resolveConfig } from '../src/protocol/config.js';
import { quick, worldPresets } from '../src/protocol/presets.js';
import type { BenchOptions } from './options.js';
import { machineLine } from './own.js';
import { median, range } from './report.js';
import { createScriptedModel } from './scripted.js';

const ROUNDS = 3;
const say = (text: string) => process.stdout.write(`${text}\n`);
const megabytes = (bytes: number) => Math.round(bytes / 2 ** 20);

/** Takes messages and keeps nothing. */
function noLog(): LogWriter {
  let count = 0;
  return {
    append: () => void count++,
    flush: () => undefined,
    sync: () => undefined,
    close: () => undefined,
    head: GENESIS,
    get count() {
      return count;
    },
    get stored() {
      return { head: GENESIS, count };
    },
  };
}

interface Ran {
  readonly seconds: number;
  readonly messages: number;
}

async function ran(config: Config, out: string, more: Partial<RunOptions>): Promise<Ran> {
  const run = await createRun({
    config,
    out,
    assets: assetsFolder(),
    workers: 2,
    backend: 'auto',
    clock: { now: () => Date.now() },
    versions: {},
    ...more,
  });
  const began = performance.now();
  const { messages } = await run.start();
  return { messages, seconds: (performance.now() - began) / 1000 };
}

/** A default run with its log and without, in turn; then the replay of the recorded one. */
async function measureRecording(
  { quick: small, workers, backend, rounds = ROUNDS }: BenchOptions,
  under: string,
) {
  const config = resolveConfig(worldPresets.microworld ?? {}, small ? quick : {});
  const [withLog, without, replays]: [number[], number[], number[]] = [[], [], []];
  let messages = 0;
  for (let round = 0; round < rounds; round++) {
    process.stderr.write(`  recording: round ${round + 1} of ${rounds}\n`);
    const out = join(under, `recorded-${round}`);
    const recorded = await ran(config, out, { workers, backend });
    const bare = await ran(config, join(under, `bare-${round}`), { workers, backend, openLog: noLog });
    const replayed = await replayedIn(out);
    messages = recorded.messages;
    withLog.push(recorded.seconds);
    without.push(bare.seconds);
    replays.push(replayed);
  }
  const cost = withLog.map((one, i) => one / without[i]! - 1);
  const share = replays.map((one, i) => one / withLog[i]!);
  say(`a default run of ${messages} messages, ${rounds} interleaved rounds, medians [ranges]`);
  say(`  with its log on disk  ${median(withLog).toFixed(2)} s ${range(withLog, 2)}`);
  say(`  without a log         ${median(without).toFixed(2)} s ${range(without, 2)}`);
  say(`  recording costs       ${(100 * median(cost)).toFixed(1)} % ${range(cost.map((c) => 100 * c), 1)} of the run`); // biome-ignore format: a table
  say(`  its replay            ${median(replays).toFixed(2)} s ${range(replays, 2)}: ${(100 * median(share)).toFixed(1)} % of the run, ${Math.round(messages / median(replays))} messages/s`); // biome-ignore format: a table
  return { messages, withLog, without, replays };
}

async function replayedIn(path: string): Promise<number> {
  const began = performance.now();
  await replayRun({ path, verify: false });
  return (performance.now() - began) / 1000;
}

/** Many candidates and judgements, so that a prompt makes many messages. */
const LONG: ConfigPart = {
  world: { heldOut: 50, probes: 20 },
  invent: { similarity: 1, minWords: 1 },
  respond: { candidates: 8 },
  judge: { samples: 8 },
  evaluate: { resamples: 10 },
};
/** Messages of an ask, about. */
const EACH = 47;

/** A run of about so many messages, of a scripted model. */
export function recordLong(wanted: number, out: string): Promise<Ran> {
  const asks = Math.round(wanted / EACH / 2);
  const config = resolveConfig(worldPresets.microworld ?? {}, LONG, { invent: { asks }, iterations: 2 });
  process.stderr.write(`  making a log of about ${wanted} messages\n`);
  return ran(config, out, { createModel: () => createScriptedModel() });
}

async function measureLong({ messages: wanted }: BenchOptions, under: string) {
  const out = join(under, 'long');
  const { messages, seconds } = await recordLong(wanted, out);
  const bytes = statSync(join(out, 'messages.jsonl')).size;
  process.stderr.write('  replaying it\n');
  const memory: number[] = [];
  const began = performance.now();
  const { finished } = await replayRun({
    path: out,
    verify: false,
    onMessage: ({ seq }) => {
      if ((seq + 1) % Math.floor(messages / 8) === 0) memory.push(megabytes(process.memoryUsage().rss));
    },
  });
  const replay = (performance.now() - began) / 1000;
  say(`a scripted run of ${messages} messages, ${megabytes(bytes)} MB${finished ? '' : ' (NOT FINISHED)'}`);
  say(`  recorded in ${seconds.toFixed(1)} s: ${Math.round(messages / seconds)} messages/s, no model's time`);
  say(`  replayed in ${replay.toFixed(1)} s: ${Math.round(messages / replay)} messages/s`);
  say(`  memory of the process at each eighth of the replay, MB: ${memory.join(' ')}`);
  return { messages, bytes, recordSeconds: seconds, replaySeconds: replay, memory };
}

export async function measureLog(options: BenchOptions): Promise<object> {
  const under = mkdtempSync(join(tmpdir(), 'soliloquy-log-'));
  try {
    say(machineLine());
    const recording = await measureRecording(options, under);
    const long = await measureLong(options, under);
    return { machine: machineLine(), recording, long };
  } finally {
    rmSync(under, { recursive: true, force: true });
  }
}
