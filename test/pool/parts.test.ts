import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Engine, LoadedModel } from '../../src/lm/engine.js';
import { createLoadedModels } from '../../src/pool/loaded-models.js';
import { replySchema } from '../../src/pool/messages.js';
import { workerFile } from '../../src/pool/runner.js';
import { scoreChunksOf } from '../../src/pool/score-chunks.js';
import { createVersions } from '../../src/pool/versions.js';
import work from '../../src/pool/worker.js';
import { fixture, M0, M1 } from './models.js';

describe('chunks to score', () => {
  it('hold every sequence once, at most 32, longest first, and no more padded tokens than 8,192 unless alone', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 9000 }), { maxLength: 120 }), (lengths) => {
        const chunks = scoreChunksOf(lengths.map((length) => ({ length })));
        const order = chunks.flat();
        expect([...order].sort((a, b) => a - b)).toEqual(lengths.map((_, i) => i));
        order.slice(1).forEach((place, i) => {
          expect(lengths[place]).toBeLessThanOrEqual(lengths[order[i]!]!);
        });
        for (const chunk of chunks) {
          expect(chunk.length).toBeLessThanOrEqual(32);
          if (chunk.length > 1) expect(chunk.length * lengths[chunk[0]!]!).toBeLessThanOrEqual(8192);
        }
      }),
    );
  });
});

describe('loaded models of a worker', () => {
  const fake = () => {
    const alive: string[] = [];
    const engine: Engine = {
      backend: 'cpu',
      liveTensors: () => alive.length,
      load: async ({ data }) => {
        const name = String(data[0]);
        alive.push(name);
        return { dispose: async () => void alive.splice(alive.indexOf(name), 1) } as LoadedModel;
      },
    };
    const ref = (n: number) => ({
      key: `k${n}`,
      architecture: {} as never,
      data: new Float32Array(new SharedArrayBuffer(4)).fill(n).buffer as SharedArrayBuffer,
    });
    return { alive, models: createLoadedModels(engine, 2), ref };
  };

  it('are loaded once; the least recently used one makes room', async () => {
    const { alive, models, ref } = fake();
    const first = await models.get(ref(1));
    await models.get(ref(2));
    expect(await models.get(ref(1))).toBe(first);
    await models.get(ref(3));
    expect(alive).toEqual(['1', '3']);
    expect(models.keys()).toEqual(['k1', 'k3']);
  });

  it('are dropped on request, unknown keys without harm', async () => {
    const { alive, models, ref } = fake();
    await models.get(ref(1));
    await models.drop(['k9', 'k1']);
    expect(alive).toEqual([]);
    expect(models.keys()).toEqual([]);
  });
});

describe('versions', () => {
  it('are immutable, hold their weights once, and tell when they go', async () => {
    const gone: string[] = [];
    const versions = createVersions((key) => gone.push(key));
    const checkpoint = await fixture('f16');
    versions.register(M0, checkpoint);
    expect(versions.ref(M0).data).toBe(checkpoint.weights.data.buffer);
    expect(() => versions.register(M0, checkpoint)).toThrow(
      expect.objectContaining({ code: 'protocol.violation' }),
    );
    const { key } = versions.ref(M0);
    versions.release(M0);
    expect(gone).toEqual([key]);
    versions.register(M0, checkpoint);
    expect(versions.ref(M0).key).not.toBe(key);
  });

  it('weights on private memory are copied to shared memory', async () => {
    const versions = createVersions(() => undefined);
    const { weights, ...rest } = await fixture('f16');
    versions.register(M1, { ...rest, weights: { ...weights, data: Float32Array.from(weights.data) } });
    expect(versions.checkpoint(M1).weights.data.buffer).toBeInstanceOf(SharedArrayBuffer);
    expect(versions.checkpoint(M1).weights.data).toEqual(weights.data);
  });
});

describe('the door of a worker', () => {
  it('refuses whatever is no task, and never rejects', async () => {
    await fc.assert(
      fc.asyncProperty(fc.anything(), async (message) => {
        const reply = replySchema.parse(await work(message));
        expect(reply).toMatchObject({ ok: false, error: { code: 'protocol.violation' } });
      }),
      { numRuns: 200 },
    );
  });

  it('refuses a block that does not fit its architecture', async () => {
    const { architecture } = (await fixture('f16')).weights;
    const model = { key: 'k', architecture, data: new SharedArrayBuffer(12) };
    const message = {
      backend: 'cpu',
      retired: [],
      fault: null,
      task: { kind: 'hash', model },
    };
    expect(await work(message)).toMatchObject({ ok: false, error: { code: 'protocol.violation' } });
  });

  it('an unbuilt package is said with the way out', () => {
    expect(() => workerFile('file:///nowhere/src/pool/runner.ts')).toThrow(
      expect.objectContaining({
        code: 'worker.failed',
        fields: expect.objectContaining({ fix: expect.stringContaining('build') }),
      }),
    );
  });
});
