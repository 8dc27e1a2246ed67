import { createHash } from 'node:crypto';
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkLine, GENESIS, sealLine, sha256 } from '../../src/log/chain.js';
import { readLog, readWholeLog } from '../../src/log/reader.js';
import { openLog } from '../../src/log/writer.js';
import type { SoliloquyError } from '../../src/protocol/errors.js';
import type { Envelope } from '../../src/protocol/messages.js';
import { testFolder } from '../support/folder.js';

const envelope = (seq: number, text: string): Envelope => ({
  v: 1,
  seq,
  at: 1000 + seq,
  from: 'judge',
  to: 'record',
  cause: seq - 1,
  type: 'judgements.failed',
  body: { episode: '1-0000' as never, reason: text },
});
const TEXTS = ['plain', 'quote " and \\', 'newline \n and \u2028', 'Ж 漢 🙂', ',"h":"0000"}'];

function written(texts: readonly string[]) {
  const file = join(testFolder(), 'messages.jsonl');
  const log = openLog(file);
  for (const [seq, text] of texts.entries()) log.append(envelope(seq, text));
  log.sync();
  log.close();
  return { file, head: log.head, lines: readFileSync(file, 'utf8').split('\n').slice(0, -1) };
}
const failureOf = async (file: string): Promise<SoliloquyError> =>
  readWholeLog(file).then(
    () => {
      throw new Error('it was read');
    },
    (error: unknown) => error as SoliloquyError,
  );

describe('the chain', () => {
  it('is sha-256 over the head before and the line without its hash', () => {
    const { line, head } = sealLine(GENESIS, envelope(0, 'x'));
    const open = `${line.slice(0, line.lastIndexOf(',"h":"'))}}`;
    expect(head).toBe(
      createHash('sha256')
        .update('0'.repeat(64) + open)
        .digest('hex'),
    );
    expect(JSON.parse(line)).toMatchObject({ seq: 0, h: head });
    expect(checkLine(GENESIS, line)).toBe(head);
    expect(checkLine(head, line)).toBeUndefined();
    expect(sha256('')).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
  });

  it('writes the fields in one order, whatever the order they came in', () => {
    const { v, seq, at, from, to, cause, type, body } = envelope(0, 'x');
    const other = { body, type, cause, to, from, at, seq, v } as Envelope;
    expect(sealLine(GENESIS, other)).toEqual(sealLine(GENESIS, envelope(0, 'x')));
  });
});

describe('writer and reader', () => {
  it('read back what was written, in order', async () => {
    const { file, head } = written(TEXTS);
    const { envelopes, end } = await readWholeLog(file);
    expect(envelopes).toEqual(TEXTS.map((text, seq) => envelope(seq, text)));
    expect(end).toMatchObject({ head, count: TEXTS.length, torn: false });
  });

  it('any text comes back as it was', () =>
    fc.assert(
      fc.asyncProperty(fc.array(fc.string({ unit: 'binary' }), { maxLength: 5 }), async (texts) => {
        const well = texts.map((text) => Buffer.from(text).toString());
        const { file, head } = written(well);
        const { envelopes, end } = await readWholeLog(file);
        expect(envelopes.map(({ body }) => (body as { reason: string }).reason)).toEqual(well);
        expect(end).toMatchObject({ head, count: well.length, torn: false });
      }),
      { numRuns: 40 },
    ));

  it('an empty log is a log', async () => {
    expect(await readWholeLog(written([]).file)).toEqual({
      envelopes: [],
      end: { head: GENESIS, count: 0, torn: false, damaged: false, bytes: 0, size: 0 },
    });
  });

  it('goes on after a head as if it had never stopped', async () => {
    const whole = written(['a', 'b', 'c', 'd']);
    const half = written(['a', 'b']);
    const log = openLog(half.file, { head: half.head, count: 2 });
    for (const [i, text] of ['c', 'd'].entries()) log.append(envelope(2 + i, text));
    log.sync();
    log.close();
    expect(readFileSync(half.file, 'utf8')).toBe(readFileSync(whole.file, 'utf8'));
    expect(log.count).toBe(4);
  });

  it('a missing log is an error that names the file', async () => {
    await expect(failureOf(join(testFolder(), 'none.jsonl'))).resolves.toMatchObject({
      message: expect.stringContaining('none.jsonl'),
    });
  });
});

describe('durability', () => {
  const linesIn = (file: string) => readFileSync(file, 'utf8').split('\n').length - 1;
  const logged = (durability: 'message' | 'grouped' | 'none') => {
    const file = join(testFolder(), 'messages.jsonl');
    return { file, log: openLog(file, undefined, durability) };
  };

  it('`message` has each line in the file before the next is said, the others when they are flushed', () => {
    for (const durability of ['message', 'grouped', 'none'] as const) {
      const { file, log } = logged(durability);
      log.append(envelope(0, 'a'));
      expect([durability, linesIn(file)]).toEqual([durability, durability === 'message' ? 1 : 0]);
      expect(log.stored.count).toBe(linesIn(file));
      log.flush(0);
      expect([durability, linesIn(file), log.stored.count]).toEqual([durability, 1, 1]);
      log.close();
    }
  });

  it('closing while a grouped sync is on its way harms neither', async () => {
    const { file, log } = logged('grouped');
    for (let seq = 0; seq < 20; seq++) {
      log.append(envelope(seq, 'a'));
      log.flush(1000 * seq);
    }
    log.close();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect((await readWholeLog(file)).end).toMatchObject({ count: 20, torn: false });
  });
});

