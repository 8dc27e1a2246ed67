/**
 * How cost grows: with the batch, with the length, with the parameters, and with a second worker. The first two beside the
 * peers that sample; the others of this project alone.
 */
import { tableOf } from '../report.js';
import type { BenchModel } from '../sizes.js';
import { samplingCase, trainingCase } from './cases.js';
import type { Contestant } from './contestants.js';
import { type Conditions, type Measured, measureCase } from './rounds.js';

const BATCHES = [1, 4, 16, 64, 128] as const;
const LENGTHS = [16, 32, 64, 128] as const;
const ROWS = 64;

interface Growth {
  readonly title: string;
  /** What grows. */
  readonly axis: string;
  readonly at: readonly { readonly value: string; readonly measured: Measured }[];
}

const cell = ({ median, utilisation }: Measured['figures'][number], digits: number): string =>
  `${median.toFixed(digits)}${utilisation === null ? '' : ` (${(100 * utilisation).toFixed(0)} %)`}`;

/** Columns: contestants. Cells: median and utilisation. */
export function tableOfGrowth({ axis, at }: Growth): string {
  const names = at[0]?.measured.figures.map(({ name }) => name) ?? [];
  const digits = at[0]?.measured.digits ?? 0;
  return tableOf(
    [axis, ...names],
    at.map(({ value, measured }) => [value, ...measured.figures.map((one) => cell(one, digits))]),
  );
}

/** Cost by batch and length of one model. */
export async function growthWithWork(
  bench: BenchModel,
  who: readonly Contestant[],
  conditions: Conditions,
): Promise<readonly Growth[]> {
  const batch: Growth['at'][number][] = [];
  for (const rows of BATCHES)
    batch.push({
      value: String(rows),
      measured: await measureCase(samplingCase(bench, who, rows), conditions),
    });
  const length: Growth['at'][number][] = [];
  for (const fresh of LENGTHS)
    length.push({
      value: String(fresh),
      measured: await measureCase(samplingCase(bench, who, ROWS, fresh), conditions),
    });
  return [
    { title: `${bench.name}: new tokens/s by batch (utilisation)`, axis: 'rows', at: batch },
    { title: `${bench.name}: new tokens/s by length, batch ${ROWS}`, axis: 'new tokens', at: length },
  ];
}

/** One worker beside all: sampling and both kinds of training step. The ratio is all against one. */
export async function growthWithWorkers(
  bench: BenchModel,
  ours: Contestant,
  alone: Contestant,
  conditions: Conditions,
): Promise<readonly Measured[]> {
  const who = [ours, { ...alone, name: `${alone.name}, 1 worker` }];
  const measured: Measured[] = [];
  for (const one of [
    samplingCase(bench, who, ROWS),
    trainingCase(bench, who, 'sft'),
    trainingCase(bench, who, 'dpo'),
  ])
    measured.push(await measureCase({ ...one, warmUp: true }, conditions));
  return measured;
}

/** By parameters: time of one new token and of one training step of this project, from what each size measured. */
export function tableOfParameters(
  models: readonly {
    readonly bench: Pick<BenchModel, 'name' | 'parameters'>;
    readonly measured: readonly Measured[];
  }[],
): string {
  const of = (measured: readonly Measured[], part: string) =>
    measured.find((one) => one.case.includes(part))?.figures[0];
  const rows = models.map(({ bench, measured }) => {
    const sampling = of(measured, `batch ${ROWS},`);
    const steps = ['SFT step', 'DPO step'].map((part) => of(measured, part));
    return [
      `${bench.name}, ${(bench.parameters / 1e6).toFixed(2)}M`,
      sampling ? (1e6 / sampling.median).toFixed(1) : '–',
      ...steps.map((step) => (step ? step.median.toFixed(0) : '–')),
    ];
  });
  return tableOf(['parameters', `µs a new token, batch ${ROWS}`, 'ms an SFT step', 'ms a DPO step'], rows);
}
