import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runArgument } from '../../src/cli/run-argument.js';
import { answerTo } from '../../src/cli/why-answer.js';
import { questionOf } from '../../src/cli/why-question.js';
import type { BodyOf, Envelope, MessageType } from '../../src/protocol/messages.js';
import { compositionOf } from '../../src/report/contributions.js';
import { evaluationOf } from '../../src/report/evaluation.js';
import { openRecord } from '../../src/report/run-record.js';
import { problemsIn, type Trace } from '../../src/report/trace.js';
import { quoted, traceText } from '../../src/report/trace-text.js';
import { resealedRun } from '../support/reseal.js';
import { finishedRun, temporaryFolder, tinyConfig, writeTinyModel } from '../support/tiny-run.js';

const work = temporaryFolder();
afterAll(() => work.remove());
const run = join(work.path, 'run');
let log: readonly Envelope[] = [];

beforeAll(async () => {
  const model = await writeTinyModel(join(work.path, 'm0'));
  const parts = {
    invent: { asks: 16 },
    cast: { judge: 'ensemble:[live,random]' },
    judge: { retries: 1 },
    world: { demonstrations: 24, evaluations: 120 },
    sft: { epochs: 4, batchSize: 8, learningRate: 0.02, finalLearningRate: 0.002, warmupSteps: 4 },
  };
  ({ envelopes: log } = await finishedRun(tinyConfig(model, parts), run));
});

const why = async (what: string, dir = run): Promise<Trace> =>
  (await answerTo(runArgument(dir), questionOf(what))).trace;
const all = (trace: Trace): Trace[] => [trace, ...(trace.parts ?? []).flatMap(all)];
const ofType = <T extends MessageType>(type: T) =>
  log.filter((one) => one.type === type) as (Envelope & { body: BodyOf<T> })[];

let copies = 0;
const changedRun = (change: (envelopes: Envelope[]) => Envelope[]) =>
  resealedRun(run, join(work.path, `changed-${copies++}`), change);
const withBody = (type: MessageType, change: (body: never) => object | undefined) => {
  let done = false;
  return changedRun((envelopes) =>
    envelopes.map((one) => {
      const body = done || one.type !== type ? undefined : change(one.body as never);
      done ||= body !== undefined;
      return body === undefined ? one : { ...one, body: body as Envelope['body'] };
    }),
  );
};

