/**
 * The log alone is enough: a script in Python (test/fixtures/recompute.py) recomputes the hash chain, every judgement's
 * score from its raw text, and every pair from its judgements; a smaller one (read_log.py) is the example of docs/log-format.md.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GENESIS, sealLine } from '../../src/log/chain.js';
import type { BodyOf, Envelope, Verdict } from '../../src/protocol/messages.js';
import { parseVerdict } from '../../src/stages/judge.js';
import { ADDITIVE } from '../../src/worlds/microworld/format.js';
import { ofKind, runLoop } from '../support/loop.js';
import { template } from '../support/messages.js';
import { finishedRun, temporaryFolder, tinyConfig, writeTinyModel } from '../support/tiny-run.js';

const PYTHON = spawnSync('python3', ['--version']).status === 0;
if (!PYTHON) console.warn('python3 is missing: the recomputation in another language is skipped');

const folder = temporaryFolder();
afterAll(() => folder.remove());

/** -B: leaves no compiled files behind. */
function python(script: string, ...args: string[]) {
  const path = join(import.meta.dirname, '../fixtures', script);
  const ended = spawnSync('python3', ['-B', path, ...args], { encoding: 'utf8' });
  expect(ended.stderr).toBe('');
  return ended;
}

function recompute(log: string, ...more: string[]) {
  const { status, stdout } = python('recompute.py', log, ...more);
  return {
    status,
    said: stdout.trim(),
    counts: status === 0 ? (JSON.parse(stdout) as Record<string, number>) : null,
  };
}

let files = 0;
function write(envelopes: readonly Envelope[]): string {
  const file = join(folder.path, `log-${files++}.jsonl`);
  let head = GENESIS;
  const lines = envelopes.map((envelope, seq) => {
    const sealed = sealLine(head, { ...envelope, seq });
    head = sealed.head;
    return `${sealed.line}\n`;
  });
  writeFileSync(file, lines.join(''));
  return file;
}

describe.runIf(PYTHON)('a real run, recomputed in Python', () => {
  const model = join(folder.path, 'm0');
  const sizes = {
    iterations: 1,
    invent: { asks: 8 },
    world: { demonstrations: 16, evaluations: 16, heldOut: 4, probes: 2 },
  };
  beforeAll(() => writeTinyModel(model).then(() => undefined));

  it.each(['live', 'random', 'ensemble:[live,oracle]'])(
    'judged by %s: the same scores, pairs and reasons',
    async (judge) => {
      const out = join(folder.path, judge.replace(/\W/g, '-'));
      const { envelopes } = await finishedRun(tinyConfig(model, sizes, { cast: { judge } }), out);
      const { said, counts } = recompute(join(out, 'messages.jsonl'));
      expect(counts, said).toMatchObject({
        lines: envelopes.length,
        judgements: ofKind(envelopes, 'judgement.made').length,
        pairs: ofKind(envelopes, 'pair.made').length,
        withheld: ofKind(envelopes, 'pair.withheld').length,
        open: 0,
      });
      expect(counts!.pairs! + counts!.withheld!).toBe(8);
      if (judge === 'random') expect(counts!.pairs).toBeGreaterThan(0);
    },
  );
});

describe.runIf(PYTHON)('the small reader in Python', () => {
  const log = runLoop({ seed: 6, asks: 12, babble: 0.2, candidates: 4, judge: 'ensemble:[live,random]' });
  const { marker, min, max } = template.verdict;
  const paper = join(folder.path, 'paper.json');
  writeFileSync(paper, JSON.stringify({ marker, words: null, min, max }));

  it('counts the messages of each type and gives each pair the scores that its judgements say', () => {
    const { status, stdout } = python('read_log.py', write(log), paper);
    expect([status, stdout.startsWith('{')], stdout).toEqual([0, true]);
    const counts: Record<string, number> = {};
    for (const { type } of log) counts[type] = (counts[type] ?? 0) + 1;
    const pairs = log.flatMap(({ type, seq, body }) => {
      const { id, chosen, rejected } = body as BodyOf<'pair.made'>;
      return type === 'pair.made' ? [{ id, seq, chosen: chosen.score, rejected: rejected.score }] : [];
    });
    expect(pairs.length).toBeGreaterThan(0);
    expect(JSON.parse(stdout)).toEqual({ messages: log.length, types: counts, pairs });
  });

  it('finds a broken chain and a torn line', () => {
    const file = write(log);
    const text = readFileSync(file, 'utf8');
    writeFileSync(file, text.replace('"seq":7,', '"seq":7 ,'));
    expect(python('read_log.py', file).stdout).toContain('seq 7: the chain is broken');
    writeFileSync(file, text.slice(0, -20));
    expect(python('read_log.py', file)).toMatchObject({ status: 1, stdout: expect.stringContaining('torn') });
  });

  it('is short and needs nothing but the standard library', () => {
    const source = readFileSync(join(import.meta.dirname, '../fixtures/read_log.py'), 'utf8');
    expect(source.split('\n').length).toBeLessThan(120);
    const imports = [...source.matchAll(/^(?:import|from) (\w+)/gm)].map(([, name]) => name);
    expect(imports).toEqual(['collections', 'hashlib', 'json', 'os', 're', 'sys']);
  });
});

