/** What `why` and the exports make of runs whose pairs follow other rules: real tiny runs. */
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { runArgument } from '../../src/cli/run-argument.js';
import { answerTo } from '../../src/cli/why-answer.js';
import { questionOf } from '../../src/cli/why-question.js';
import type { ConfigPart } from '../../src/protocol/config.js';
import type { BodyOf, Envelope, MessageType } from '../../src/protocol/messages.js';
import { exportTrl } from '../../src/report/export-trl.js';
import { problemsIn, type Trace } from '../../src/report/trace.js';
import { resealedRun } from '../support/reseal.js';
import { finishedRun, temporaryFolder, tinyConfig, writeTinyModel } from '../support/tiny-run.js';

const work = temporaryFolder();
afterAll(() => work.remove());
/** Enough training for judgements that can be read. */
const reads: ConfigPart = {
  world: { demonstrations: 24, evaluations: 120 },
  sft: { epochs: 4, batchSize: 8, learningRate: 0.02, finalLearningRate: 0.002, warmupSteps: 4 },
};
const logs = new Map<string, readonly Envelope[]>();
const VARIANTS: Readonly<Record<string, ConfigPart>> = {
  temporal: { cast: { trainer: 'temporal', judge: 'ensemble:[live,random]' } },
  meta: {
    cast: { trainer: 'meta-rewarding', metaJudge: 'random' },
    judge: { samples: 3, template: 'microworld-multiple-choice' },
  },
  cream: { cast: { trainer: 'cream', judge: 'ensemble:[implicit,implicit:1]' } },
  short: { pair: { lengthControl: 0.4 }, cast: { judge: 'random' } },
};
beforeAll(async () => {
  const model = await writeTinyModel(join(work.path, 'm0'));
  for (const [name, part] of Object.entries(VARIANTS)) {
    const { envelopes } = await finishedRun(tinyConfig(model, reads, part), join(work.path, name));
    logs.set(name, envelopes);
  }
}, 120_000);

const of = <T extends MessageType>(run: string, type: T) =>
  logs.get(run)!.filter((one) => one.type === type) as (Envelope & { body: BodyOf<T> })[];
const why = async (run: string, what: string): Promise<Trace> =>
  (await answerTo(runArgument(join(work.path, run)), questionOf(what))).trace;
const all = (trace: Trace): Trace[] => [trace, ...(trace.parts ?? []).flatMap(all)];
const rowsOf = async (run: string, file: string) => {
  const dir = join(work.path, `trl-${run}`);
  mkdirSync(dir, { recursive: true });
  await exportTrl(runArgument(join(work.path, run)), dir, 'standard');
  return rowsIn(join(dir, file));
};
const rowsIn = (path: string) =>
  readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
const told = (row: Record<string, unknown>) => JSON.stringify([row.id, row.prompt, row.chosen, row.rejected]);

/** A run beside it, called `…-turned`, in which facts of a type say something else. */
const turned = <T extends MessageType>(run: string, type: T, change: (body: BodyOf<T>) => object): string =>
  resealedRun(join(work.path, run), join(work.path, `${run}-turned`), (log) =>
    log.map((one) =>
      one.type === type
        ? ({ ...one, body: { ...one.body, ...change(one.body as BodyOf<T>) } } as Envelope)
        : one,
    ),
  );

