/** What `soliloquy export` makes of a run, read back by the real readers. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } from 'hyparquet';
import { beforeAll, describe, expect, it } from 'vitest';
import { runArgument } from '../../src/cli/run-argument.js';
import type { BodyOf, Envelope, MessageType } from '../../src/protocol/messages.js';
import { exportTrl } from '../../src/report/export-trl.js';
import { finishedRun, tinyConfig, writeTinyModel } from '../support/tiny-run.js';
import { soliloquy, soliloquyJson, temporaryFolder } from './command.js';

const work = temporaryFolder();
const run = join(work, 'run');
let log: readonly Envelope[] = [];
const ofType = <T extends MessageType>(type: T) =>
  log.filter((one) => one.type === type) as (Envelope & { body: BodyOf<T> })[];

interface Told {
  readonly files: readonly { readonly name: string; readonly rows: number; readonly bytes: number }[];
}
const exported = (format: string, ...more: string[]) =>
  soliloquyJson<Told>('export', run, '--format', format, '--to', join(work, format), ...more);
const jsonl = <T>(...path: string[]): T[] =>
  readFileSync(join(work, ...path), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as T);

/** The Python that has TRL, datasets and pyarrow. */
const python = process.env.SOLILOQUY_PYTHON ?? 'python3';
const has = (...modules: string[]): boolean => {
  const found = modules.map((name) => `__import__("importlib.util").util.find_spec("${name}") is None`);
  return spawnSync(python, ['-c', `exit(${found.join(' or ')})`]).status === 0;
};
const noTrl = has('datasets', 'trl') ? '' : ` — skipped: ${python} has no datasets and trl`;
const noArrow = has('pyarrow') ? '' : ` — skipped: ${python} has no pyarrow`;
function inPython<T>(script: string): T {
  const { status, stdout, stderr } = spawnSync(python, ['-c', script], {
    encoding: 'utf8',
    cwd: work,
    env: { ...process.env, HF_HOME: join(work, 'hf'), HF_HUB_OFFLINE: '1' },
  });
  expect(status, stderr).toBe(0);
  return JSON.parse(stdout.trim().split('\n').at(-1)!) as T;
}

beforeAll(async () => {
  const model = await writeTinyModel(join(work, 'm0'));
  const parts = { cast: { judge: 'ensemble:[live,random]' }, judge: { samples: 1 } };
  ({ envelopes: log } = await finishedRun(tinyConfig(model, parts), run));
});

