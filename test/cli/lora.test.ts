/** Commands that meet adapters: they train them, and take a folder of one wherever they take a model. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { readCheckpoint } from '../../src/lm/checkpoint.js';
import { writeCheckpoint } from '../../src/lm/checkpoint-writer.js';
import { weightsHash } from '../../src/lm/weights.js';
import { finishedRun, tinyConfig, writeTinyModel } from '../support/tiny-run.js';
import { soliloquy, soliloquyJson, temporaryFolder } from './command.js';

const work = temporaryFolder();
const model = join(work, 'tiny');
const run = join(work, 'run');
const adapter = join(work, 'adapter');
const merged = join(work, 'merged');
const pairs = join(work, 'pairs.jsonl');
const train = (to: string, ...more: string[]) => [
  ...['train', 'dpo', model, '--data', pairs, '--to', to, '--epochs', '6', '--lr', '0.01', '--warmup', '0'],
  ...['--workers', '1', '--lora-rank', '2', ...more],
];

beforeAll(async () => {
  await writeTinyModel(model);
  const row = { prompt: '<user> name three animals . <asst>', chosen: 'cat dog cow .', rejected: 'bread' };
  writeFileSync(pairs, `${JSON.stringify(row)}\n`);
  const lora = { lora: { rank: 2 }, iterations: 1, cast: { judge: 'random' } };
  await finishedRun(tinyConfig(model, lora), run);
  await soliloquyJson(...train(adapter));
  await writeCheckpoint(merged, await readCheckpoint(adapter));
}, 120_000);

const IDS = ['--ids', '5,6,7,8', '--json', '--backend', 'onnx'];

describe('adapters on the command line', () => {
  it('train --lora-rank writes an adapter on MODEL and says what was trained; its weights are those of the hash', async () => {
    const made = JSON.parse(readFileSync(join(adapter, 'training.json'), 'utf8')) as {
      weightsHash: string;
      adapter: object;
      curve: { loss: number }[];
    };
    expect(readdirSync(adapter)).toContain('adapter_model.safetensors');
    expect(readdirSync(adapter)).not.toContain('model.safetensors');
    expect(made.adapter).toMatchObject({ rank: 2, alpha: 16, dropout: 0 });
    expect(made.curve.at(-1)!.loss).toBeLessThan(made.curve[0]!.loss);
    expect(weightsHash((await readCheckpoint(adapter)).weights)).toBe(made.weightsHash);
  });

  it('train refuses a layer that the model lacks, and makes no folder', async () => {
    const to = join(work, 'never');
    const { code, err } = await soliloquy(...train(to, '--lora-targets', 'c_attn'));
    expect(code).toBe(2);
    expect(err).toContain('q_proj');
    expect(readdirSync(work)).not.toContain('never');
  });

  it('score and generate say of an adapter what they say of the merged model', async () => {
    const scored = await soliloquyJson('score', adapter, ...IDS);
    expect(scored).toEqual(await soliloquyJson('score', merged, ...IDS));
    expect(scored).not.toEqual(await soliloquyJson('score', model, ...IDS));
    const made = await soliloquyJson('generate', adapter, '--greedy', '--max-new', '6', ...IDS);
    expect(made).toEqual(await soliloquyJson('generate', merged, '--greedy', '--max-new', '6', ...IDS));
  });

  it('a version of a run that adapters made is named like any other, by score, why and export', async () => {
    await soliloquyJson('score', join(run, 'M2'), ...IDS);
    const why = await soliloquy('why', run, 'M2');
    expect(why.code).toBe(0);
    expect(why.out).toContain('adapters of rank 2');
    expect(why.out).toContain('the weights on disk have the hash that the log names');
    const exported = await soliloquyJson<{ weightsHash: string }>(
      'export',
      run,
      '--model',
      'M2',
      '--to',
      join(work, 'onnx'),
      '--json',
    );
    expect(exported.weightsHash).toBe(weightsHash((await readCheckpoint(join(run, 'models/M2'))).weights));
  });

  it('doctor --model tells what a run takes, less with adapters; run --memory refuses what is more: exit code 1', async () => {
    const said = await soliloquyJson<{
      ok: boolean;
      full: { bytes: number };
      lora: { bytes: number; rank: number };
    }>(...['doctor', '--model', model, '--workers', '2', '--set', 'lora.rank=1', '--json']);
    expect(said).toMatchObject({ ok: true, lora: { rank: 1 } });
    expect(said.lora.bytes).toBeLessThan(said.full.bytes);
    const { code, err } = await soliloquy(
      'run',
      '--model',
      model,
      '--memory',
      '0.1',
      '--out',
      join(work, 'short'),
    );
    expect(code).toBe(1);
    expect(err).toContain('way out: ');
    expect(readdirSync(work)).not.toContain('short');
  });
});
