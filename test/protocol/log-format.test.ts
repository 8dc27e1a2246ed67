/** docs/log-format.md says what the schema says, and what a run's log looks like. `UPDATE_DOCS=1` writes its tables. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { FORMAT_VERSION } from '../../src/protocol/messages.js';
import { runLoop } from '../support/loop.js';
import { meaningsIn, messageTypes, RECORDS, tableOf } from '../support/schema-tables.js';

const file = join(import.meta.dirname, '../../docs/log-format.md');
const BLOCK = /(<!-- fields:([\w.-]+) -->\n)([\s\S]*?)(<!-- end -->)/g;

/** Without what a formatter may change: padding of table cells, empty lines. */
const plain = (text: string) => text.replace(/ +/g, ' ').replace(/-{3,}/g, '---').replace(/\n+/g, '\n');

const current = (page: string): string =>
  page
    .replace(BLOCK, (_, open, name, before, end) => `${open}\n${tableOf(name, before)}\n\n${end}`)
    .replace(/(<!-- format -->).*?(<!-- end -->)/, `$1format ${FORMAT_VERSION}$2`);

const read = () => readFileSync(file, 'utf8');
const blocks = () => [...read().matchAll(BLOCK)].map(([, , name, table]) => ({ name: name!, table: table! }));

describe('docs/log-format.md', () => {
  it('has the types of the schema, no more and no fewer, and of each the fields as they are', () => {
    expect(blocks().map(({ name }) => name)).toEqual([...RECORDS.keys(), ...messageTypes]);
    const wanted = current(read());
    if (process.env.UPDATE_DOCS && plain(read()) !== plain(wanted)) writeFileSync(file, wanted);
    const why = 'stale: UPDATE_DOCS=1 npx vitest run test/protocol/log-format.test.ts';
    expect(plain(read()), why).toBe(plain(wanted));
  });

  it('says what each field means', () => {
    const silent = blocks().flatMap(({ name, table }) =>
      [...meaningsIn(table)]
        .filter(([, meaning]) => meaning.trim() === '')
        .map(([field]) => `${name}.${field}`),
    );
    expect(silent).toEqual([]);
    expect(
      blocks().filter(({ table }) => meaningsIn(table).size === 0 && !table.includes('No fields.')),
    ).toEqual([]);
  });

  it('names the addresses between which each message goes', () => {
    const page = read();
    const said = [
      ...runLoop({ seed: 1, asks: 8, judge: 'ensemble:[live,random]', babble: 0.4, pauses: 2 }),
      ...runLoop({ seed: 2, asks: 8, failing: 0.6, retries: 0 }),
    ];
    const odd = said.flatMap(({ type, from, to }) => {
      const [, route = ''] =
        new RegExp(`^#### \`${type.replace('.', '\\.')}\`\n\n(.*)$`, 'm').exec(page) ?? [];
      const names = (address: string) => `\`${address.replace(/^episode:.*/, 'episode:ID')}\``;
      const loose = /who asked|the roles|passes it on/.test(route);
      return route.includes(names(from)) && (loose || route.includes(names(to)))
        ? []
        : [`${type}: ${from} → ${to}`];
    });
    expect([...new Set(odd)]).toEqual([]);
  });
});
