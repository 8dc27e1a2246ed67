/**
 * The schema of the messages as Markdown tables for docs/log-format.md. Types come from the schema, meanings from the page: a table
 * is written anew with the meanings that it had.
 */
import { z } from 'zod';
import { generation, interval, messageSchema, metric, usage } from '../../src/protocol/messages.js';

type Schema = z.core.$ZodType;
type Def = { readonly type: string } & Readonly<Record<string, unknown>>;
const defOf = (schema: Schema): Def => schema._zod.def as unknown as Def;

const bodies = new Map(
  messageSchema.options.map(({ shape }): [string, Schema] => [shape.type.value as string, shape.body]),
);
export const messageTypes = [...bodies.keys()];

export const fieldsOf = (schema: Schema): Readonly<Record<string, Schema>> =>
  (defOf(schema).shape ?? {}) as Readonly<Record<string, Schema>>;

/** The schema at a path: fields, and `*` for what a list holds. */
function at(type: string, ...path: readonly string[]): Schema {
  return path.reduce<Schema>(
    (schema, step) => (step === '*' ? (defOf(schema).element as Schema) : fieldsOf(schema)[step]!),
    bodies.get(type)!,
  );
}

/** Records that stand in several messages, described once. */
export const RECORDS: ReadonlyMap<string, Schema> = new Map<string, Schema>([
  ['generation', generation],
  ['candidate', at('responses.made', 'candidates', '*')],
  ['sampling', at('model.request', 'sampling')],
  ['scored', at('pair.made', 'chosen')],
  ['metric', metric],
  ['interval', interval],
  ['usage', usage],
]);
const names = new Map<Schema, string>([
  ...[...RECORDS].map(([name, schema]): [Schema, string] => [schema, name]),
  [at('judgement.made', 'verdict'), 'verdict'],
  [at('meta-judgement.made', 'verdict'), 'comparison'],
]);

function numberText(schema: Schema): string {
  const { type, minimum } = z.toJSONSchema(schema as z.ZodType);
  if (type !== 'integer') return 'number';
  return minimum === 0 ? 'whole' : 'integer';
}

/** A type in a few words; records by their name. */
export function typeText(schema: Schema): string {
  const name = names.get(schema);
  if (name !== undefined) return `[${name}](#${name})`;
  const def = defOf(schema);
  switch (def.type) {
    case 'string':
      return 'text';
    case 'number':
      return numberText(schema);
    case 'literal':
      return (def.values as readonly unknown[]).map((value) => `\`${value}\``).join(', ');
    case 'enum':
      return Object.values(def.entries as Record<string, string>)
        .map((value) => `\`${value}\``)
        .join(', ');
    case 'array':
      return `list of ${typeText(def.element as Schema)}`;
    case 'tuple':
      return `[${(def.items as readonly Schema[]).map(typeText).join(', ')}]`;
    case 'nullable':
      return `${typeText(def.innerType as Schema)} or null`;
    case 'optional':
      return `${typeText(def.innerType as Schema)}, or absent`;
    case 'record':
      return `object: ${typeText(def.keyType as Schema)} → ${typeText(def.valueType as Schema)}`;
    case 'object':
      return `{ ${Object.entries(fieldsOf(schema))
        .map(([field, inner]) => `${field}: ${typeText(inner)}`)
        .join('; ')} }`;
    case 'unknown':
      return 'any JSON';
    default:
      throw new Error(`no words for a ${def.type}`);
  }
}

const HEAD = '| field | type | meaning |\n| --- | --- | --- |';

/** Field → what the page says of it. */
export const meaningsIn = (table: string): ReadonlyMap<string, string> =>
  new Map(
    [...table.matchAll(/^\| `([^`]+)` +\|[^\n]*\| ([^|\n]*?) *\|$/gm)].map(([, field, meaning]) => [
      field!,
      meaning!,
    ]),
  );

/** The table of a message's or a record's fields. */
export function tableOf(name: string, before: string): string {
  const fields = Object.entries(fieldsOf(RECORDS.get(name) ?? bodies.get(name)!));
  if (fields.length === 0) return 'No fields.';
  const meanings = meaningsIn(before);
  const rows = fields.map(
    ([field, schema]) => `| \`${field}\` | ${typeText(schema)} | ${meanings.get(field) ?? ''} |`,
  );
  return `${HEAD}\n${rows.join('\n')}`;
}
