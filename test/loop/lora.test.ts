/** Runs whose versions are adapters on one another: the same loop, another folder. */
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { forkRun } from '../../actors/fork.js';
import { replayRun } from '../../actors/replay.js';
import { resumeRun } from '../../actors/resume.js';
import { readCheckpoint } from '../../src/lm/checkpoint.js';
import { adapterSize } from '../../src/lm/lora.js';
import { weightsHash } from '../../src/lm/weights.js';
import { createLanguageModel } from '../../src/pool/language-model.js';
import type { ConfigPart } from '../../src/protocol/config.js';
import type { BodyOf } from '../../src/protocol/messages.js';
import {
  countingClock,
  type Finished,
  finishedRun,
  temporaryFolder,
  tinyConfig,
  tinyRun,
  writeTinyModel,
} from '../support/tiny-run.js';

const folder = temporaryFolder();
const model = join(folder.path, 'm0');
const LORA: ConfigPart = { lora: { rank: 2, alpha: 4, dropout: 0.1 }, cast: { judge: 'random' } };
let runs = 0;
const out = () => join(folder.path, `run-${runs++}`);
const config = (...parts: ConfigPart[]) => tinyConfig(model, LORA, ...parts);
const machinery = () => ({
  assets: '/nowhere',
  workers: 1,
  backend: 'onnx' as const,
  clock: countingClock(),
  versions: {},
});
let whole: Finished;

const madeIn = ({ envelopes }: Finished) =>
  envelopes.filter(({ type }) => type === 'version.made').map(({ body }) => body as BodyOf<'version.made'>);

beforeAll(async () => {
  await writeTinyModel(model);
  whole = await finishedRun(config(), out());
});
afterAll(() => folder.remove());

describe('a run with adapters', () => {
  it('says of each version what was trained, and its folder is the weights that the log names', async () => {
    expect(whole.end.status).toBe('finished');
    const made = madeIn(whole);
    expect(made.map(({ version, from }) => [version, from])).toEqual([
      ['SFT', 'M0'],
      ['M1', 'M0'],
      ['M2', 'M1'],
      ['M3', 'M2'],
    ]);
    const { architecture } = (await readCheckpoint(model)).weights;
    for (const { version, from, adapter, weightsHash: hash } of made) {
      expect(adapter).toMatchObject({
        rank: 2,
        alpha: 4,
        parameters: adapterSize(architecture, { rank: 2, targets: [] }),
      });
      const dir = whole.end.folder.model(version);
      expect(readdirSync(dir).sort()).toEqual([
        'adapter_config.json',
        'adapter_model.safetensors',
        'lineage.json',
        'tokenizer.json',
        'tokenizer_config.json',
      ]);
      expect(JSON.parse(readFileSync(join(dir, 'adapter_config.json'), 'utf8'))).toMatchObject({
        peft_type: 'LORA',
        base_model_name_or_path: `../${from}`,
      });
      const checkpoint = await readCheckpoint(dir);
      expect(weightsHash(checkpoint.weights)).toBe(hash);
      expect(checkpoint.tokenizer).toEqual((await readCheckpoint(model)).tokenizer);
      expect(checkpoint.eosIds).toEqual((await readCheckpoint(model)).eosIds);
    }
    expect(new Set(made.map(({ weightsHash: hash }) => hash)).size).toBe(4);
  });

  it('has the same outcome with two workers, one of which dies', async () => {
    const faults = [{ task: 'merge', nth: 2, how: 'exit' }] as const;
    const two = await finishedRun(config(), out(), { workers: 2, faults });
    expect(two.end.outcomeHash).toBe(whole.end.outcomeHash);
  });

  it('comes to the same outcome where one version at most stays in memory and the others are read again', async () => {
    const own = config({ cast: { judge: 'frozen:M0' } });
    const { end } = await finishedRun(own, out());
    const scarce = await finishedRun(own, out(), {
      createModel: (options) => createLanguageModel({ ...options, residency: { bytes: 0, versions: 1 } }),
    });
    expect(scarce.end.status).toBe('finished');
    expect(scarce.end.outcomeHash).toBe(end.outcomeHash);
  });

  it('is replayed and verified, weights and all', async () => {
    const { problems, outcomeHash } = await replayRun({ path: whole.end.folder.path, verify: true });
    expect(problems).toEqual([]);
    expect(outcomeHash).toBe(whole.end.outcomeHash);
  });

  it('stopped when M2 is made and resumed, comes to the same outcome', async () => {
    const run = await tinyRun(config(), out());
    run.messages$.subscribe(({ type, body }) => {
      if (type === 'version.made' && (body as BodyOf<'version.made'>).version === 'M2') run.stop();
    });
    expect((await run.start()).status).toBe('stopped');
    const resumed = await resumeRun({ ...machinery(), path: run.folder.path });
    expect((await resumed.run!.start()).outcomeHash).toBe(whole.end.outcomeHash);
  });

  it('forked at M2 with all weights trained: the shared adapters come along, M3 is whole, and nothing needs the parent', async () => {
    const own = await finishedRun(config(), out());
    const { run } = await forkRun({
      ...machinery(),
      parent: own.end.folder.path,
      out: out(),
      at: 'M2',
      changes: { lora: { rank: 0 } },
      overrides: [],
    });
    rmSync(own.end.folder.path, { recursive: true });
    expect((await run.start()).status).toBe('finished');
    expect(existsSync(join(run.folder.model('M3'), 'model.safetensors'))).toBe(true);
    const { problems } = await replayRun({ path: run.folder.path, verify: true });
    expect(problems).toEqual([]);
  });

  it('without a row to train on, is its base to the bit', async () => {
    const empty = await finishedRun(config({ iterations: 1, cast: { judge: 'constant:3' } }), out());
    const [m1, m2] = madeIn(empty).slice(1);
    expect(m2!.rows).toBe(0);
    expect(m2!.weightsHash).toBe(m1!.weightsHash);
    expect(weightsHash((await readCheckpoint(empty.end.folder.model('M2'))).weights)).toBe(m1!.weightsHash);
  });

  it('of a layer that the model lacks is refused before anything is written', async () => {
    const path = out();
    await expect(tinyRun(config({ lora: { targets: ['c_fc'] } }), path)).rejects.toMatchObject({
      code: 'config.invalid',
    });
    expect(existsSync(path)).toBe(false);
  });
});
