import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BodyOf, Envelope, MessageType } from '../../src/protocol/messages.js';
import { readManifest } from '../../src/store/run-folder.js';
import {
  type Finished,
  finishedRun,
  temporaryFolder,
  tinyConfig,
  tinyRun,
  writeTinyModel,
} from '../support/tiny-run.js';

const folder = temporaryFolder();
const model = join(folder.path, 'm0');
let whole: Finished;

const bodies = <T extends MessageType>(envelopes: readonly Envelope[], type: T): BodyOf<T>[] =>
  envelopes.filter((envelope) => envelope.type === type).map(({ body }) => body as BodyOf<T>);

/** A random judge gives pairs even with a model that knows nothing. */
const config = (...parts: Parameters<typeof tinyConfig>[1][]) =>
  tinyConfig(model, { cast: { judge: 'random' } }, ...parts);
let runs = 0;
const out = () => join(folder.path, `run-${runs++}`);

beforeAll(async () => {
  await writeTinyModel(model);
  whole = await finishedRun(config(), out());
});
afterAll(() => folder.remove());

describe('the loop', () => {
  it('walks M0, SFT, M1, M2, M3 and measures each', () => {
    expect(whole.end.status).toBe('finished');
    expect(bodies(whole.envelopes, 'version.made').map(({ version }) => version)).toEqual([
      'SFT',
      'M1',
      'M2',
      'M3',
    ]);
    expect(bodies(whole.envelopes, 'evaluation.made').map(({ version }) => version)).toEqual([
      'M0',
      'SFT',
      'M1',
      'M2',
      'M3',
    ]);
  });

  it('makes the same log with one worker and with two, times and their hashes aside', async () => {
    const two = await finishedRun(config(), out(), { workers: 2 });
    expect(two.end.outcomeHash).toBe(whole.end.outcomeHash);
    const bare = (envelopes: readonly Envelope[]) => envelopes.map(({ at: _, ...rest }) => rest);
    expect(bare(two.envelopes)).toEqual(bare(whole.envelopes));
  });

  it('makes the same outcome again from the same seed, and another from another', async () => {
    const again = await finishedRun(config(), out());
    const other = await finishedRun(config({ seed: 2 }), out());
    expect(again.end.outcomeHash).toBe(whole.end.outcomeHash);
    expect(other.end.outcomeHash).not.toBe(whole.end.outcomeHash);
  });

  it('comes to the same outcome when a worker dies in mid-sampling and one in mid-training, and says so on the log', async () => {
    const faults = [
      { task: 'sample', nth: 7, how: 'exit' },
      { task: 'gradient', nth: 3, how: 'exit' },
    ] as const;
    const hurt = await finishedRun(config(), out(), { workers: 2, faults });
    expect(hurt.end.outcomeHash).toBe(whole.end.outcomeHash);
    expect(
      bodies(hurt.envelopes, 'worker.crashed')
        .map(({ task }) => task)
        .sort(),
    ).toEqual(['gradient', 'sample']);
  });

  it('uses the configured N, k, asks and epochs (they reach the code that uses them)', async () => {
    const { envelopes } = await finishedRun(
      config({
        iterations: 1,
        cast: { judge: 'live' },
        respond: { candidates: 5 },
        judge: { samples: 4 },
        invent: { asks: 7 },
        sft: { epochs: 3, batchSize: 4 },
      }),
      out(),
    );
    for (const { candidates } of bodies(envelopes, 'responses.made')) expect(candidates).toHaveLength(5);
    const judged = bodies(envelopes, 'judgement.made');
    const perResponse = new Map<string, number>();
    for (const { response } of judged) perResponse.set(response, (perResponse.get(response) ?? 0) + 1);
    expect(judged.length).toBeGreaterThan(0);
    expect(new Set(perResponse.values())).toEqual(new Set([4]));
    expect(bodies(envelopes, 'prompt.made').length + bodies(envelopes, 'prompt.filtered').length).toBe(7);
    const sft = bodies(envelopes, 'training.stepped').filter(({ to }) => to === 'SFT');
    expect(sft.at(-1)!.steps).toBe((16 / 4) * 3);
    expect(sft).toHaveLength(12);
  });

  it('keeps every iteration’s data under its own name, with the judgements behind each pair', () => {
    const read = (name: string) =>
      readFileSync(whole.end.folder.data(name), 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as { id: string; provenance: { chosen: { judgements: number[] } } });
    const [first, second] = [read('aift-M1'), read('aift-M2')];
    expect(first.every(({ id }) => id.startsWith('1-'))).toBe(true);
    expect(second.every(({ id }) => id.startsWith('2-'))).toBe(true);
    for (const { provenance } of first)
      for (const seq of provenance.chosen.judgements)
        expect(whole.envelopes[seq]!.type).toBe('judgement.made');
  });

  it('never makes a pair of equal scores or equal texts', () => {
    const pairs = bodies(whole.envelopes, 'pair.made');
    expect(pairs.length).toBeGreaterThan(0);
    for (const { chosen, rejected } of pairs) {
      expect(chosen.score).toBeGreaterThan(rejected.score);
      expect(chosen.text.trim()).not.toBe(rejected.text.trim());
    }
  });

  it('ends every episode exactly once, paired or withheld with a reason', () => {
    const ends = [
      ...bodies(whole.envelopes, 'pair.made').map(({ id }) => id as string),
      ...bodies(whole.envelopes, 'pair.withheld').map(({ episode }) => episode as string),
    ];
    expect(ends).toHaveLength(24);
    expect(new Set(ends).size).toBe(24);
  });

  it('trains DPO from the newest version with that version as reference, M1 from M0', () => {
    const lineage = Object.fromEntries(
      bodies(whole.envelopes, 'version.made').map(({ version, from, reference }) => [
        version,
        { from, reference },
      ]),
    );
    expect(lineage).toEqual({
      SFT: { from: 'M0', reference: null },
      M1: { from: 'M0', reference: null },
      M2: { from: 'M1', reference: 'M1' },
      M3: { from: 'M2', reference: 'M2' },
    });
  });

  it('goes through to its end with a judge that writes nothing readable, and counts why there is no pair', async () => {
    const { end, envelopes } = await finishedRun(config({ iterations: 1, cast: { judge: 'live' } }), out());
    expect(end.status).toBe('finished');
    const verdicts = bodies(envelopes, 'judgement.made').map(({ verdict }) => verdict.status);
    const unreadable = verdicts.filter((status) => status === 'unparseable').length;
    expect(unreadable / verdicts.length).toBeGreaterThan(0.5);
    expect(bodies(envelopes, 'pair.withheld').some(({ reason }) => reason === 'unparseable')).toBe(true);
    for (const { score } of bodies(envelopes, 'pair.made').flatMap(({ chosen, rejected }) => [
      chosen,
      rejected,
    ]))
      expect(score).toBeGreaterThanOrEqual(0);
  });

  it('stops between two messages, and what it wrote can be read', async () => {
    const run = await tinyRun(config(), out());
    run.messages$.subscribe(({ seq }) => {
      if (seq === 40) run.stop();
    });
    const end = await run.start();
    expect(end.status).toBe('stopped');
    expect(readManifest(end.folder.path)).toMatchObject({ status: 'stopped', count: 41 });
  });

  it('holds while it is paused, and comes to the same outcome afterwards', async () => {
    const run = await tinyRun(config(), out());
    let paused = false;
    run.messages$.subscribe(({ type }) => {
      if (type !== 'responses.made' || paused) return;
      paused = true;
      run.pause();
      run.resume();
    });
    const end = await run.start();
    expect(paused).toBe(true);
    expect(end.outcomeHash).toBe(whole.end.outcomeHash);
  });

  it('leaves models in Hugging Face layout with their lineage', () => {
    for (const version of ['M0', 'SFT', 'M1', 'M2', 'M3'])
      for (const file of ['config.json', 'model.safetensors', 'tokenizer.json', 'generation_config.json'])
        expect(existsSync(join(whole.end.folder.model(version), file)), `${version}/${file}`).toBe(true);
    expect(
      JSON.parse(readFileSync(join(whole.end.folder.model('M2'), 'lineage.json'), 'utf8')),
    ).toMatchObject({ version: 'M2', from: 'M1', judge: 'random' });
  });
});

