/** Broken files of every layout, seeded: a clear error or a count, never a crash. Rerun one: FUZZ_SEED=n npx vitest run test/data/fuzz.test.ts */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { parquetWriteFile } from 'hyparquet-writer';
import { describe, expect, it } from 'vitest';
import { parquetRows } from '../../src/data/parquet.js';
import { openData, readRecords } from '../../src/data/read.js';
import { surveyFile } from '../../src/data/survey.js';
import { isSoliloquyError } from '../../src/protocol/errors.js';
import { MAX_LINE } from '../../src/worlds/open-assistant/lines.js';
import { testFolder } from '../support/folder.js';
import { ROWS } from './rows-of-layouts.js';

const seed = Number(process.env.FUZZ_SEED ?? 20260726);
const settings = (numRuns: number) => ({ seed, numRuns });
const NAMES = Object.keys(ROWS);

/** Reads it both ways; what goes wrong is said by our error, and names the file. */
async function endsWell(file: string): Promise<void> {
  const read = async () => {
    for await (const one of readRecords(await openData(file))) expect(one.record.kind).toBeTypeOf('string');
  };
  for (const way of [read, () => surveyFile(file, 3)])
    try {
      await way();
    } catch (error) {
      if (!isSoliloquyError(error)) throw error;
      expect(error.code).toMatch(/^data\./);
      expect(error.message).toContain(file);
    }
}

const contentOf = (name: string, form: string): Buffer => {
  const rows = [...ROWS[name]!, ...ROWS[name]!];
  const lines = rows.map((row) => `${JSON.stringify(row)}\n`).join('');
  const text = form.startsWith('list') ? JSON.stringify(rows) : lines;
  return form.endsWith('gz') ? gzipSync(text) : Buffer.from(text);
};
const form = fc.constantFrom('lines', 'list', 'lines.gz', 'list.gz');

/** A value of a row replaced, wherever it stands. */
function withWrong(row: unknown, path: readonly number[], wrong: unknown): unknown {
  if (path.length === 0 || typeof row !== 'object' || row === null) return wrong;
  const keys = Object.keys(row);
  const key = keys[path[0]! % keys.length];
  if (key === undefined) return wrong;
  const copy = (Array.isArray(row) ? [...row] : { ...row }) as Record<string, unknown>;
  copy[key] = withWrong(copy[key], path.slice(1), wrong);
  return copy;
}