describe('--format trl', () => {
  beforeAll(() => exported('trl').then(() => undefined));

  it('has the rows that the DPO trainings had, with the way back to the log', () => {
    const rows = jsonl<Record<string, unknown>>('trl', 'preference.jsonl');
    const trained = ['M1', 'M2'].flatMap((version) =>
      jsonl<Record<string, unknown>>('run', 'data', `aift-${version}.jsonl`),
    );
    const told = (row: Record<string, unknown>) =>
      JSON.stringify([row.id, row.prompt, row.chosen, row.rejected]);
    expect(rows.map(told).sort()).toEqual(trained.map(told).sort());
    expect(rows.length).toBeGreaterThan(4);
    for (const { id, seq, chosen_score, chosen_judgements, judges, responder, dataset } of rows) {
      const { body } = log[seq as number] as Envelope & { body: BodyOf<'pair.made'> };
      expect(body).toMatchObject({ id, chosen: { score: chosen_score, judgements: chosen_judgements } });
      expect([responder, judges]).toEqual([`M${body.iteration}`, [`M${body.iteration}`, 'random']]);
      expect(dataset).toBe(`aift-M${body.iteration}`);
    }
  });

  it('has demonstrations, judgements to learn from, and both sides of each pair', () => {
    const pairs = ofType('pair.made');
    const labels = jsonl<{ label: boolean; score: number; id: string }>('trl', 'kto.jsonl');
    expect(labels.filter(({ label }) => label)).toHaveLength(pairs.length);
    expect(labels).toHaveLength(2 * pairs.length);
    expect(jsonl('trl', 'sft.jsonl')).toHaveLength(16);
    const judge = jsonl<{ prompt: string; completion: string }>('trl', 'judge.jsonl');
    expect(judge).toHaveLength(16);
    for (const { prompt, completion } of judge)
      expect([prompt, completion]).toEqual([
        expect.stringMatching(/^<judge> .* <eval>$/),
        expect.stringMatching(/ score : \w+$/),
      ]);
  });

  it('conversational: the same texts as messages', async () => {
    mkdirSync(join(work, 'talk'));
    await exportTrl(runArgument(run), join(work, 'talk'), 'conversational');
    const [first] = jsonl<Record<string, unknown>>('talk', 'preference.jsonl');
    const { prompt, chosen } = ofType('pair.made')[0]!.body;
    expect(first).toMatchObject({
      prompt: [{ role: 'user', content: prompt }],
      chosen: [{ role: 'assistant', content: chosen.text }],
    });
  });

  it.skipIf(noTrl !== '')(
    `loads in datasets as the README says, and TRL unpairs it to what kto.jsonl has${noTrl}`,
    () => {
      const readme = readFileSync(join(work, 'trl', 'README.md'), 'utf8');
      const loading = /```python\n([\s\S]*?)```/
        .exec(readme)![1]!
        .replaceAll('data_files="', 'data_files="trl/');
      const told = inPython<{ columns: string[][]; same: boolean; talk: boolean[] }>(`${loading}
import json
from trl.data_utils import is_conversational, unpair_preference_dataset
key = lambda row: (row["prompt"], row["completion"], row["label"])
talk = load_dataset("json", data_files="talk/preference.jsonl", split="train")
print(json.dumps({
  "columns": [d.column_names for d in (preference, kto, sft, judge)],
  "same": sorted(map(key, unpair_preference_dataset(preference))) == sorted(map(key, kto)),
  "talk": [is_conversational(preference[0]), is_conversational(talk[0])],
}))`);
      expect(told).toEqual({
        columns: [
          ['prompt', 'chosen', 'rejected'],
          ['prompt', 'completion', 'label'],
          ['prompt', 'completion'],
          ['prompt', 'completion'],
        ],
        same: true,
        talk: [false, true],
      });
    },
  );
});

interface Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly { readonly key: string; readonly value: Record<string, unknown> }[];
  readonly events: readonly { readonly name: string; readonly attributes: Span['attributes'] }[];
}
interface TracesData {
  readonly resourceSpans: readonly { readonly scopeSpans: readonly { readonly spans: readonly Span[] }[] }[];
}

describe('--format otel', () => {
  let spans: Span[] = [];
  const attributeOf = ({ attributes }: Pick<Span, 'attributes'>, name: string) =>
    Object.values(attributes.find(({ key }) => key === name)?.value ?? {})[0];
  beforeAll(async () => {
    await exported('otel');
    spans = jsonl<TracesData>('otel', 'spans.jsonl').flatMap(({ resourceSpans }) =>
      resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((one) => one.spans)),
    );
  });

  it('has a span for each message, whose parent is its cause, in one trace', () => {
    expect(spans).toHaveLength(log.length);
    expect(new Set(spans.map(({ traceId }) => traceId)).size).toBe(1);
    expect(spans[0]!.traceId).toMatch(/^[0-9a-f]{32}$/);
    const ids = spans.map(({ spanId }) => spanId);
    expect(new Set(ids).size).toBe(log.length);
    for (const [seq, { spanId, parentSpanId }] of spans.entries()) {
      expect(spanId).toMatch(/^(?!0+$)[0-9a-f]{16}$/);
      expect(parentSpanId).toBe(log[seq]!.cause < 0 ? undefined : ids[log[seq]!.cause]);
    }
  });

  it('writes times as strings of nanoseconds, from the cause to the message', () => {
    for (const [seq, { startTimeUnixNano, endTimeUnixNano }] of spans.entries()) {
      expect(endTimeUnixNano).toBe(String(BigInt(log[seq]!.at) * 1_000_000n));
      expect(BigInt(startTimeUnixNano)).toBeLessThanOrEqual(BigInt(endTimeUnixNano));
    }
  });

  it('says of model calls and judgements what the gen_ai conventions ask for', () => {
    const call = spans.find(({ name }) => name === 'text_completion M1')!;
    expect(call.kind).toBe(3);
    const wanted = {
      operation: 'operation.name',
      model: 'request.model',
      reasons: 'response.finish_reasons',
    };
    const said = Object.values(wanted).map((name) => attributeOf(call, `gen_ai.${name}`));
    expect(said).toEqual(['text_completion', 'M1', { values: expect.any(Array) }]);
    expect(call.attributes.find(({ key }) => key === 'gen_ai.request.temperature')!.value).toEqual({
      doubleValue: expect.any(Number),
    });
    const events = spans.flatMap((span) => span.events);
    expect(events).toHaveLength(ofType('judgement.made').length);
    expect(new Set(events.map(({ name }) => name))).toEqual(new Set(['gen_ai.evaluation.result']));
    const scores = events.flatMap((event) => attributeOf(event, 'gen_ai.evaluation.score.value') ?? []);
    expect(scores).toEqual(
      ofType('judgement.made').flatMap(({ body }) => ('score' in body.verdict ? [body.verdict.score] : [])),
    );
  });
});

