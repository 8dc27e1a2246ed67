/**
 * Who has allowed an external trainer's command. A new run's config is its maker's own. A run that is gone on with may have come
 * from somebody else, and its command would run on this machine: it needs leave, whole as it stands (program, arguments, variables).
 */
import { isDeepStrictEqual } from 'node:util';
import { commandText } from '../../src/protocol/command.js';
import { type Config, type ConfigPart, resolveConfig } from '../../src/protocol/config.js';
import { SoliloquyError } from '../../src/protocol/errors.js';

export type Consent = { readonly consented?: string };

export const commandConsent = ({ cast, command }: Config): Consent =>
  cast.trainer === 'command' ? { consented: commandText(command) } : {};

/** Throws `usage` where the run has a command and nobody has allowed it. */
export function inheritedConsent(config: Config, allowed: boolean): Consent {
  const consent = commandConsent(config);
  if (consent.consented === undefined || allowed) return consent;
  throw new SoliloquyError(
    'usage',
    `this run trains with a command of its own, which would run on this machine:\n  ${consent.consented}`,
    { command: consent.consented, fix: 'read it; if you trust it, add --allow-command' },
  );
}

/** Whether all of the command section was given now. */
export const isOwnCommand = (given: ConfigPart, config: Config): boolean =>
  given.command?.run !== undefined &&
  isDeepStrictEqual(resolveConfig({ command: given.command }).command, config.command);
