/**
 * The seven machines by name, as what can be shown of them. The command line and the inspector read statecharts here; they
 * never touch machines/.
 */
import type { AnyStateMachine } from 'xstate';
import { coordinatorMachine } from '../machines/coordinator.js';
import { describeMachine, type MachineDescription, mermaidOf } from '../machines/describe.js';
import { episodeMachine } from '../machines/episode.js';
import { generatorMachine } from '../machines/generator.js';
import { judgeMachine } from '../machines/judge.js';
import { metaJudgeMachine } from '../machines/meta-judge.js';
import { responderMachine } from '../machines/responder.js';
import { trainerMachine } from '../machines/trainer.js';
import { chartOf } from '../src/report/statechart.js';
import { layoutChart } from '../src/report/statechart-layout.js';
import { chartSvg } from '../src/report/statechart-svg.js';

export type { MachineDescription } from '../machines/describe.js';

export interface MachineEntry {
  readonly summary: string;
  describe(): MachineDescription;
  mermaid(): string;
  /** XState's config as JSON; an action or guard that is a function stands as its name. */
  definition(): string;
  /** Drawn as src/report/statechart-svg.ts says; takes a few tenths of a second. */
  svg(): Promise<string>;
}

async function svgOf(machine: AnyStateMachine, summary: string): Promise<string> {
  const chart = chartOf(describeMachine(machine));
  return chartSvg(chart, await layoutChart(chart), summary);
}

const entry = (machine: AnyStateMachine, summary: string): MachineEntry => ({
  summary,
  describe: () => describeMachine(machine),
  mermaid: () => mermaidOf(describeMachine(machine)),
  definition: () =>
    JSON.stringify(machine.config, (_key, value: unknown) =>
      typeof value === 'function' ? { type: value.name } : value,
    ),
  svg: () => svgOf(machine, summary),
});

/** In the order of the loop. */
export const machines = {
  coordinator: entry(coordinatorMachine, 'walks M0 → SFT baseline → M1 → M2 → M3 …, measuring every version'),
  generator: entry(
    generatorMachine,
    'invents prompts, filters them, opens an episode for each ask, within its credit',
  ),
  episode: entry(
    episodeMachine,
    'the life of one prompt: invented → answered → judged → paired, or withheld with the reason',
  ),
  responder: entry(responderMachine, 'answers each prompt N times'),
  judge: entry(
    judgeMachine,
    "scores each answer k times by each member of the bench; what can't be read is no score",
  ),
  'meta-judge': entry(
    metaJudgeMachine,
    'compares judgements of one answer two by two and makes judgement pairs (Meta-Rewarding alone)',
  ),
  trainer: entry(trainerMachine, 'gathers pairs, gives credit back, has the next version made'),
} as const satisfies Readonly<Record<string, MachineEntry>>;

export type MachineName = keyof typeof machines;

export const isMachineName = (name: string): name is MachineName => Object.hasOwn(machines, name);

/** XState's own config of a machine as JSON, for inspectors that speak its protocol. */
export const machineDefinition = (name: string): string => {
  if (!isMachineName(name)) return JSON.stringify({ id: name });
  return machines[name].definition();
};
