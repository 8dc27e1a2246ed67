/** Owns: objects by their fields, as a config or a fact has them: which values are such objects, and their leaves. */

export type PlainObject = Readonly<Record<string, unknown>>;

/** An object with fields: no list, not null. */
export const isPlainObject = (value: unknown): value is PlainObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Leaves by dotted path, in the order of the fields; a list is a leaf. */
export const leavesOf = (value: unknown, path = ''): [string, unknown][] =>
  isPlainObject(value)
    ? Object.entries(value).flatMap(([key, inner]) => leavesOf(inner, path === '' ? key : `${path}.${key}`))
    : [[path, value]];
