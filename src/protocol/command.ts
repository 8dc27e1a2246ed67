/**
 * The `command` section of a config: which program trains in place of our own trainer, and how it is watched. Owns the rules of
 * quoting and the placeholders; runs nothing.
 *
 * `run` is an argument list, or a text that is cut into one here, by the rules of words in a POSIX shell and no more: white
 * space parts words, '…' and "…" keep them together, a backslash takes the next character as it is (not within '…'). No shell
 * reads it: no variables, no globs, no pipes. Who wants a shell names it: ["sh", "-c", "…"].
 */
import { z } from 'zod';
import { SoliloquyError } from './errors.js';
import { shellWord } from './shell-word.js';

/** `{name}` in an argument, SOLILOQUY_NAME in the environment. */
export const PLACEHOLDERS = ['model', 'data', 'out', 'job'] as const;
export type CommandPaths = Readonly<Record<(typeof PLACEHOLDERS)[number], string>>;

/** Words of a command line, or null where a quote is not closed or a backslash ends it. */
export function wordsOf(line: string): readonly string[] | null {
  const words: string[] = [];
  let word: string | null = null;
  let quote = '';
  for (let i = 0; i < line.length; i++) {
    const char = line[i]!;
    if (char === '\\' && quote !== "'") {
      const next = line[++i];
      if (next === undefined) return null;
      word = `${word ?? ''}${next}`;
    } else if (quote !== '') {
      if (char === quote) quote = '';
      else word = `${word ?? ''}${char}`;
    } else if (char === '"' || char === "'") {
      quote = char;
      word ??= '';
    } else if (/\s/.test(char)) {
      if (word !== null) words.push(word);
      word = null;
    } else word = `${word ?? ''}${char}`;
  }
  if (word !== null) words.push(word);
  return quote === '' ? words : null;
}

const placeholdersIn = (words: readonly string[]): readonly string[] =>
  words.flatMap((word) => [...word.matchAll(/\{([a-z]+)\}/g)].map(([, name]) => name!));

function faultIn(run: string | readonly string[]): string | null {
  const words = typeof run === 'string' ? wordsOf(run) : run;
  if (words === null) return 'a quote is not closed, or a backslash stands at the end';
  if (words.length === 0 || words[0] === '') return 'names no program';
  const odd = placeholdersIn(words).find((name) => !PLACEHOLDERS.some((known) => known === name));
  return odd === undefined
    ? null
    : `no placeholder is called {${odd}}; there are ${PLACEHOLDERS.map((name) => `{${name}}`).join(', ')}`;
}

/** Of the trainer `command`. */
export const commandSchema = z.strictObject({
  /** The program and its arguments; a text is cut into words, no shell reads it. */
  run: z
    .union([z.string(), z.array(z.string())])
    .superRefine((run, context) => {
      const fault = faultIn(run);
      if (fault !== null) context.addIssue({ code: 'custom', message: fault });
    })
    .optional(),
  /** `dpo`: only the iterations, SFT stays with our own trainer; `all`: every version. */
  stages: z.enum(['dpo', 'all']).default('dpo'),
  /**
   * `standard`: texts as the model is asked; `conversational`: lists of messages, for TRL to put into a chat template; `auto`:
   * the one that the run's own prompts go by.
   */
  style: z.enum(['auto', 'standard', 'conversational']).default('auto'),
  /** It is ended when it has run so long; 0 = never. */
  timeoutMinutes: z.number().min(0).max(30_000).default(1440),
  /** Seconds from the request to end to the end by force. */
  graceSeconds: z.number().min(0).default(10),
  /** Added to our own environment. It stands in config.json: no secrets. */
  env: z.record(z.string().regex(/^[A-Za-z_]\w*$/), z.string()).default({}),
});
export type CommandConfig = z.output<typeof commandSchema>;

/** The words of the configured command, or `config.invalid` where there is none. */
export function commandWords({ run }: CommandConfig): readonly string[] {
  const words = typeof run === 'string' ? wordsOf(run) : run;
  if (words && words.length > 0) return words;
  throw new SoliloquyError('config.invalid', 'cast.trainer is command, and no command is configured', {
    option: 'command.run',
    fix: "say which: --set command.run='python train.py {job}'",
  });
}

export const filledIn = (words: readonly string[], paths: CommandPaths): readonly string[] =>
  words.map((word) =>
    word.replace(/\{([a-z]+)\}/g, (whole, name: string) => paths[name as keyof CommandPaths] ?? whole),
  );

export const environmentOf = (paths: CommandPaths): Record<string, string> =>
  Object.fromEntries(PLACEHOLDERS.map((name) => [`SOLILOQUY_${name.toUpperCase()}`, paths[name]]));

/** As a person would type it: words that need it in single quotes. */
export const commandLine = (words: readonly string[]): string =>
  words
    // A placeholder is read as one.
    .map((word) => (/^[\w@%+=:,./{}-]+$/.test(word) ? word : shellWord(word)))
    .join(' ');

/** What is consented to: all of a command section that decides what is run. */
export const commandText = (command: CommandConfig): string => {
  const env = Object.entries(command.env).map(([name, value]) => `${name}=${commandLine([value])} `);
  return `${env.join('')}${commandLine(commandWords(command))}`;
};