interface TraceEvent {
  readonly ph: string;
  readonly name: string;
  readonly cat?: string;
  readonly tid: number;
  readonly ts: number;
  readonly id?: number | string;
  readonly args?: Record<string, unknown>;
}

describe('--format perfetto', () => {
  let events: TraceEvent[] = [];
  const ofPhase = (...phases: string[]) => events.filter(({ ph }) => phases.includes(ph));
  beforeAll(async () => {
    await exported('perfetto');
    const trace = JSON.parse(readFileSync(join(work, 'perfetto', 'trace.json'), 'utf8')) as {
      traceEvents: TraceEvent[];
    };
    events = trace.traceEvents;
  });

  it('has a slice for each message on the track of who says it', () => {
    const slices = ofPhase('X');
    expect(slices.map(({ args }) => args!.seq)).toEqual(log.map(({ seq }) => seq));
    const tracks = new Map(
      ofPhase('M')
        .filter(({ name }) => name === 'thread_name')
        .map(({ tid, args }) => [tid, args!.name]),
    );
    for (const { tid, args } of slices) expect(tracks.get(tid)).toBe(String(args!.from).split(':')[0]);
  });

  it('has an arrow from each cause to its effect, both ends in their slices', () => {
    const slices = new Map(ofPhase('X').map(({ tid, ts, args }) => [`${tid} ${ts}`, args!.seq]));
    expect(slices.size).toBe(log.length);
    const ends = (ph: string) =>
      new Map(ofPhase(ph).map(({ id, tid, ts }) => [id, slices.get(`${tid} ${ts}`)]));
    const [starts, finishes] = [ends('s'), ends('f')];
    for (const { seq, cause } of log.filter((one) => one.cause >= 0))
      expect([starts.get(seq), finishes.get(seq)]).toEqual([cause, seq]);
  });

  it('closes every phase, call and episode that it opens, phases from the inside out', () => {
    const open: string[] = [];
    for (const { ph, name } of ofPhase('B', 'E'))
      ph === 'B' ? open.push(name) : expect(open.pop()).toBe(name);
    expect(open).toEqual([]);
    expect(ofPhase('B').map(({ name }) => name)).toEqual(
      expect.arrayContaining(['iteration 1', 'train M2', 'evaluate M3']),
    );
    const keyed = (ph: string) =>
      ofPhase(ph)
        .map(({ cat, id, name }) => `${cat} ${id} ${name}`)
        .sort();
    expect(keyed('e')).toEqual(keyed('b'));
    expect(keyed('b').filter((one) => one.startsWith('episode')).length).toBe(24);
  });
});

