/** What the Compare view is told: differences of configs, where logs part, the messages around. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Compared, changesBetween } from '../../src/inspector/compare.js';
import type { Envelope } from '../../src/protocol/messages.js';
import { HOSTILE, type Inspected, inspectRuns } from '../support/inspected-runs.js';
import { resealedRun } from '../support/reseal.js';

let runs: Inspected;
beforeAll(async () => {
  runs = await inspectRuns();
});
afterAll(() => runs.close());

const path = (a: string, b: string) =>
  runs.url(`/api/runs/${encodeURIComponent(a)}/compare/${encodeURIComponent(b)}`);

async function settled(a: string, b: string): Promise<Compared> {
  for (;;) {
    const told = (await (await fetch(path(a, b))).json()) as Compared;
    const isWhole = [a, b].every((run) => {
      const { indexed, stated } = runs.house.open(run).watched.progress();
      return indexed === 1 && stated === 1;
    });
    if (told.isSettled && isWhole) return told;
  }
}

it('a run and its fork part at the seq that the fork says, where run.forked stands', async () => {
  const { seq } = runs.fork.find(({ type }) => type === 'run.forked')!;
  const { forks, parting, around, counts } = await settled('one', 'fork');
  expect(forks).toEqual([{ run: 'fork', parent: 'one', seq }]);
  expect(parting!.common).toBe(seq);
  expect(parting!.a!.seq).toBe(seq);
  expect(parting!.b!.text).toContain('run.forked');
  expect(counts).toEqual([runs.one.length, runs.fork.length]);
  for (const [i, log] of [runs.one, runs.fork].entries())
    expect(around[i]!.map(({ seq, type }) => ({ seq, type }))).toEqual(
      log.slice(seq - 3, seq + 4).map(({ seq, type }) => ({ seq, type })),
    );
});

async function factsOf(a: string, b: string) {
  for (;;) {
    const { otherFacts } = await settled(a, b);
    if (otherFacts) return otherFacts;
  }
}

it('the first fact that only one of them holds is named, whatever the order', async () => {
  const { seq } = runs.one.find(({ type }) => type === 'responses.made')!;
  resealedRun(runs.folderOf('one'), runs.folderOf('other'), (all) =>
    all.map((one) =>
      one.seq === seq ? ({ ...one, body: { ...one.body, candidates: [] } } as unknown as Envelope) : one,
    ),
  );
  const { a, b } = await factsOf('one', 'other');
  expect([a!.seq, b!.seq]).toEqual([seq, seq]);
  expect(b!.text).toContain('"candidates":[]');
});

it('none is named where both hold the same: a fork whose scripted model heeds no option', async () => {
  expect(await factsOf('one', 'fork')).toEqual({ a: null, b: null });
});

it('their configs differ in what was changed', async () => {
  const { changes } = await settled('one', 'fork');
  expect(changes).toContainEqual({ path: 'dpo.beta', a: '0.1', b: '0.5' });
  expect(changes.every(({ path }) => !/^(initial|fork)\./.test(path))).toBe(true);
});

it('a run says the same as itself to its end', async () => {
  const { parting, changes } = await settled('one', 'one');
  expect(parting).toEqual({ common: runs.one.length, a: null, b: null });
  expect(changes).toEqual([]);
});

it('two logs part at the first message that somebody changed', async () => {
  const { seq } = runs.one.find(({ type }) => type === 'evaluation.made')!;
  expect((await settled('one', HOSTILE)).parting!.common).toBe(seq);
});

it('an unknown run is refused, on either side', async () => {
  for (const [a, b] of [
    ['one', 'none'],
    ['none', 'one'],
    ['one', '../one'],
  ] as const)
    expect((await fetch(path(a, b))).status).toBe(404);
  expect((await fetch(runs.url('/api/runs/one/compare'))).status).toBe(400);
});

it('configs are compared leaf by leaf, and what one of them lacks is absent', () => {
  expect(changesBetween({ a: { b: 1, c: [1, 2] }, d: null }, { a: { b: 2, c: [1, 2] }, e: 'x' })).toEqual([
    { path: 'a.b', a: '1', b: '2' },
    { path: 'd', a: 'null', b: null },
    { path: 'e', a: null, b: '"x"' },
  ]);
});
