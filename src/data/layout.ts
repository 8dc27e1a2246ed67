/**
 * Owns: what a layout is: how its rows are told from others' and what records they give. A layout sees one parsed row at a
 * time and never a file.
 */
import type { z } from 'zod';
import { isPlainObject, type PlainObject } from '../protocol/plain.js';
import type { DataRecord } from './records.js';

/** What a row gave. */
export interface Read {
  readonly records: readonly DataRecord[];
  /** Why the row, or a part of it, gave nothing. A row with neither is used by a later one (flat messages). */
  readonly left: readonly string[];
}

export interface RowReader {
  /** Throws `Fault` where the row is not as the layout says. */
  row(value: unknown, number: number): Read;
  /** What the last rows gave, when no more come. */
  end?(): Read;
}

export interface Layout {
  readonly name: string;
  readonly title: string;
  /** By the row's keys alone, so that a row with a wrong value is still known for what it is. */
  recognises(row: unknown): boolean;
  reader(): RowReader;
}

/** A row that is not as its layout says. */
export class Fault extends Error {
  constructor(
    reason: string,
    readonly field?: string,
  ) {
    super(field === undefined ? reason : `${field}: ${reason}`);
  }
}

export function shaped<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const { path, message } = result.error.issues[0]!;
  throw path.length > 0 ? new Fault(message, fieldText(path)) : new Fault(message);
}

/** `replies[2].text` counts with `replies[0].text`: a reason is not to depend on the place in a list. */
const fieldText = (path: readonly PropertyKey[]): string =>
  path.map((part, i) => (typeof part === 'number' ? '[]' : `${i > 0 ? '.' : ''}${String(part)}`)).join('');

/** The row has all these keys. */
export const hasKeys =
  (...keys: readonly string[]) =>
  (row: unknown): row is PlainObject =>
    isPlainObject(row) && keys.every((key) => Object.hasOwn(row, key));

export const gave = (...records: readonly DataRecord[]): Read => ({ records, left: [] });
export const leftOut = (...left: readonly string[]): Read => ({ records: [], left });

/** A layout whose rows stand each for itself. */
export function rowLayout<T>(
  name: string,
  title: string,
  recognises: (row: unknown) => boolean,
  schema: z.ZodType<T>,
  read: (row: T, number: number) => Read,
): Layout {
  const reader: RowReader = { row: (value, number) => read(shaped(schema, value), number) };
  return { name, title, recognises, reader: () => reader };
}
