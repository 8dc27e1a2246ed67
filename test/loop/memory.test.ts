/** A run that won't fit is refused before it begins, with what would help. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { forkRun } from '../../actors/fork.js';
import { checkMemory, longestSequence, runShape } from '../../actors/memory.js';
import { resumeRun } from '../../actors/resume.js';
import { createWorld } from '../../actors/worlds.js';
import { createScriptedModel } from '../../bench/scripted.js';
import { type Checkpoint, readCheckpoint } from '../../src/lm/checkpoint.js';
import { estimateMemory } from '../../src/lm/memory-estimate.js';
import { tokenizerOf } from '../../src/lm/tokenizer.js';
import { countingClock, temporaryFolder, tinyConfig, tinyRun, writeTinyModel } from '../support/tiny-run.js';

const folder = temporaryFolder();
const dir = join(folder.path, 'm0');
let base: Checkpoint;
beforeAll(async () => {
  await writeTinyModel(dir);
  base = await readCheckpoint(dir);
});
afterAll(() => folder.remove());

const MIB = 2 ** 20;
const scripted = { createModel: () => createScriptedModel() };

describe('memory', () => {
  it('that is short is told before anything is written: memory.short, with the parts and the ways out', async () => {
    const out = join(folder.path, 'refused');
    await expect(tinyRun(tinyConfig(dir), out, { ...scripted, memory: 100 * MIB })).rejects.toMatchObject({
      code: 'memory.short',
      fields: {
        available: 100 * MIB,
        parts: { versions: expect.any(Number) },
        fix: expect.stringMatching(/microBatchSize=.*|lora\.rank=.*/),
      },
    });
    expect(existsSync(out)).toBe(false);
  });

  it('that is short is told before a fork or a resume changes anything', async () => {
    const path = join(folder.path, 'stopped');
    const run = await tinyRun(tinyConfig(dir), path, scripted);
    run.messages$.subscribe(({ type }) => type === 'version.made' && run.stop());
    expect((await run.start()).status).toBe('stopped');
    const log = readFileSync(run.folder.log);
    const machinery = {
      ...scripted,
      assets: '/nowhere',
      workers: 1,
      backend: 'onnx' as const,
      clock: countingClock(),
      versions: {},
    };
    const short = { ...machinery, memory: 100 * MIB };
    await expect(resumeRun({ ...short, path })).rejects.toMatchObject({ code: 'memory.short' });
    expect(readFileSync(run.folder.log)).toEqual(log);
    const out = join(folder.path, 'fork');
    const fork = { parent: path, out, at: '20', changes: {}, overrides: [] };
    await expect(forkRun({ ...short, ...fork })).rejects.toMatchObject({ code: 'memory.short' });
    expect(existsSync(out)).toBe(false);
    const { run: resumed } = await resumeRun({ ...machinery, path });
    expect((await resumed!.start()).status).toBe('finished');
  });

  it('that is enough lets the run begin; the machine’s own is taken where none is named', async () => {
    for (const memory of [{ memory: 64 * 2 ** 30 }, {}]) {
      const run = await tinyRun(tinyConfig(dir), join(folder.path, `fine-${Object.keys(memory).length}`), {
        ...scripted,
        ...memory,
      });
      expect(existsSync(run.folder.config)).toBe(true);
      run.stop();
      await run.start();
    }
  });

  it('is judged by the longest sequence of the data, which is asked only where the longest possible would not fit', async () => {
    const config = tinyConfig(dir);
    const { architecture } = { architecture: { ...base.weights.architecture, maxPositions: 100_000 } };
    const tokens = await longestSequence(config, createWorld(config), tokenizerOf(base.tokenizer!, base));
    expect(tokens).toBeGreaterThan(20);
    expect(tokens).toBeLessThan(200);
    let asked = 0;
    const fitting = (available: number) => ({
      config,
      architecture,
      workers: 1,
      available,
      tokens: async () => {
        asked++;
        return tokens;
      },
    });
    const needed = (of: number) => estimateMemory(runShape(config, architecture, 1, of)).bytes;
    expect(needed(tokens)).toBeLessThan(needed(100_000));
    await checkMemory(fitting(needed(100_000)));
    expect(asked).toBe(0);
    await checkMemory(fitting(needed(tokens)));
    expect(asked).toBe(1);
    await expect(checkMemory(fitting(needed(tokens) - 1))).rejects.toMatchObject({ code: 'memory.short' });
  });

  it('— each way out that is advised does make the estimate smaller, and says by how much', async () => {
    const config = tinyConfig(dir);
    const error = (await checkMemory({
      config,
      architecture: base.weights.architecture,
      workers: 2,
      available: 1,
      tokens: async () => 64,
    }).catch((thrown: unknown) => thrown)) as { fields: { fix: string; estimate: number } };
    expect(error.fields.fix).toContain('--workers 1');
    for (const [, said] of error.fields.fix.matchAll(/\(([\d.]+) GiB\)/g))
      expect(Number(said)).toBeLessThanOrEqual(Number((error.fields.estimate / 2 ** 30).toFixed(2)));
  });
});
