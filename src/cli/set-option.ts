/**
 * `--set path.to.option=value` → a part of the config. The schema has the last word on whether it is right.
 */
import { InvalidArgumentError } from 'commander';
import type { ConfigPart } from '../protocol/config.js';

/** JSON where it is JSON (numbers, true, lists), else text. */
function parsedValue(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

export function partAt(path: string, value: unknown): ConfigPart {
  return path.split('.').reduceRight<unknown>((inner, key) => ({ [key]: inner }), value) as ConfigPart;
}

/** Collects repeated `--set`s. */
export function collectSet(text: string, before: readonly ConfigPart[] = []): ConfigPart[] {
  const found = /^([A-Za-z][\w.]*)=(.*)$/s.exec(text);
  if (!found) throw new InvalidArgumentError('expected path.to.option=value, such as dpo.beta=0.2.');
  return [...before, partAt(found[1]!, parsedValue(found[2]!))];
}
