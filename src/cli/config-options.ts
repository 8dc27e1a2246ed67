/**
 * Flags that change a config, for commands that make a run or fork one.
 */
import type { Command } from 'commander';

export const addCasts = (command: Command): Command => {
  for (const role of ['generator', 'responder', 'judge', 'trainer'])
    command.option(
      `--cast.${role} <player>`,
      `who plays the ${role}${role === 'judge' ? ', e.g. frozen:M1, oracle, constant:3' : ''}`,
    );
  return command;
};

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
