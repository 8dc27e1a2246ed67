/**
 * Owns: how a run is made again: what its config changes, and the commands, from its config and its log alone.
 */
import { type Config, resolveConfig } from '../protocol/config.js';
import { leavesOf } from '../protocol/plain.js';
import { worldPresets } from '../protocol/presets.js';
import { shellWord } from '../protocol/shell-word.js';
import type { Fork, ReportFacts } from './report-facts.js';

export interface Change {
  /** Dotted. */
  readonly path: string;
  readonly value: unknown;
  /** Undefined: there is none. */
  readonly usual: unknown;
}

/** What differs from what `soliloquy run` does in this world; a name has no effect. */
export function changesOf(config: Config): Change[] {
  const { name } = config.world;
  // Its `auto` is always settled so.
  const settled = name === 'microworld' ? { format: 'plain' as const } : {};
  const usual = resolveConfig(worldPresets[name], { world: { name, ...settled } });
  const before = new Map(leavesOf(usual));
  return leavesOf(config)
    .filter(([path, value]) => JSON.stringify(value) !== JSON.stringify(before.get(path)))
    .map(([path, value]) => ({ path, value, usual: before.get(path) }));
}

export const valueText = (value: unknown): string =>
  value === undefined ? '–' : typeof value === 'string' ? value : JSON.stringify(value);

/** A text that reads as JSON is quoted, so that it stays a text. */
function setText(path: string, value: unknown): string {
  let isJson = typeof value !== 'string';
  if (typeof value === 'string')
    try {
      JSON.parse(value);
      isJson = true;
    } catch {
      isJson = false;
    }
  return shellWord(`${path}=${isJson ? JSON.stringify(value) : String(value)}`);
}

const sets = (changes: Readonly<Record<string, unknown>>): string[] =>
  Object.entries(changes).map(([path, value]) => `--set ${setText(path, value)}`);

const machineOf = (backend: string | null): string[] =>
  backend === null ? [] : [`--backend ${shellWord(backend)}`];

/** Of a run that was made from the start, word by word; an option and its value are one. */
export function runCommand(config: Config, backend: string | null): readonly string[] {
  const own = Object.fromEntries(
    changesOf(config)
      .filter(({ path }) => path !== 'seed' && path !== 'world.name')
      .map(({ path, value }) => [path, value]),
  );
  const world = config.world.name === 'microworld' ? [] : [`--world ${config.world.name}`];
  return ['npx soliloquy run', `--seed ${config.seed}`, ...world, ...sets(own), ...machineOf(backend)];
}

function forkCommandText({ parent, changes, overrides }: Fork, backend: string | null): string {
  const edits = overrides.map(
    ({ seq, fact, path, value }) =>
      `--override ${shellWord(`${fact.split(' ')[0]}@${seq}.${path}=${JSON.stringify(value)}`)}`,
  );
  return [
    `npx soliloquy fork runs/${shellWord(parent.run)}`,
    ...(edits.length === 0 ? [`--at ${parent.seq}`] : []),
    ...sets(changes),
    ...edits,
    ...machineOf(backend),
  ].join(' ');
}

/** Commands in their order: the run (of a fork: the first run), its forks, the check. */
export function commandsOf(
  run: { readonly name: string; readonly initial: Config; readonly backend: string | null },
  { forks }: ReportFacts,
): string[] {
  const first = runCommand(run.initial, run.backend).join(' ');
  return [
    forks[0] ? `${first} --out runs/${shellWord(forks[0].parent.run)}` : first,
    ...forks.map((fork) => forkCommandText(fork, run.backend)),
    `npx soliloquy replay runs/${shellWord(run.name)} --verify`,
  ];
}