describe('why of an episode', () => {
  it('ends as the log says, for pairs and for those that gave none, with nothing that differs', async () => {
    for (const { type, body, seq } of [
      ...ofType('pair.made').slice(0, 3),
      ...ofType('pair.withheld').slice(0, 4),
    ]) {
      const id = 'id' in body ? body.id : body.episode;
      const trace = await why(`pair:${id}`);
      expect([trace.kind, trace.line?.seq, problemsIn(trace)]).toEqual([
        type === 'pair.made' ? 'pair' : 'withheld',
        seq,
        [],
      ]);
      if ('reason' in body) expect(trace.title).toContain(body.reason);
    }
    expect(ofType('pair.made').length).toBeGreaterThan(2);
  });

  it('leads from a pair to its prompt, all answers, all judgements, and the training that used it', async () => {
    const { body } = ofType('pair.made')[0]!;
    const trace = await why(`pair:${body.id}`);
    const kinds = all(trace).map(({ kind }) => kind);
    const made = ofType('judgement.made').filter((one) => one.body.id.startsWith(`${body.id}/`));
    expect(kinds.filter((kind) => kind === 'judgement')).toHaveLength(made.length);
    expect(kinds.filter((kind) => kind === 'response')).toHaveLength(3);
    expect(kinds.filter((kind) => kind === 'shot').length).toBeGreaterThan(0);
    const training = all(trace).find(({ kind }) => kind === 'training')!;
    expect(training.title).toBe(`trained M2 as part of aift-M1`);
  });

  it('says of each written judgement the raw text, what was asked, sampling, key, version and weights', async () => {
    const { body } = ofType('pair.made')[0]!;
    const weights = ofType('version.made').find((one) => one.body.version === 'M1')!.body.weightsHash;
    const judgements = all(await why(`pair:${body.id}`)).filter(({ kind }) => kind === 'judgement');
    const written = judgements.filter(({ texts }) => texts?.raw !== undefined);
    expect(written.length).toBeGreaterThan(0);
    for (const { line, texts, facts, asked } of written) {
      const said = log[line!.seq] as Envelope & { body: BodyOf<'judgement.made'> };
      const { text, key } = said.body.generation!;
      const answer = ofType('responses.made')
        .flatMap((one) => one.body.candidates)
        .find(({ id }) => id === said.body.response)!.text;
      expect(texts!.raw).toBe(text);
      expect(facts).toMatchObject({ key, version: 'M1', weights, temperature: 1, topP: 1, maxNewTokens: 8 });
      expect(asked).toContain(answer);
      const request = log[facts!.request as number] as Envelope & { body: BodyOf<'model.request'> };
      expect(request.body.items.flatMap((item) => item.keys)).toContainEqual(key);
    }
    expect(judgements.length).toBeGreaterThan(written.length); // the scorer's
  });

  it('leads from one judgement and from one response to the pair', async () => {
    const { body, seq } = ofType('pair.made')[0]!;
    const { id } = ofType('judgement.made').find((one) => one.body.response === body.chosen.response)!.body;
    for (const what of [`judgement:${id}`, `response:${body.chosen.response}`]) {
      const end = all(await why(what)).find(({ kind }) => kind === 'pair');
      expect(end?.line?.seq).toBe(seq);
    }
  });

  it('finds a score that the text does not say, and the pair that then is another', async () => {
    const pair = ofType('pair.made')[0]!.body;
    const { id } = ofType('judgement.made').find(
      (one) => one.body.response === pair.chosen.response && one.body.generation !== null,
    )!.body;
    const dir = withBody('judgement.made', (body: BodyOf<'judgement.made'>) =>
      body.id === id ? { ...body, verdict: { status: 'score', score: 0.125 } } : undefined,
    );
    const problems = problemsIn(await why(`pair:${pair.id}`, dir));
    expect(problems).toHaveLength(2);
    expect(problems.join('\n')).toMatch(/the judgements give[\s\S]*the text reads/);
  });

  it('says which fact a person changed in a fork, and does not call it wrong', async () => {
    const said = ofType('judgement.made').find((one) => one.body.generation !== null)!;
    const value = { status: 'score', score: 0.25 };
    const dir = changedRun((envelopes) => {
      const fact = `judgement.made ${said.body.id}`;
      const override = { seq: said.seq, fact, path: 'verdict', was: said.body.verdict, value };
      const forked: Envelope = {
        ...envelopes[0]!,
        to: 'record',
        cause: -1,
        type: 'run.forked',
        body: {
          parent: { run: 'paper', seq: said.seq, headHash: '0' },
          config: {},
          changes: {},
          overrides: [override],
        },
      };
      const moved = envelopes.map((one) => {
        const cause = one.cause >= said.seq ? one.cause + 1 : one.cause;
        return one.seq === said.seq
          ? { ...one, cause, body: { ...said.body, verdict: value } as never }
          : { ...one, cause };
      });
      return [...moved.slice(0, said.seq), forked, ...moved.slice(said.seq)];
    });
    const trace = await why(`judgement:${said.body.id}`, dir);
    expect(trace.title).toContain('score 0.25');
    expect(trace.notes).toEqual([
      `changed by hand in a fork: verdict was ${JSON.stringify(said.body.verdict)}`,
    ]);
    expect(trace.problem).toBeUndefined();
  });
});

describe('why of a version', () => {
  it('names lineage, data, judge, optimizer and loss, and finds weights and data as the log names them', async () => {
    const trace = await why('M3');
    expect(problemsIn(trace)).toEqual([]);
    const kinds = all(trace).map(({ kind }) => kind);
    for (const kind of [
      'lineage',
      'data',
      'file',
      'training',
      'optimizer',
      'curve',
      'step',
      'episodes',
      'metrics',
    ])
      expect(kinds).toContain(kind);
    expect(all(trace).find(({ kind }) => kind === 'lineage')!.title).toBe('M3 ← M2 ← M1 ← M0');
    expect(all(trace).find(({ kind }) => kind === 'episodes')!.facts).toMatchObject({
      judges: ['live = M2', 'random'],
    });
    expect(all(trace).find(({ kind }) => kind === 'optimizer')!.facts).toMatchObject({
      beta: 0.1,
      learningRate: 2e-4,
    });
    expect(traceText(trace, { full: false })).toContain(
      'the weights on disk have the hash that the log names',
    );
  });

  it('M0 is what the run was given', async () => {
    const { baseHash } = ofType('run.start')[0]!.body;
    expect(await why('M0')).toMatchObject({ line: { seq: 0 }, facts: { weights: baseHash } });
  });

  it('finds data on disk that is not what was trained on', async () => {
    const dir = changedRun((envelopes) => envelopes);
    appendFileSync(join(dir, 'data/aift-M1.jsonl'), '{}\n');
    expect(problemsIn(await why('M2', dir))).toEqual([expect.stringMatching(/the files on disk hash to/)]);
    expect(problemsIn(await why('M3', dir))).toEqual([]);
  });
});

