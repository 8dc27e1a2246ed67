import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Metric } from '../../src/protocol/messages.js';
import { tinyConfig, tinyRun, writeTinyModel } from '../support/tiny-run.js';
import { soliloquy, soliloquyJson, temporaryFolder } from './command.js';

interface Evaluated {
  readonly version: string;
  readonly seed: number;
  readonly backend: string;
  readonly metrics: Metric[];
}

const work = temporaryFolder();
const model = join(work, 'tiny');
const run = join(work, 'run');

/** Long and bold enough a training that the tiny model writes judgements that can be read. */
const learning = {
  seed: 5,
  iterations: 1,
  world: { demonstrations: 32, evaluations: 480, heldOut: 12, probes: 6 },
  sft: { epochs: 4, batchSize: 8, learningRate: 0.02, finalLearningRate: 0.002, warmupSteps: 4 },
  judge: { sampling: { temperature: 0.3, maxNewTokens: 16 } },
  cast: { judge: 'ensemble:[live,frozen:M1]' },
};

beforeAll(async () => {
  await writeTinyModel(model);
  const started = await tinyRun(tinyConfig(model, learning), run);
  const { status } = await started.start();
  expect(status).toBe('finished');
});

const published = (version: string): Map<string, Metric> => {
  const lines = readFileSync(join(run, 'metrics.jsonl'), 'utf8').trim().split('\n');
  const all = lines.map((line) => JSON.parse(line) as Metric & { version: string });
  return new Map(
    all
      .filter((one) => one.version === version)
      .map(({ name, value, interval, n }) => [name, { name, value, interval, n }]),
  );
};
const alone = (name: string) => !name.startsWith('h2h.') && name !== 'kl';

describe('soliloquy eval of a run', () => {
  it.each(['SFT', 'M1', 'M2'])(
    'prints of %s what metrics.jsonl says, for all that needs no other version',
    async (version) => {
      const { metrics, ...told } = await soliloquyJson<Evaluated>(
        'eval',
        run,
        '--version',
        version,
        '--backend',
        'onnx',
      );
      const wanted = [...published(version).values()].filter(({ name }) => alone(name));
      expect(told).toEqual({ version, seed: 5, world: 'microworld', backend: 'onnx' });
      expect(metrics).toEqual(wanted);
      const names = metrics.map(({ name }) => name);
      for (const name of ['true.score', 'self.score', 'judge.pairwise', 'judge.unparseable', 'length'])
        expect(names).toContain(name);
    },
  );

  it('the runs compared above hold judgements that could be read', () => {
    expect(published('M2').get('self.score')!.value).not.toBeNull();
    expect(published('M2').get('judge.unparseable')!.value).toBeLessThan(1);
  });

  it('takes the newest version by default, and RUN/M1 for one of them', async () => {
    const [newest, M1] = await Promise.all([
      soliloquyJson<Evaluated>('eval', run),
      soliloquyJson<Evaluated>('eval', join(run, 'M1'), '--workers', '1'),
    ]);
    expect(newest.version).toBe('M2');
    expect(M1.version).toBe('M1');
    expect(M1.metrics.find(({ name }) => name === 'true.score')).toEqual(published('M1').get('true.score'));
  });

  it('shows people a table with intervals', async () => {
    const { code, out } = await soliloquy('eval', run, '--version', 'M1');
    const { value, interval } = published('M1').get('length')!;
    const shown = [value!, interval!.low, interval!.high].map((x) => Math.round(x * 1000) / 1000);
    expect(code).toBe(0);
    expect(out).toContain(`│ length            │ `);
    for (const x of shown) expect(out).toContain(String(x));
  });

  it('refuses a version that the run lacks, and a model that is truncated or none, naming it', async () => {
    const [absent, twice, nowhere] = await Promise.all([
      soliloquy('eval', run, '--version', 'M9'),
      soliloquy('eval', join(run, 'M1'), '--version', 'M2'),
      soliloquy('eval', join(work, 'nowhere')),
    ]);
    expect(absent).toMatchObject({ code: 1, out: '' });
    expect(absent.err).toContain('M9');
    expect(twice.code).toBe(2);
    expect(nowhere.code).toBe(1);
    expect(nowhere.err).toContain('nowhere');
    rmSync(join(run, 'models/M2/model.safetensors'));
    const broken = await soliloquy('eval', run);
    expect(broken.code).toBe(1);
    expect(broken.err).toContain(join(run, 'models/M2'));
  });
});

describe('soliloquy eval of a model folder', () => {
  it('measures on the default microworld’s bank', async () => {
    const { version, metrics } = await soliloquyJson<Evaluated>(
      'eval',
      model,
      '--held-out',
      '4',
      '--probes',
      '2',
    );
    expect(version).toBe('model');
    expect(metrics.find(({ name }) => name === 'true.score')!.n).toBe(4);
  });

  it('refuses open-assistant without data and with unreadable data', async () => {
    const [without, unreadable] = await Promise.all([
      soliloquy('eval', model, '--world', 'open-assistant'),
      soliloquy('eval', model, '--data', join(work, 'absent.jsonl')),
    ]);
    expect(without.code).toBe(2);
    expect(without.err).toContain('--data');
    expect(unreadable.code).toBe(1);
    expect(unreadable.err).toContain('absent.jsonl');
  });
});
