/**
 * Flags that change a config, for commands that make a run or fork one.
 */
import { type Command, Option } from 'commander';
import type { ConfigPart } from '../protocol/config.js';
import { SoliloquyError } from '../protocol/errors.js';
import type { WorldName } from '../protocol/presets.js';

export const addCasts = (command: Command): Command => {
  for (const role of ['generator', 'responder', 'judge', 'trainer'])
    command.option(
      `--cast.${role} <player>`,
      `who plays the ${role}${role === 'judge' ? ', e.g. frozen:M1, oracle, constant:3' : ''}`,
    );
  return command;
};

const collect = (text: string, before: readonly string[] = []): readonly string[] => [...before, text];

export interface WorldOptions {
  readonly world?: WorldName;
  readonly data?: readonly string[];
  readonly evalData?: readonly string[];
}

export const addWorld = (command: Command, what = 'where seed data comes from'): Command =>
  command
    .addOption(new Option('--world <name>', what).choices(['microworld', 'open-assistant', 'files']))
    .option(
      '--data <file>',
      'open-assistant: a message-tree export, .jsonl or .jsonl.gz; files: data of any layout that `soliloquy data` knows, repeatable; either may be hf:datasets/org/name@revision:path',
      collect,
    )
    .option('--eval-data <file>', 'files: what is held out and never learnt from, repeatable', collect);

/** The flags as a part of the config. */
export function worldPart(name: WorldName, { data = [], evalData = [] }: WorldOptions): ConfigPart['world'] {
  if (name === 'files')
    return {
      name,
      ...(data.length > 0 ? { files: [...data] } : {}),
      ...(evalData.length > 0 ? { evalFiles: [...evalData] } : {}),
    };
  if (data.length > 1 || evalData.length > 0)
    throw new SoliloquyError(
      'usage',
      `the world ${name} takes no ${evalData.length > 0 ? '--eval-data' : 'second --data'}`,
      {
        fix: 'leave it out, or add --world files',
      },
    );
  return { name, ...(data[0] === undefined ? {} : { data: data[0] }) };
}

/** The casts among a command's options, by role. */
export const castsIn = (options: object): Record<string, string> =>
  Object.fromEntries(
    Object.entries(options).flatMap(([key, value]) =>
      key.startsWith('cast.') ? [[key.slice('cast.'.length), String(value)]] : [],
    ),
  );

/** What was given, without what was not: an absent flag changes nothing. */
export const given = <T extends object>(part: T): T =>
  Object.fromEntries(Object.entries(part).filter(([, value]) => value !== undefined)) as T;
