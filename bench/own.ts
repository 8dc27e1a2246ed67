/**
 * `npm run bench` without peers: what this machine does with the default model, for 1 and 2 workers, interleaved in one run so
 * that a noisy machine hits both alike. Prints medians, ranges and the ratio; nothing here is a test.
 */
import { availableParallelism, cpus } from 'node:os';
import { measureMessages } from './messages.js';
import { createSubject, type Subject } from './model.js';
import type { BenchOptions } from './options.js';
import { ratios, show, showRatio } from './report.js';

const ROUNDS = 7;

interface Measure {
  readonly name: string;
  readonly unit: string;
  once(subject: Subject): Promise<number>;
}

const MEASURES: readonly Measure[] = [
  { name: 'sampling, 64 rows a batch', unit: 'new tokens/s', once: (s) => s.sample(64) },
  { name: 'sampling, 8 rows a batch', unit: 'new tokens/s', once: (s) => s.sample(8) },
  { name: 'SFT, batches of 16', unit: 'tokens/s', once: (s) => s.train('sft') },
  { name: 'DPO, batches of 16 pairs', unit: 'tokens/s', once: (s) => s.train('dpo') },
];

export const machineLine = (): string =>
  `${cpus()[0]?.model ?? 'unknown CPU'}, ${availableParallelism()} threads, Node ${process.version}`;

/** All figures by measure, for `--json`. */
export async function measureOwn({ rounds = ROUNDS, backend }: BenchOptions): Promise<object> {
  process.stdout.write(`${machineLine()}\n`);
  const one = await createSubject(1, backend);
  const two = await createSubject(2, backend);
  process.stdout.write(`${one.describe}; median of ${rounds} interleaved rounds [range]\n\n`);
  const all: Record<string, readonly number[]> = {};
  for (const { name, unit, once } of MEASURES) {
    const figures: [number[], number[]] = [[], []];
    await once(one);
    await once(two);
    for (let round = 0; round < rounds; round++) {
      figures[0].push(await once(one));
      figures[1].push(await once(two));
    }
    process.stdout.write(
      `${name.padEnd(28)} 1 worker ${show(figures[0])}   2 workers ${show(figures[1])} ${unit}   ${showRatio(ratios(figures[1], figures[0], 'more'))}\n`,
    );
    all[`${name}, 1 worker`] = figures[0];
    all[`${name}, 2 workers`] = figures[1];
  }
  await one.close();
  await two.close();
  const messages = Array.from({ length: rounds }, () => measureMessages());
  process.stdout.write(
    `${'messages, log on disk'.padEnd(28)} ${show(messages)} messages/s through the real machines, no model\n`,
  );
  return { machine: machineLine(), rounds, backend, figures: { ...all, messages } };
}