describe('--format parquet', () => {
  const read = async (name: string) => {
    const file = await asyncBufferFromFile(join(work, 'parquet', `${name}.parquet`));
    return { rows: await parquetReadObjects({ file }), metadata: await parquetMetadataAsync(file) };
  };
  beforeAll(() => exported('parquet').then(() => undefined));

  it('messages: every line of the log, typed', async () => {
    const { rows } = await read('messages');
    expect(rows).toHaveLength(log.length);
    for (const [i, { seq, at, from, to, cause, type, body }] of log.entries())
      expect(rows[i]).toMatchObject({ seq, at: new Date(at), from, to, cause, type, body });
  });

  it('judgements, pairs and metrics: each fact once, with its numbers', async () => {
    const judgements = (await read('judgements')).rows;
    expect(judgements.map(({ id, score, text, version }) => ({ id, score, text, version }))).toEqual(
      ofType('judgement.made').map(({ body }) => ({
        id: body.id,
        score: 'score' in body.verdict ? body.verdict.score : null,
        text: body.generation?.text ?? null,
        version: body.generation?.version ?? null,
      })),
    );
    const keys = ofType('judgement.made').map(({ body }) => body.generation?.key.map(BigInt) ?? [null, null]);
    expect(judgements.map(({ key0, key1 }) => [key0, key1])).toEqual(keys);
    const pairs = (await read('pairs')).rows;
    expect(
      pairs.map(({ id, chosen_score, rejected_judgements }) => [id, chosen_score, rejected_judgements]),
    ).toEqual(ofType('pair.made').map(({ body }) => [body.id, body.chosen.score, body.rejected.judgements]));
    const metrics = (await read('metrics')).rows;
    expect(metrics.map(({ version, name, value, low }) => ({ version, name, value, low }))).toEqual(
      jsonl<{ version: string; name: string; value: number | null; interval: { low: number } | null }>(
        'run',
        'metrics.jsonl',
      ).map(({ version, name, value, interval }) => ({ version, name, value, low: interval?.low ?? null })),
    );
  });

  it.skipIf(noArrow !== '')(`opens in pyarrow with the same rows and types${noArrow}`, () => {
    const told = inPython<{ rows: number[]; types: string[]; scores: (number | null)[] }>(`
import json, pyarrow.parquet as pq
tables = [pq.read_table(f"parquet/{name}.parquet") for name in ("messages", "judgements", "pairs", "metrics")]
print(json.dumps({"rows": [t.num_rows for t in tables],
  "types": [str(tables[0].schema.field(n).type) for n in ("seq", "at", "type")] + [str(tables[1].schema.field("key0").type)],
  "scores": tables[1]["score"].to_pylist()}))`);
    const metrics = ofType('evaluation.made').reduce((sum, { body }) => sum + body.metrics.length, 0);
    const judged = ofType('judgement.made');
    expect(told.rows).toEqual([log.length, judged.length, ofType('pair.made').length, metrics]);
    expect(told.types).toEqual(['int32', 'timestamp[ms, tz=UTC]', 'string', 'int64']);
    expect(told.scores).toEqual(
      judged.map(({ body }) => ('score' in body.verdict ? body.verdict.score : null)),
    );
  });
});

describe('soliloquy export of a run', () => {
  it('replaces an earlier export only when told to, and touches no folder that holds something else', async () => {
    const to = join(work, 'otel');
    const args = ['export', run, '--format', 'otel', '--to', to];
    expect(await soliloquy(...args)).toMatchObject({ code: 1, err: expect.stringContaining('--force') });
    await soliloquyJson(...args, '--force');
    writeFileSync(join(to, 'thesis.tex'), '');
    const { code, err } = await soliloquy(...args, '--force');
    expect([code, err]).toEqual([1, expect.stringContaining('thesis.tex')]);
    expect(readdirSync(to).sort()).toEqual(['spans.jsonl', 'thesis.tex']);
  });

  it.each([
    [['--format', 'parquet', '--model', 'M1'], '--model has no place'],
    [['--format', 'otel', '--style', 'standard'], '--style is of --format trl'],
  ])('%j is wrong usage', async (flags, problem) => {
    const { code, err } = await soliloquy('export', run, '--to', join(work, 'none'), ...flags);
    expect([code, err]).toEqual([2, expect.stringContaining(problem)]);
    expect(existsSync(join(work, 'none'))).toBe(false);
  });
});
