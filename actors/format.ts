/**
 * How a run speaks to its models, settled before it begins: `auto` becomes `chat` or `plain` by what M0 is, and a run through chat
 * templates gets a date, so that a template that prints today's says the same in a resume, a replay or an `eval` of next year.
 */
import { chatTemplateText } from '../src/lm/chat-template.js';
import type { Checkpoint } from '../src/lm/checkpoint.js';
import type { Config } from '../src/protocol/config.js';
import { SoliloquyError } from '../src/protocol/errors.js';
import type { Clock } from '../src/protocol/ports.js';

export const hasChatTemplate = ({ tokenizer }: Checkpoint): boolean =>
  tokenizer !== null && chatTemplateText(tokenizer) !== null;

/** Noon of that day here, whatever the zone: templates print local time. */
function dayOf(date: string): Clock {
  const [year, month, day] = date.split('-').map(Number);
  const at = new Date(year!, month! - 1, day!, 12).getTime();
  return { now: () => at };
}

/** For what makes chat encodings: the run's day, where it has one. */
export const clockOf = ({ world }: Config): { readonly clock?: Clock } =>
  world.date === undefined ? {} : { clock: dayOf(world.date) };

const two = (value: number): string => String(value).padStart(2, '0');
function dateOf(clock: Clock): string {
  const at = new Date(clock.now());
  return `${String(at.getFullYear()).padStart(4, '0')}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
}

const wrong = (message: string): SoliloquyError =>
  new SoliloquyError('config.invalid', message, {
    option: 'world.format',
    fix: 'put the model’s chat_template.jinja beside it, or run with --set world.format=plain',
  });

/** The config as it goes into config.json: `base` is M0. */
export function settledFormat(config: Config, base: Checkpoint, clock: Clock): Config {
  const { world } = config;
  const speaksChat = world.name !== 'microworld' && hasChatTemplate(base);
  const format = world.format === 'auto' ? (speaksChat ? 'chat' : 'plain') : world.format;
  if (format === 'plain') return { ...config, world: { ...world, format } };
  if (world.name === 'microworld')
    throw wrong('world.format: the microworld is spoken to in its own words, not through a chat template');
  if (!speaksChat) throw wrong('world.format: chat, but the model has no chat template');
  return { ...config, world: { ...world, format, date: world.date ?? dateOf(clock) } };
}

/** Every model of the cast must be able to be asked so. */
export function checkTemplates(
  { world }: Config,
  casts: readonly { readonly version: string; readonly checkpoint: Checkpoint }[],
): void {
  if (world.format !== 'chat') return;
  const without = casts.find(({ checkpoint }) => !hasChatTemplate(checkpoint));
  if (without)
    throw wrong(
      `${without.version} is cast, and has no chat template; this run asks its models through theirs`,
    );
}