describe('why of a number', () => {
  it('each number of the run comes out again to the last bit, and has its facts', async () => {
    const record = await openRecord(runArgument(run));
    for (const version of record.evaluated.keys()) {
      const evaluation = evaluationOf(record, version)!;
      for (const { name, value, n } of evaluation.metrics) {
        const { contributions } = compositionOf(evaluation, name, 5)!;
        const values = contributions.flatMap((one) => (one.value === null ? [] : [one.value]));
        const sum = values.reduce((a, b) => a + b, 0);
        // Means are over what they have contributions of; counts and shares of grams are sums.
        if (
          /^(true|self|gap|length|kl|unique)|^judge\.(pairwise|spearman|kendall|ties|fiveBest|exactMatch)/.test(
            name,
          )
        ) {
          expect([name, values.length]).toEqual([name, n]);
          if (value !== null) expect(sum / n).toBeCloseTo(value, 12);
        }
        if (name.startsWith('judge.histogram')) expect(sum).toBe(value);
        for (const seq of contributions.flatMap(({ seqs }) => seqs))
          expect(log[seq]!.type).toMatch(/^evaluation\./);
      }
    }
    record.index.close();
    for (const name of [
      'true.score',
      'M2/judge.pairwise',
      'M2/h2h.oracle.M1.margin',
      'M1/h2h.judge.SFT.win',
      'SFT/distinct2',
    ]) {
      const trace = await why(`metric:${name}`);
      expect([name, problemsIn(trace)]).toEqual([name, []]);
      expect(trace.notes!.join()).toContain('equal to the last bit');
    }
  });

  it('before a fork it is computed with the config of that time, where the fork’s config.json has it', async () => {
    const file = join(run, 'config.json');
    const parent = JSON.parse(readFileSync(file, 'utf8')) as object;
    const fork = { ...parent, seed: 999 };
    const parents = { run: 'run', seq: log.length, headHash: '0' };
    const body = { parent: parents, config: {}, changes: { seed: 999 }, overrides: [] };
    const forked = { ...log[0]!, to: 'record', cause: -1, type: 'run.forked', body } as Envelope;
    const dir = changedRun((envelopes) => [...envelopes, forked]);
    writeFileSync(join(dir, 'config.json'), JSON.stringify(fork));
    const unknown = await why('metric:M1/length', dir);
    expect([unknown.problem, unknown.notes!.join()]).toEqual([
      undefined,
      expect.stringContaining('not computed'),
    ]);
    writeFileSync(join(dir, 'config.json'), JSON.stringify({ ...fork, initial: parent }));
    const known = await why('metric:M1/length', dir);
    expect([known.problem, known.notes!.join()]).toEqual([
      undefined,
      expect.stringContaining('to the last bit'),
    ]);
  });

  it('finds a number that its facts do not give', async () => {
    const dir = withBody('evaluation.made', ({ version, metrics }: BodyOf<'evaluation.made'>) => ({
      version,
      metrics: metrics.map((one) => (one.name === 'length' ? { ...one, value: 1 } : one)),
    }));
    expect(problemsIn(await why('metric:M0/length', dir))).toEqual([
      expect.stringContaining('recorded is 1'),
    ]);
    expect(problemsIn(await why('metric:M0/true.score', dir))).toEqual([]);
  });
});

describe('why of a message', () => {
  it('leads back to run.start and on to what it caused', async () => {
    const { seq } = ofType('pair.made')[0]!;
    const [causes, effects] = (await why(`seq:${seq}`)).parts!;
    expect(causes!.parts!.at(-1)!.line).toMatchObject({ seq: 0, type: 'run.start' });
    const chain = [seq, ...causes!.parts!.map(({ line }) => line!.seq)];
    for (const [i, one] of chain.slice(0, -1).entries()) expect(log[one]!.cause).toBe(chain[i + 1]);
    expect(effects!.parts!.map(({ line }) => line!.seq)).toEqual(
      log.filter(({ cause }) => cause === seq).map((one) => one.seq),
    );
  });
});

describe('the tree as text', () => {
  it('escapes whatever a terminal would obey', () => {
    const evil = '\u001b[2J\u0007\r\n\u009b1m\u202e"quoted"';
    expect(quoted(evil)).toBe('"\\u001b[2J\\u0007\\r\\n\\u009b1m\\u202e\\"quoted\\""');
    const trace: Trace = {
      kind: 'x',
      title: evil,
      texts: { raw: evil },
      facts: { player: evil },
      notes: [evil],
    };
    const lines = traceText({ ...trace, parts: [trace] }, { full: true }).split('\n');
    for (const line of lines)
      expect(quoted(line).replaceAll('\\\\', '').replaceAll('\\"', '')).not.toContain('\\');
    expect(lines).toHaveLength(8);
  });

  it('cuts long texts and lists, and shows them whole when asked', () => {
    const trace: Trace = {
      kind: 'x',
      title: 'x',
      texts: { raw: 'a'.repeat(500) },
      parts: Array(60).fill({ kind: 'y', title: 'y' }),
    };
    expect(traceText(trace, { full: false })).toMatch(
      /340 characters more \(--full\)[\s\S]*20 more \(--full\)$/,
    );
    expect(traceText(trace, { full: true })).toContain('a'.repeat(500));
  });
});