describe('data — broken files', () => {
  it('cut short anywhere', async () => {
    const file = join(testFolder(), 'cut');
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...NAMES),
        form,
        fc.double({ min: 0, max: 1, noNaN: true }),
        async (name, as, at) => {
          const whole = contentOf(name, as);
          writeFileSync(file, whole.subarray(0, Math.floor(at * whole.length)));
          await endsWell(file);
        },
      ),
      settings(150),
    );
  });

  it('with bits flipped', async () => {
    const file = join(testFolder(), 'flipped');
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...NAMES),
        form,
        fc.array(fc.tuple(fc.nat(), fc.nat(7)), { minLength: 1, maxLength: 6 }),
        async (name, as, flips) => {
          const bytes = contentOf(name, as);
          for (const [at, bit] of flips) bytes[at % bytes.length]! ^= 1 << bit;
          writeFileSync(file, bytes);
          await endsWell(file);
        },
      ),
      settings(150),
    );
  });

  it('with a value of another type in any place', async () => {
    const file = join(testFolder(), 'wrong');
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...NAMES),
        fc.array(fc.nat(20), { minLength: 1, maxLength: 5 }),
        fc.oneof(fc.jsonValue(), fc.constantFrom(null, '', -1, 1e300, [], {}, '\n\nHuman:', ['x'])),
        async (name, path, wrong) => {
          const rows = [...ROWS[name]!, withWrong(ROWS[name]![0], path, wrong), ...ROWS[name]!];
          writeFileSync(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
          await endsWell(file);
          const survey = await surveyFile(file, 0);
          expect(survey.layout).toBe(name);
          expect(survey.rows).toBe(rows.length);
        },
      ),
      settings(120),
    );
  });

  it('with text of any kind', async () => {
    const file = join(testFolder(), 'text');
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.json(),
      fc.stringMatching(/^[[\]{}",:\\ a1]{0,60}$/),
    );
    await fc.assert(
      fc.asyncProperty(text, async (content) => {
        writeFileSync(file, content);
        await endsWell(file);
      }),
      settings(150),
    );
  });

  const table = (file: string): Buffer => {
    const data = Array.from({ length: 40 }, (_, i) => `text ${i}`);
    const columnData = ['instruction', 'output'].map((name) => ({ name, data, type: 'STRING' as const }));
    parquetWriteFile({ filename: file, columnData, rowGroupSize: 16 });
    return readFileSync(file);
  };
  const rowsRead = async (file: string, patience = 1500): Promise<number> => {
    let n = 0;
    for await (const { number } of parquetRows(file, patience)) n = number;
    return n;
  };

  it('parquet cut short or with bits flipped', async () => {
    const file = join(testFolder(), 'table');
    const whole = table(file);
    expect(await rowsRead(file, 60_000)).toBe(40);
    const flips = fc.array(fc.tuple(fc.nat(), fc.nat(7)), { minLength: 1, maxLength: 4 });
    const broken = fc.record({
      share: fc.double({ min: 0.1, max: 0.99, noNaN: true }),
      cut: fc.boolean(),
      flips,
    });
    await fc.assert(
      fc.asyncProperty(broken, async ({ share, cut, flips }) => {
        const bytes = Buffer.from(cut ? whole.subarray(0, Math.floor(share * whole.length)) : whole);
        if (!cut) for (const [at, bit] of flips) bytes[4 + (at % (bytes.length - 4))]! ^= 1 << bit;
        writeFileSync(file, bytes);
        try {
          expect(await rowsRead(file)).toBeLessThanOrEqual(40);
          expect(cut).toBe(false);
        } catch (error) {
          if (!isSoliloquyError(error)) throw error;
          expect(error).toMatchObject({ code: 'data.unreadable', fields: { file } });
        }
      }),
      settings(15),
    );
  }, 60_000);

  it('parquet that keeps its library busy for ever is given up', async () => {
    const file = join(testFolder(), 'table');
    const bytes = table(file);
    // A run of 6 definition levels becomes one of hundreds of millions.
    bytes[519]! ^= 128;
    writeFileSync(file, bytes);
    await expect(rowsRead(file)).rejects.toMatchObject({ code: 'data.unreadable', fields: { file } });
  });

  it('a line or a list element without an end is refused, not held', async () => {
    const folder = testFolder();
    for (const [name, head] of [
      ['line', '{"instruction": "x", "output": "'],
      ['element', '[{"instruction": "x", "output": "'],
    ] as const) {
      const file = join(folder, name);
      writeFileSync(
        file,
        gzipSync(Buffer.concat([Buffer.from(head), Buffer.alloc(MAX_LINE + 1e6, 'x')]), { level: 1 }),
      );
      await expect(openData(file)).rejects.toMatchObject({ code: 'data.invalid' });
    }
  });

  it('a tree deeper than any talk is a fault of its row', async () => {
    const deep = `{"message_tree_id": "a", "prompt": ${'{"message_id": "m", "text": "x", "role": "prompter", "lang": "en", "replies": ['.repeat(4000)}${']}'.repeat(4000)}}\n`;
    const file = join(testFolder(), 'deep');
    writeFileSync(file, `${JSON.stringify(ROWS['oa-trees']![0])}\n${deep}`);
    const { usable, reasons } = await surveyFile(file, 0);
    expect({ usable, left: reasons.length }).toEqual({ usable: 1, left: 1 });
  });
});
