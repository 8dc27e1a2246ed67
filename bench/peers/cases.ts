/**
 * What is measured of one model: plain sampling at two batch sizes, the loop's real shape, SFT and DPO steps. A case compares
 * this project (first) with every peer that can do it.
 */
import type { Architecture } from '../../src/lm/architecture.js';
import { samplingFlops, trainingFlops } from '../flops.js';
import { median } from '../report.js';
import type { BenchModel } from '../sizes.js';
import {
  BATCHES,
  FRESH,
  LOOP,
  type Objective,
  PROMPT,
  prompts,
  STEP_LENGTH,
  STEP_ROWS,
  TEMPERATURE,
  TOP_P,
  targetStartOf,
  tokens,
} from '../workload.js';
import type { Contestant, How } from './contestants.js';
import type { Case } from './rounds.js';

/** Steps of one training; the first is warm-up. */
const STEPS = 4;

const drawn = (copies: number, fresh: number): How => ({
  copies,
  fresh,
  temperature: TEMPERATURE,
  topP: TOP_P,
});

/** `rows` prompts of PROMPT tokens, `fresh` new ones each. */
export function samplingCase(
  { name, checkpoint }: BenchModel,
  who: readonly Contestant[],
  rows: number,
  fresh = FRESH,
): Case {
  const { architecture } = checkpoint.weights;
  const asked = prompts('sampling', rows, architecture.vocabSize);
  const perToken = samplingFlops(architecture, PROMPT, 1, fresh) / fresh;
  return {
    name: `${name} sampling, batch ${rows}, ${PROMPT} + ${fresh} tokens`,
    unit: 'new tokens/s',
    better: 'more',
    digits: 0,
    warmUp: true,
    gflops: (rate) => (rate * perToken) / 1e9,
    entrants: who
      .filter((one) => one.sample)
      .map((one) => ({
        name: one.name,
        once: async () => (rows * fresh) / (await one.sample!(asked, drawn(1, fresh))).seconds,
      })),
  };
}

const LOOP_TOKENS = LOOP.prompts * LOOP.candidates * (LOOP.answer + LOOP.samples * LOOP.judgement);

export const loopFlops = (a: Architecture): number =>
  LOOP.prompts * samplingFlops(a, LOOP.prompt, LOOP.candidates, LOOP.answer) +
  LOOP.prompts *
    LOOP.candidates *
    samplingFlops(a, LOOP.template + LOOP.prompt + LOOP.answer, LOOP.samples, LOOP.judgement);

/** Prompts → candidates → judgements: rows with equal prompts, judge prompts with one template. */
export function loopCase({ name, checkpoint }: BenchModel, who: readonly Contestant[]): Case {
  const { architecture } = checkpoint.weights;
  const { vocabSize } = architecture;
  const asked = prompts('loop', LOOP.prompts, vocabSize, LOOP.prompt);
  const template = tokens('template', 0, LOOP.template, vocabSize);
  const total = loopFlops(architecture);
  const once = async (one: Contestant) => {
    const answers = await one.sample!(asked, drawn(LOOP.candidates, LOOP.answer));
    const toJudge = answers.rows.map((answer, i) => [
      ...template,
      ...asked[Math.floor(i / LOOP.candidates)]!,
      ...answer,
    ]);
    const verdicts = await one.sample!(toJudge, drawn(LOOP.samples, LOOP.judgement));
    return LOOP_TOKENS / (answers.seconds + verdicts.seconds);
  };
  return {
    name: `${name} loop: ${LOOP.prompts} prompts × ${LOOP.candidates} candidates × ${LOOP.samples} judgements`,
    unit: 'new tokens/s',
    better: 'more',
    digits: 0,
    warmUp: true,
    gflops: (rate) => ((rate / LOOP_TOKENS) * total) / 1e9,
    entrants: who.filter((one) => one.sample).map((one) => ({ name: one.name, once: () => once(one) })),
  };
}

export function trainingCase(
  { name, checkpoint }: BenchModel,
  who: readonly Contestant[],
  objective: Objective,
): Case {
  const sequences = objective === 'sft' ? STEP_ROWS : 2 * STEP_ROWS;
  const { architecture } = checkpoint.weights;
  const work = trainingFlops(architecture, sequences, STEP_LENGTH, targetStartOf(objective));
  const rows = objective === 'sft' ? `${STEP_ROWS} rows` : `${STEP_ROWS} pairs`;
  return {
    name: `${name} ${objective.toUpperCase()} step, ${rows} × ${STEP_LENGTH} tokens`,
    unit: 'ms',
    better: 'less',
    digits: 0,
    warmUp: false, // parity has trained already, and each training's first step is left out
    gflops: (ms) => work / (ms / 1000) / 1e9,
    entrants: who
      .filter((one) => one.train)
      .map((one) => ({
        name: one.name,
        once: async () => 1000 * median((await one.train!(objective, STEPS)).seconds),
      })),
  };
}

export const samplingCases = (bench: BenchModel, who: readonly Contestant[]): readonly Case[] => [
  ...BATCHES.map((rows) => samplingCase(bench, who, rows)),
  loopCase(bench, who),
];

export const trainingCases = (bench: BenchModel, who: readonly Contestant[]): readonly Case[] =>
  (['sft', 'dpo'] as const).map((objective) => trainingCase(bench, who, objective));