describe('why', () => {
  it.each(['temporal', 'short', 'cream'])(
    'of the pairs of a %s run computes the same by that rule',
    async (run) => {
      const made = [...of(run, 'pair.made').slice(0, 5), ...of(run, 'pair.withheld').slice(0, 3)];
      expect(of(run, 'pair.made').length).toBeGreaterThan(4);
      for (const { body } of made) {
        const trace = await why(run, `pair:${'id' in body ? body.id : body.episode}`);
        expect(problemsIn(trace)).toEqual([]);
      }
    },
  );

  it('says where a consistency is not that of the two rankings, and a later pair not what the judgements give', async () => {
    const { id } = of('cream', 'pair.made').find(({ body }) => body.consistency !== undefined)!.body;
    turned('cream', 'pair.made', () => ({ consistency: 0.123 }));
    expect(problemsIn(await why('cream-turned', `pair:${id}`)).join()).toContain(
      'the two rankings have the consistency',
    );
    const revised = of('temporal', 'pair.revised').find(({ body }) => body.by === 'future')!.body;
    turned('temporal', 'pair.revised', () => ({ by: 'present' }));
    expect(problemsIn(await why('temporal-turned', `pair:${revised.id}`)).join()).toContain(
      `the judgements give ${revised.chosen.response} of the future`,
    );
  });

  it('shows what a future version answered, how that was judged, and the pair as it was trained on', async () => {
    const revised = of('temporal', 'pair.revised').find(({ body }) => body.by === 'future')!;
    const { id, chosen } = revised.body;
    const trace = await why('temporal', `pair:${id}`);
    const parts = all(trace);
    expect(parts.find(({ kind }) => kind === 'revised')!.texts).toMatchObject({ chosen: chosen.text });
    expect(parts.some(({ kind, title }) => kind === 'response' && title.includes(chosen.response))).toBe(
      true,
    );
    const iteration = revised.body.iteration;
    expect(parts.filter(({ kind }) => kind === 'training').map(({ title }) => title)).toEqual([
      `trained M${iteration + 1}-future as part of aift-M${iteration}`,
      `trained M${iteration + 1} as part of temporal-M${iteration}`,
    ]);
    expect((await why('temporal', `response:${chosen.response}`)).texts).toMatchObject({ text: chosen.text });
    expect(problemsIn(await why('temporal', 'M2-future'))).toEqual([]);
  });

  it('follows a judgement pair to the judgements compared, each verdict on them, and the training', async () => {
    const made = of('meta', 'judgement-pair.made');
    for (const { seq, body } of made.slice(0, 4)) {
      const { id, chosen, rejected, metaJudgements, iteration } = body;
      const trace = await why('meta', `judgement-pair:${id}`);
      expect(trace).toMatchObject({ kind: 'judgement-pair', line: { seq } });
      expect(trace.texts).toMatchObject({ chosen: chosen.text, rejected: rejected.text });
      expect(problemsIn(trace)).toEqual([]);
      expect(trace.notes).toContain('computed again from the verdicts: the same');
      const parts = (kind: string) => trace.parts!.filter((one) => one.kind === kind);
      expect(parts('meta-judgement').map(({ line }) => line!.seq)).toEqual(metaJudgements);
      expect(parts('judgement').map(({ line }) => line!.seq)).toEqual(
        expect.arrayContaining([...chosen.judgements, ...rejected.judgements]),
      );
      expect(parts('training').map(({ title }) => title)).toEqual([
        `trained M${iteration + 1} as part of judgements-M${iteration}`,
      ]);
    }
    const none = of('meta', 'judgement-pair.withheld')[0]!;
    const { episode, reason } = none.body;
    const trace = await why('meta', `judgement-pair:${episode}`);
    expect(trace).toMatchObject({ kind: 'withheld', line: { seq: none.seq } });
    expect(trace.title).toContain(reason);
    const { id } = of('short', 'pair.made')[0]!.body;
    await expect(why('short', `judgement-pair:${id}`)).rejects.toThrow(/no judgement pair of/);
  });

  it('says where a judgement pair is not what its verdicts give', async () => {
    const [{ body }] = of('meta', 'judgement-pair.made') as [
      Envelope & { body: BodyOf<'judgement-pair.made'> },
    ];
    turned('meta', 'judgement-pair.made', ({ chosen, rejected }) => ({ chosen: rejected, rejected: chosen }));
    expect(problemsIn(await why('meta-turned', `judgement-pair:${body.id}`)).join()).toContain(
      `the verdicts give ${body.chosen.judgement}`,
    );
  });

  it('counts verdicts and judgement pairs behind a version, with the reasons for none', async () => {
    const behind = all(await why('meta', 'M2')).find(({ kind }) => kind === 'episodes')!;
    const count = (type: MessageType) =>
      of('meta', type).filter(({ body }) => (body as { iteration: number }).iteration === 1).length;
    expect(count('judgement-pair.made')).toBeGreaterThan(0);
    expect(behind.facts).toMatchObject({
      metaJudgements: count('meta-judgement.made'),
      judgementPairs: count('judgement-pair.made'),
    });
  });
});

describe('the export in TRL’s layouts', () => {
  it('has the judgement pairs that were trained on, with the seqs of the verdicts behind them', async () => {
    const rows = await rowsOf('meta', 'judgement-preference.jsonl');
    const trained = ['M1', 'M2'].flatMap((t) =>
      rowsIn(join(work.path, 'meta', 'data', `judgements-${t}.jsonl`)),
    );
    expect(rows.length).toBeGreaterThan(0);
    expect(rows.map(told).sort()).toEqual(trained.map(told).sort());
    const log = logs.get('meta')!;
    for (const { meta_judgements, chosen_judgement, rejected_judgement } of rows)
      for (const seq of meta_judgements as number[]) {
        expect(log[seq]!.type).toBe('meta-judgement.made');
        const { first } = log[seq]!.body as BodyOf<'meta-judgement.made'>;
        expect(first.split('/').slice(0, 2)).toEqual(String(chosen_judgement).split('/').slice(0, 2));
        expect(chosen_judgement).not.toBe(rejected_judgement);
      }
  });

  it('has both sets of pairs of an iteration with a future version, told apart by `dataset`', async () => {
    const rows = await rowsOf('temporal', 'preference.jsonl');
    for (const name of ['aift-M1', 'temporal-M1', 'aift-M2', 'temporal-M2'])
      expect(
        rows
          .filter(({ dataset }) => dataset === name)
          .map(told)
          .sort(),
      ).toEqual(
        rowsIn(join(work.path, 'temporal', 'data', `${name}.jsonl`))
          .map(told)
          .sort(),
      );
  });
});
