/**
 * `soliloquy machines [NAME]`: the statecharts, listed or drawn.
 */
import { Command, Option } from 'commander';
import { isMachineName, machines } from '../../actors/machines.js';
import { SoliloquyError } from '../protocol/errors.js';
import { printJson } from './options.js';

type Format = 'svg' | 'mermaid' | 'json';

const list = (): string =>
  Object.entries(machines)
    .map(([name, { summary }]) => `${name.padEnd(12)} ${summary}\n`)
    .join('');

async function show(name: string | undefined, format: Format | undefined): Promise<void> {
  if (name === undefined) {
    if (format === 'svg')
      throw new SoliloquyError('usage', 'an SVG file holds one statechart', {
        fix: `name one: ${Object.keys(machines).join(', ')}`,
      });
    if (format === 'mermaid')
      for (const { mermaid } of Object.values(machines)) process.stdout.write(`${mermaid()}\n`);
    else if (format === 'json') printJson(Object.values(machines).map(({ describe }) => describe()));
    else process.stdout.write(list());
    return;
  }
  if (!isMachineName(name))
    throw new SoliloquyError('usage', `there is no machine "${name}"`, {
      name,
      fix: `one of: ${Object.keys(machines).join(', ')}`,
    });
  if (format === 'json') printJson(machines[name].describe());
  else if (format === 'svg') process.stdout.write(await machines[name].svg());
  else process.stdout.write(machines[name].mermaid());
}

export const machinesCommand = (): Command =>
  new Command('machines')
    .description('the statecharts of the loop: a list, or one of them as SVG, Mermaid or JSON')
    .argument('[name]', 'coordinator, generator, episode, responder, judge or trainer')
    .addOption(
      new Option('--format <format>', 'how to show it (one machine: mermaid unless said otherwise)').choices([
        'svg',
        'mermaid',
        'json',
      ]),
    )
    .addOption(new Option('--json', 'short for --format json').implies({ format: 'json' }))
    .action(async (name: string | undefined, { format }: { format?: Format }) => show(name, format));
