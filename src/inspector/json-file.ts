/** A JSON file of a run's folder as it is now; null where there is none that can be read. */
import { readFileSync } from 'node:fs';

export function jsonIn(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as unknown;
  } catch {
    return null;
  }
}
