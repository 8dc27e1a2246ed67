/** What the Progress view is told, held against the log and metrics.jsonl. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Progress, Throughput } from '../../src/inspector/progress-facts.js';
import { createProgressFold } from '../../src/inspector/progress-fold.js';
import { openIndex, type RunIndex } from '../../src/inspector/run-index.js';
import { createThroughputFold } from '../../src/inspector/throughput.js';
import type { BodyOf, Envelope, MessageType } from '../../src/protocol/messages.js';
import { meanScore } from '../../src/stages/judge.js';
import { runFolder } from '../../src/store/run-folder.js';
import { type Inspected, inspectRuns } from '../support/inspected-runs.js';

let runs: Inspected;
let progress: Progress;

async function whole(run: string): Promise<Progress> {
  for (;;) {
    const response = await fetch(runs.url(`/api/runs/${encodeURIComponent(run)}/progress`));
    expect(response.status).toBe(200);
    const told = (await response.json()) as Progress;
    const file = readFileSync(runFolder(runs.folderOf(run)).log, 'utf8');
    if (told.folded === file.split('\n').length - 1) return told;
  }
}

beforeAll(async () => {
  runs = await inspectRuns();
  progress = await whole('one');
});
afterAll(() => runs.close());

const said = <T extends MessageType>(type: T) =>
  runs.one.filter((one) => one.type === type).map(({ seq, body }) => ({ seq, body: body as BodyOf<T> }));

describe('the progress of a run', () => {
  it('holds every number of metrics.jsonl, with its interval, n and seq', () => {
    const lines = readFileSync(runFolder(runs.folderOf('one')).metrics, 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as object);
    const told = progress.measured.flatMap(({ version, seq, metrics }) =>
      metrics.map((metric) => ({ version, ...metric, seq })),
    );
    expect(lines.length).toBeGreaterThan(50);
    expect(told).toEqual(lines);
  });

  it('counts every held-out answer once in each histogram, as the run scores it', () => {
    for (const own of progress.measured) {
      const answers = said('evaluation.answered').filter(({ body }) => body.version === own.version);
      const sum = (counts: Readonly<Record<string, number>>) =>
        Object.values(counts).reduce((a, b) => a + b, 0);
      expect(own.answers).toBe(answers.length);
      expect(sum(own.self) + own.unreadable).toBe(answers.length);
      expect(sum(own.truth)).toBe(answers.filter(({ body }) => body.truth !== null).length);
      for (const score of Object.keys(own.self))
        expect(own.self[Number(score)]).toBe(
          answers.filter(
            ({ body }) => Math.round(meanScore(body.selfScores).score ?? Number.NaN) === Number(score),
          ).length,
        );
    }
  });

  it('names each version with the message that made it', () => {
    const [first, ...others] = progress.versions;
    const start = said('run.start')[0]!;
    expect(first).toEqual({ version: 'M0', seq: start.seq, weightsHash: start.body.baseHash, made: null });
    expect(
      others.map(({ version, seq, weightsHash, made }) => ({ seq, version, weightsHash, ...made })),
    ).toEqual(said('version.made').map(({ seq, body }) => ({ seq, ...body })));
  });

  it('counts pairs, reasons for none and judgements as the log says them', () => {
    const [own] = progress.iterations;
    const counted = <T extends 'pair.withheld' | 'prompt.filtered'>(type: T) => {
      const counts: Record<string, number> = {};
      for (const { body } of said(type)) counts[body.reason] = (counts[body.reason] ?? 0) + 1;
      return counts;
    };
    expect(own).toMatchObject({
      iteration: 1,
      seq: said('prompts.request')[0]!.seq,
      pairs: said('pair.made').length,
      withheld: counted('pair.withheld'),
      filtered: counted('prompt.filtered'),
      judgements: said('judgement.made').length,
      unparseable: said('judgement.made').filter(({ body }) => body.verdict.status === 'unparseable').length,
    });
  });

  it('holds every step of every training', () => {
    const told = progress.trainings.flatMap(({ to, points }) => points.map((point) => ({ to, ...point })));
    const steps = said('training.stepped');
    expect(steps.length).toBeGreaterThan(0);
    expect(told).toEqual(
      steps.map(({ seq, body: { to, step, loss, accuracy, margin } }) => ({
        to,
        seq,
        step,
        loss,
        accuracy,
        margin,
      })),
    );
  });

  it('shares all messages and all time out among the phases', () => {
    const { phases, counts } = progress.throughput;
    const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
    expect(sum(phases.map(({ messages }) => messages))).toBe(runs.one.length);
    expect(sum(counts.flat())).toBe(runs.one.length);
    expect(sum(phases.map(({ ms }) => ms))).toBe(runs.one.at(-1)!.at - runs.one[0]!.at);
  });

  it('tells a fork by the message that begins it', async () => {
    const { forks } = await whole('fork');
    const seam = runs.fork.find(({ type }) => type === 'run.forked')!;
    expect(forks).toEqual([{ seq: seam.seq, parent: 'one' }]);
  });

  it('is refused for a run that is not there', async () => {
    expect((await fetch(runs.url('/api/runs/none/progress'))).status).toBe(404);
  });
});

const fold = (...all: { type: string; body: object }[]) => {
  const own = createProgressFold((verdicts) => meanScore(verdicts).score);
  all.forEach((one, seq) => {
    own.take({ seq, ...one } as unknown as Envelope);
  });
  return own.told();
};

describe('the fold', () => {
  it('adds up what a server’s answers cost, by who asked, and knows no sum where a price is not known', () => {
    const usage = {
      requests: 2,
      retries: 0,
      promptTokens: 30,
      completionTokens: 7,
      untold: 0,
      currency: 'EUR',
    };
    const bill = (id: string, cost: number | null) => ({
      type: 'model.result',
      body: { id, items: [], usage: { ...usage, cost } },
    });
    const told = fold(
      bill('judge/1', 0.25),
      bill('judge/2', 0.5),
      bill('responder/1', 1),
      bill('responder/2', null),
    );
    expect(told.usage).toEqual([
      {
        who: 'judge',
        seq: 1,
        requests: 4,
        promptTokens: 60,
        completionTokens: 14,
        cost: 0.75,
        currency: 'EUR',
      },
      {
        who: 'responder',
        seq: 3,
        requests: 4,
        promptTokens: 60,
        completionTokens: 14,
        cost: null,
        currency: 'EUR',
      },
    ]);
  });

  it('tells a long training by means of neighbouring steps, and a step that was done again once', () => {
    const step = (at: number) => ({
      type: 'training.stepped',
      body: {
        to: 'M1',
        step: at,
        steps: 1000,
        loss: at,
        gradNorm: 0,
        learningRate: 0,
        accuracy: null,
        margin: null,
      },
    });
    const all = Array.from({ length: 1000 }, (_, i) => step(i + 1));
    const [{ perPoint, points }] = fold(...all.slice(0, 500), ...all.slice(480)).trainings as [
      Progress['trainings'][number],
    ];
    expect(perPoint).toBe(5);
    expect(points.map(({ step }) => step)).toEqual(Array.from({ length: 200 }, (_, i) => 5 * (i + 1)));
    expect(points[0]).toMatchObject({ loss: 3, accuracy: null });
  });

  it('forgets the answers of a measuring that was begun again', () => {
    const request = {
      type: 'evaluation.request',
      body: { version: 'M1', against: [], reference: null, judge: 'live' },
    };
    const answer = {
      type: 'evaluation.answered',
      body: { version: 'M1', truth: 2, selfScores: [{ status: 'score', score: 4 }] },
    };
    const [own] = fold(request, answer, answer, request, answer).measured;
    expect(own).toMatchObject({ request: 3, seq: null, answers: 1, self: { 4: 1 }, truth: { 2: 1 } });
  });
});

describe('the time of phases', () => {
  const whole = () => {
    const index = openIndex(runFolder(runs.folderOf('one')).log);
    while (index.grow());
    return index;
  };
  const told = (index: RunIndex) => {
    const own = createThroughputFold();
    own.take(index, 0, index.count);
    return own.told();
  };
  const msOf = ({ phases }: Throughput) => phases.reduce((sum, { ms }) => sum + ms, 0);

  it('leaves out the time in which a stopped run waited', () => {
    const index = whole();
    const before = msOf(told(index));
    index.columns.set('type', 100, index.names.idOf('run.resumed'));
    const waited = index.columns.get('at', 100) - index.columns.get('at', 99);
    expect(waited).toBeGreaterThan(0);
    expect(msOf(told(index))).toBe(before - waited);
    index.close();
  });

  it('keeps few buckets however long a run is, and every message in its own', () => {
    const index = whole();
    const begin = index.columns.get('at', 0);
    for (let seq = 0; seq < index.count; seq++) index.columns.set('at', seq, begin + seq * seq);
    const { counts, bucketMs } = told(index);
    const expected: number[] = counts.map(() => 0);
    for (let seq = 0; seq < index.count; seq++) expected[Math.floor((seq * seq) / bucketMs)]!++;
    expect(counts.length).toBeLessThanOrEqual(192);
    expect(counts.length).toBeGreaterThan(95);
    expect(counts.map((bucket) => bucket.reduce((a, b) => a + b, 0))).toEqual(expected);
    index.close();
  });
});
