/**
 * `--allow-command`, for commands that go on with a run that somebody else may have configured.
 */
import type { Command } from 'commander';

export interface AllowCommand {
  readonly allowCommand?: true;
}

export const addAllowCommand = (command: Command): Command =>
  command.option(
    '--allow-command',
    'a run that trains with a command of its own (cast.trainer=command) may run it on this machine',
  );

export const allowed = ({ allowCommand }: AllowCommand): { readonly allowCommand: boolean } => ({
  allowCommand: allowCommand ?? false,
});