describe.runIf(PYTHON)('written judgements, recomputed in Python', () => {
  const log = runLoop({
    seed: 4,
    asks: 20,
    iterations: 1,
    babble: 0.3,
    candidates: 4,
    samples: 3,
    judge: 'ensemble:[live,random]',
  });
  const { marker, min, max } = template.verdict;
  const paper = join(folder.path, 'template.json');
  writeFileSync(paper, JSON.stringify({ marker, words: null, min, max }));

  it("the same, with the paper's template: numbers read from text, unreadable ones left out", () => {
    const { said, counts } = recompute(write(log), paper);
    expect(counts, said).toMatchObject({
      pairs: ofKind(log, 'pair.made').length,
      withheld: ofKind(log, 'pair.withheld').length,
      open: 0,
    });
    for (const kind of ['read', 'unparseable', 'byScorers', 'pairs', 'withheld'])
      expect(counts![kind], kind).toBeGreaterThan(0);
  });

  it("reads the microworld's verdicts as we do: last match, words, nothing from elsewhere", () => {
    const texts = [
      'relevant yes score : four',
      'score : one . score : five',
      'no score',
      'score : six',
      'SCORE : Two',
      'score :',
      'underscore : three',
      'score : four score :',
      'score : fourth',
    ];
    const judged = log.find(
      ({ type, body }) => type === 'judgement.made' && 'generation' in body && body.generation !== null,
    )!;
    const envelopes = texts.map((text, i): Envelope => {
      const verdict: Verdict = parseVerdict(text, ADDITIVE);
      const body = {
        ...judged.body,
        response: `1-000${i}/0`,
        verdict,
        generation: { ...(judged.body as { generation: object }).generation, text },
      };
      return { ...judged, body: body as Envelope['body'] };
    });
    const { said, counts } = recompute(write(envelopes));
    expect(counts, said).toMatchObject({ read: 3, unparseable: 6 });
  });

  const changed = (type: Envelope['type'], change: (body: Record<string, unknown>) => object) => {
    const at = log.findIndex(
      (one) =>
        one.type === type &&
        (type !== 'judgement.made' || (one.body as { generation: unknown }).generation !== null),
    );
    return write(
      log.map((one, i) =>
        i === at
          ? ({ ...one, body: { ...one.body, ...change(one.body as never) } } as unknown as Envelope)
          : one,
      ),
    );
  };

  it.each([
    [
      "a score that the text doesn't say",
      () => changed('judgement.made', () => ({ verdict: { status: 'score', score: 4.25 } })),
      'the judgement reads',
    ],
    [
      'chosen and rejected exchanged',
      () => changed('pair.made', ({ chosen, rejected }) => ({ chosen: rejected, rejected: chosen })),
      'chosen should be',
    ],
    [
      'a mean that is none',
      () => changed('pair.made', ({ chosen }) => ({ chosen: { ...(chosen as object), score: 4.99 } })),
      'the score of chosen',
    ],
    [
      'judgements of another answer',
      () =>
        changed('pair.made', ({ chosen, rejected }) => ({
          chosen: { ...(chosen as object), judgements: (rejected as { judgements: number[] }).judgements },
        })),
      'should name',
    ],
    ['another reason', () => changed('pair.withheld', () => ({ reason: 'x' })), 'should be withheld'],
  ])('finds %s', (_, make, what) => {
    const { status, said } = recompute(make(), paper);
    expect([status, said]).toEqual([1, expect.stringContaining(what)]);
  });

  it('finds a broken chain', () => {
    const file = write(log);
    writeFileSync(file, readFileSync(file, 'utf8').replace('"seq":7,', '"seq":7 ,'));
    expect(recompute(file, paper)).toMatchObject({
      status: 1,
      said: expect.stringContaining('seq 7: the chain is broken'),
    });
  });
});
