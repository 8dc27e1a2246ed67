import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Engine, LoadedModel } from '../../src/lm/engine.js';
import { weightsHash } from '../../src/lm/weights.js';
import { createLoadedModels } from '../../src/pool/loaded-models.js';
import { replySchema } from '../../src/pool/messages.js';
import { workerFile } from '../../src/pool/runner.js';
import { scoreChunksOf } from '../../src/pool/score-chunks.js';
import { createVersions } from '../../src/pool/versions.js';
import work from '../../src/pool/worker.js';
import { type VersionId, versionId } from '../../src/protocol/ids.js';
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
    const versions = createVersions({ onRelease: (key) => gone.push(key) });
    const checkpoint = await fixture('f16');
    versions.register(M0, checkpoint);
    const ref = () => versions.using(M0, async (model) => model);
    expect((await ref()).data).toBe(checkpoint.weights.data.buffer);
    expect(() => versions.register(M0, checkpoint)).toThrow(
      expect.objectContaining({ code: 'protocol.violation' }),
    );
    const { key } = await ref();
    versions.release(M0);
    expect(gone).toEqual([key]);
    versions.register(M0, checkpoint);
    expect((await ref()).key).not.toBe(key);
  });

  it('weights on private memory are copied to shared memory', async () => {
    const versions = createVersions({ onRelease: () => undefined });
    const { weights, ...rest } = await fixture('f16');
    versions.register(M1, { ...rest, weights: { ...weights, data: Float32Array.from(weights.data) } });
    const found = (await versions.checkpoint(M1)).weights.data;
    expect(found.buffer).toBeInstanceOf(SharedArrayBuffer);
    expect(found).toEqual(weights.data);
  });
});

describe('versions that stand on disk too', () => {
  const names = ['M0', 'M1', 'M2', 'M3'].map(versionId);

  /** Four of them, each with numbers of its own; at most `most` in memory. */
  async function settled(most: number, changed?: string, isNamed = true) {
    const gone: string[] = [];
    const read: string[] = [];
    const versions = createVersions({
      onRelease: (key) => gone.push(key.split('#')[0]!),
      residency: { bytes: 0, versions: most },
    });
    const { weights, ...facts } = await fixture('f16');
    const checkpointOf = (name: string) => ({
      ...facts,
      weights: { ...weights, data: weights.data.map((x) => x + names.indexOf(versionId(name))) },
    });
    for (const name of names) {
      versions.register(name, checkpointOf(name));
      const hash = weightsHash(checkpointOf(name === changed ? 'M0' : name).weights);
      versions.settle(name, {
        ...(isNamed && { hash }),
        read: async () => {
          read.push(name);
          return checkpointOf(name);
        },
      });
    }
    const first = async (name: VersionId) => {
      const { data } = await versions.using(name, async (model) => model);
      return new Float32Array(data)[0]! - weights.data[0]!;
    };
    return { versions, gone, read, first };
  }

  it('leave memory when others are wanted, the least recently used first, and come back as they were', async () => {
    const { versions, gone, read, first } = await settled(2);
    expect(gone).toEqual(['M0', 'M1']);
    expect(await first(versionId('M0'))).toBeCloseTo(0, 5);
    expect(await first(versionId('M3'))).toBeCloseTo(3, 5);
    expect(await first(versionId('M1'))).toBeCloseTo(1, 5);
    expect(read).toEqual(['M0', 'M1']);
    expect(gone).toEqual(['M0', 'M1', 'M2', 'M0']);
    expect(versions.has(versionId('M2'))).toBe(true);
    expect(versions.architecture(versionId('M2'))).toEqual((await fixture('f16')).weights.architecture);
    expect((await versions.checkpoint(versionId('M2'))).eosIds).toEqual((await fixture('f16')).eosIds);
  });

  it('give right numbers to whoever asks, never more of them idle in memory than allowed, each read once at a time', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 4 }),
        fc.array(fc.array(fc.constantFrom(...names), { minLength: 1, maxLength: 5 }), { maxLength: 6 }),
        async (most, rounds) => {
          const { gone, read, first } = await settled(most);
          for (const together of rounds) {
            const before = read.length;
            const found = await Promise.all(together.map(first));
            together.forEach((name, i) => {
              expect(found[i]).toBeCloseTo(names.indexOf(name), 5);
            });
            const again = read.slice(before);
            expect(new Set(again).size).toBe(again.length);
            expect(names.length + read.length - gone.length).toBeLessThanOrEqual(most);
          }
        },
      ),
    );
  });

  it('stay while somebody works with them', async () => {
    const { versions, gone, first } = await settled(1);
    let done = (): void => undefined;
    const work = versions.using(versionId('M3'), () => new Promise<void>((resolve) => (done = resolve)));
    await first(versionId('M0'));
    expect(gone).not.toContain('M3');
    done();
    await work;
    await first(versionId('M1'));
    expect(gone).toContain('M3');
  });

  it('have their hash taken when they leave, where none was given', async () => {
    const { versions, first } = await settled(2, undefined, false);
    expect(await first(versionId('M1'))).toBeCloseTo(1, 5);
    versions.settle(versionId('M3'), { read: () => versions.checkpoint(versionId('M1')) });
    await first(versionId('M0'));
    await first(versionId('M1'));
    await expect(first(versionId('M3'))).rejects.toMatchObject({ code: 'checkpoint.invalid' });
  });

  it('are refused where their files were changed meanwhile', async () => {
    const { first } = await settled(1, 'M1');
    await expect(first(versionId('M1'))).rejects.toMatchObject({
      code: 'checkpoint.invalid',
      message: expect.stringContaining('the files of M1 were changed'),
    });
    expect(await first(versionId('M2'))).toBeCloseTo(2, 5);
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
