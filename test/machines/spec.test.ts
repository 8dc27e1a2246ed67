/** The pages about the machines say what the machines are. `UPDATE_DOCS=1` writes them. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type MachineName, machines } from '../../actors/machines.js';
import { cellOf, leavesOf, tableOf } from '../../machines/describe.js';

const root = join(import.meta.dirname, '../..');
const names = Object.keys(machines) as MachineName[];

/** Without what a formatter may change: padding of table cells, empty lines. */
const plain = (text: string) => text.replace(/ +/g, ' ').replace(/-{3,}/g, '---').replace(/\n+/g, '\n');

function isCurrent(file: string, wanted: string): void {
  const path = join(root, file);
  const before = readFileSync(path, 'utf8');
  if (process.env.UPDATE_DOCS && plain(before) !== plain(wanted)) writeFileSync(path, wanted);
  const why = `${file} is stale: UPDATE_DOCS=1 npx vitest run test/machines/spec.test.ts`;
  expect(plain(readFileSync(path, 'utf8')), why).toBe(plain(wanted));
}

describe('machines/SPEC.md', () => {
  const spec = readFileSync(join(root, 'machines/SPEC.md'), 'utf8');

  it('holds the tables of the machines as they are', () => {
    const wanted = spec.replace(
      /(<!-- table:([\w-]+) -->\n)[\s\S]*?(<!-- end -->)/g,
      (_, open: string, name: MachineName, end: string) =>
        `${open}\n${tableOf(machines[name].describe())}\n\n${end}`,
    );
    for (const name of names) expect(spec).toContain(`<!-- table:${name} -->`);
    isCurrent('machines/SPEC.md', wanted);
  });

  it('has a test for every invariant, named by its number', () => {
    const dir = join(root, 'test/machines');
    const tests = readdirSync(dir)
      .filter((file) => file.endsWith('.test.ts'))
      .map((file) => readFileSync(join(dir, file), 'utf8'))
      .join('\n');
    const numbers = [...spec.matchAll(/^- \*\*([A-Z]\d+)\*\*/gm)].map(([, number]) => number!);
    expect(numbers.length).toBeGreaterThan(25);
    expect(new Set(numbers).size).toBe(numbers.length);
    expect(
      numbers.filter(
        (number) => !new RegExp(`\\b(it|test)(\\.each\\([^)]*\\))?\\(\\s*['"\`]${number} `).test(tests),
      ),
    ).toEqual([]);
  });

  it('shows no empty cell: every state takes every message, holds it or refuses it', () => {
    for (const name of names) {
      const cells = tableOf(machines[name].describe())
        .split('\n')
        .filter((line) => line.startsWith('|'))
        .flatMap((line) => line.split(' | '));
      expect(cells.filter((cell) => cell.trim() === '' || cell.includes('undefined'))).toEqual([]);
    }
  });
});

describe('docs/machines', () => {
  it.each(names)('%s.mmd and %s.json are what `soliloquy machines` prints', (name) => {
    isCurrent(`docs/machines/${name}.mmd`, machines[name].mermaid());
    const file = join(root, `docs/machines/${name}.json`);
    const description = machines[name].describe();
    if (process.env.UPDATE_DOCS) writeFileSync(file, `${JSON.stringify(description, null, 2)}\n`);
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual(description);
  });

  it.each(names)('%s.svg is what `soliloquy machines` draws, every time the same', async (name) => {
    const file = join(root, `docs/machines/${name}.svg`);
    const drawn = await machines[name].svg();
    if (process.env.UPDATE_DOCS) writeFileSync(file, drawn);
    const why = `${name}.svg is stale: UPDATE_DOCS=1 npx vitest run test/machines/spec.test.ts`;
    expect(readFileSync(file, 'utf8') === drawn, why).toBe(true);
    expect(await machines[name].svg()).toBe(drawn);
  });
});

describe('a description', () => {
  const judge = machines.judge.describe();

  it('takes the innermost transition first and stops at the first without a guard', () => {
    expect(cellOf(judge, 'working.judging', 'request.failed').map(({ guard }) => guard)).toEqual([
      'mayRetry',
      'known',
      null,
    ]);
    expect(cellOf(judge, 'paused', 'model.result')).toMatchObject([{ on: '*', actions: ['hold'] }]);
    expect(cellOf(judge, 'working.idle', 'run.pause')).toMatchObject([{ from: 'working', to: 'paused' }]);
  });

  it('names every target among its states', () => {
    for (const name of names) {
      const { states, transitions } = machines[name].describe();
      const known = new Set(states.map((state) => state.name));
      expect(transitions.flatMap(({ to }) => (to === null || known.has(to) ? [] : [to]))).toEqual([]);
    }
    expect(leavesOf(judge).map(({ name }) => name)).toEqual(['working.idle', 'working.judging', 'paused']);
  });
});