describe('casting', () => {
  it.each([
    [
      'a frozen judge',
      { cast: { judge: 'frozen:M1' } },
      (t: Finished) =>
        new Set(
          bodies(t.envelopes, 'model.request')
            .filter(({ id }) => id.startsWith('judge/'))
            .map(({ version }) => version),
        ),
      ['M1'],
    ],
    [
      'a lagged judge',
      { cast: { judge: 'lagged:1' } },
      (t: Finished) =>
        new Set(
          bodies(t.envelopes, 'model.request')
            .filter(({ id }) => id.startsWith('judge/'))
            .map(({ version }) => version),
        ),
      ['M0', 'M1'],
    ],
    [
      'a frozen generator',
      { cast: { generator: 'frozen:M1' } },
      (t: Finished) =>
        new Set(
          bodies(t.envelopes, 'model.request')
            .filter(({ id }) => id.startsWith('invent/'))
            .map(({ version }) => version),
        ),
      ['M1'],
    ],
    [
      'an oracle',
      { cast: { judge: 'oracle' } },
      (t: Finished) => new Set(bodies(t.envelopes, 'judgement.made').map(({ player }) => player)),
      ['oracle'],
    ],
    [
      'a constant judge',
      { cast: { judge: 'constant:3' } },
      (t: Finished) =>
        new Set(
          bodies(t.envelopes, 'pair.withheld')
            .map(({ reason }) => reason)
            .filter((r) => r !== 'filtered' && r !== 'too-few'),
        ),
      ['tie'],
    ],
    [
      'an ensemble',
      { cast: { judge: 'ensemble:[random,constant:2]' } },
      (t: Finished) => new Set(bodies(t.envelopes, 'judgement.made').map(({ player }) => player)),
      ['random', 'constant:2'],
    ],
  ])('%s plays, and the log shows it', async (_, part, of, expected) => {
    const run = await finishedRun(config(part), out());
    expect(run.end.status).toBe('finished');
    expect([...of(run)].sort()).toEqual([...expected].sort());
  });

  it('a checkpoint of another folder plays the judge', async () => {
    const other = await writeTinyModel(join(folder.path, 'other'), 9);
    const { envelopes, end } = await finishedRun(
      config({ iterations: 1, cast: { judge: `checkpoint:${other}` } }),
      out(),
    );
    expect(end.status).toBe('finished');
    expect(bodies(envelopes, 'model.request').some(({ version }) => version === `checkpoint:${other}`)).toBe(
      true,
    );
  });

  it('a checkpoint that is not there is refused before anything is written', async () => {
    const nowhere = out();
    const cast = { judge: `checkpoint:${join(folder.path, 'nonesuch')}` };
    await expect(tinyRun(config({ cast }), nowhere)).rejects.toMatchObject({ name: 'SoliloquyError' });
    expect(existsSync(nowhere)).toBe(false);
  });

  it('positives-only trains on seed data and perfect answers, from M0, without a reference', async () => {
    const { envelopes } = await finishedRun(
      config({ iterations: 1, cast: { judge: 'constant:5', trainer: 'sft-positives' } }),
      out(),
    );
    const made = bodies(envelopes, 'version.made').at(-1)!;
    expect(made).toMatchObject({
      version: 'M2',
      from: 'M0',
      reference: null,
      datasets: ['ift', 'eft', 'positives-M1'],
    });
    expect(made.rows).toBeGreaterThan(32);
  });

  it('without EFT, M1 is trained on demonstrations only', async () => {
    const { envelopes } = await finishedRun(config({ iterations: 0, eft: false }), out());
    expect(bodies(envelopes, 'version.made').find(({ version }) => version === 'M1')!.datasets).toEqual([
      'ift',
    ]);
  });
});