describe('a damaged log', () => {
  it('a torn last line of any length is left out and told', async () => {
    const { file, lines } = written(TEXTS.slice(0, 3));
    const kept = `${lines.slice(0, 2).join('\n')}\n`;
    const last = Buffer.from(lines[2]!);
    const before = (await readWholeLog(written(TEXTS.slice(0, 2)).file)).end.head;
    for (let length = 1; length < last.length; length++) {
      writeFileSync(file, Buffer.concat([Buffer.from(kept), last.subarray(0, length)]));
      const { envelopes, end } = await readWholeLog(file);
      expect([length, envelopes.length]).toEqual([length, 2]);
      const bytes = Buffer.byteLength(kept);
      expect(end).toEqual({
        head: before,
        count: 2,
        torn: true,
        damaged: false,
        bytes,
        size: bytes + length,
      });
    }
  });

  it('a last line that lacks only its newline is whole', async () => {
    const { file, head } = written(['a', 'b']);
    writeFileSync(file, readFileSync(file, 'utf8').trimEnd());
    expect((await readWholeLog(file)).end).toMatchObject({ head, count: 2, torn: false });
  });

  it('a flipped bit in any line but the last is found, and the line named', async () => {
    const { file, lines } = written(TEXTS);
    const bytes = readFileSync(file);
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: Buffer.byteLength(lines.slice(0, -1).join('\n')) - 1 }),
        fc.integer({ min: 0, max: 7 }),
        async (at, bit) => {
          const bad = Buffer.from(bytes);
          bad[at] = bad[at]! ^ (1 << bit);
          writeFileSync(file, bad);
          const line = bytes.subarray(0, at).filter((byte) => byte === 10).length + 1;
          const failure = await failureOf(file);
          expect(failure).toMatchObject({ code: 'log.invalid' });
          expect(failure.fields).toMatchObject({ file, line });
        },
      ),
      { numRuns: 120 },
    );
  });

  it('a flipped bit in the last line is found: it is left out, and not taken for torn', async () => {
    const { file, lines } = written(TEXTS);
    const bytes = readFileSync(file);
    const start = Buffer.byteLength(`${lines.slice(0, -1).join('\n')}\n`);
    for (let at = start; at < bytes.length - 1; at += 7) {
      const bad = Buffer.from(bytes);
      bad[at] = bad[at]! ^ 1;
      writeFileSync(file, bad);
      expect((await readWholeLog(file)).end).toMatchObject({
        count: TEXTS.length - 1,
        torn: true,
        damaged: true,
      });
    }
  });

  it('a line taken out, put twice or moved is found', async () => {
    const { file, lines } = written(['a', 'b', 'c', 'd']);
    const [a, b, c, d] = lines as [string, string, string, string];
    for (const [order, line] of [
      [[a, c, d], 2],
      [[b, c, d], 1],
      [[a, a, b, c, d], 2],
      [[a, c, b, d], 2],
    ] as const) {
      writeFileSync(file, `${order.join('\n')}\n`);
      expect((await failureOf(file)).fields).toMatchObject({ line });
    }
  });

  it('a whole line that is no message is an error, though its hash is right', async () => {
    const { file, head } = written(['a']);
    const { line } = sealLine(head, { ...envelope(1, 'x'), type: 'no.such' as never });
    appendFileSync(file, `${line}\n`);
    await expect(failureOf(file)).resolves.toMatchObject({ code: 'log.invalid', fields: { line: 2 } });
  });

  it('what stands before the damage can be read', async () => {
    const { file, lines } = written(['a', 'b', 'c']);
    writeFileSync(file, `${lines[0]}\n${lines[1]!.replace('b', 'x')}\n${lines[2]}\n`);
    const seen: number[] = [];
    await expect(async () => {
      for await (const { seq } of readLog(file)) seen.push(seq);
    }).rejects.toMatchObject({ code: 'log.invalid' });
    expect(seen).toEqual([0]);
  });
});

describe("a disk that can't be written", () => {
  it.runIf(existsSync('/dev/full'))('gives log.write with a way out', () => {
    const log = openLog('/dev/full');
    log.append(envelope(0, 'a'));
    let failure: unknown;
    try {
      log.flush(0);
    } catch (error) {
      failure = error;
    }
    expect(failure).toMatchObject({
      code: 'log.write',
      fields: { file: '/dev/full', fix: expect.stringContaining('disk') },
    });
    log.close();
  });

  it('leaves what was before readable', async () => {
    const { file } = written(['a', 'b']);
    const { head } = (await readWholeLog(file)).end;
    const log = openLog(file, { head, count: 2 });
    log.close();
    log.append(envelope(2, 'c'));
    expect(() => log.flush(0)).toThrow(expect.objectContaining({ code: 'log.write' }));
    expect((await readWholeLog(file)).end).toMatchObject({ count: 2, torn: false });
  });
});
