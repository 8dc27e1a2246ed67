/**
 * `npm run bench`: what this machine does with the default model, for 1 and 2 workers, interleaved in one run so that a
 * noisy machine hits both alike. Prints medians, ranges and the ratio; nothing here is a test.
 */
import { availableParallelism, cpus } from 'node:os';
import { measureMessages } from './messages.js';
import { createSubject, type Subject } from './model.js';
import { median, range, show } from './report.js';

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

async function main(): Promise<void> {
  process.stdout.write(
    `${cpus()[0]?.model ?? 'unknown CPU'}, ${availableParallelism()} threads, Node ${process.version}\n`,
  );
  const one = await createSubject(1);
  const two = await createSubject(2);
  process.stdout.write(`${one.describe}; median of ${ROUNDS} interleaved rounds [range]\n\n`);
  for (const { name, unit, once } of MEASURES) {
    const figures: [number[], number[]] = [[], []];
    await once(one);
    await once(two);
    for (let round = 0; round < ROUNDS; round++) {
      figures[0].push(await once(one));
      figures[1].push(await once(two));
    }
    const ratios = figures[0].map((figure, i) => figures[1][i]! / figure);
    process.stdout.write(
      `${name.padEnd(28)} 1 worker ${show(figures[0])}   2 workers ${show(figures[1])} ${unit}   ×${median(ratios).toFixed(2)} ${range(ratios, 2)}\n`,
    );
  }
  await one.close();
  await two.close();
  const messages = Array.from({ length: ROUNDS }, () => measureMessages());
  process.stdout.write(
    `${'messages, log on disk'.padEnd(28)} ${show(messages)} messages/s through the real machines, no model\n`,
  );
}

await main();
