import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ConfigPart, mergeParts, resolveConfig } from '../../src/protocol/config.js';
import type { SoliloquyError } from '../../src/protocol/errors.js';
import type { Experiment } from '../../src/protocol/experiment.js';
import { quick, worldPresets } from '../../src/protocol/presets.js';

const refusalOf = (part: unknown): SoliloquyError => {
  try {
    resolveConfig(part as ConfigPart);
  } catch (error) {
    return error as SoliloquyError;
  }
  throw new Error('it was taken');
};
const issuesOf = (part: unknown) =>
  (refusalOf(part).fields.issues as { path: string }[]).map(({ path }) => path);

describe('the configuration', () => {
  it("is whole without any part: the paper's loop", () => {
    const config = resolveConfig();
    expect(config).toMatchObject({
      name: 'paper',
      iterations: 2,
      eft: true,
      cast: { generator: 'live', responder: 'live', judge: 'live', trainer: 'dpo' },
      respond: { candidates: 4, sampling: { temperature: 0.7, topP: 0.9 } },
      judge: { samples: 3 },
      invent: { sampling: { temperature: 0.6, topP: 0.9 }, seedShots: 6, madeShots: 2 },
      dpo: { beta: 0.1, batchSize: 16 },
      sft: { batchSize: 16, dropout: 0.1 },
    });
  });

  it('the last part wins, leaf by leaf; lists are replaced', () => {
    const config = resolveConfig(
      { judge: { samples: 5, retries: 1 }, invent: { keywords: ['a', 'b'] } },
      { judge: { samples: 2 }, invent: { keywords: ['c'] } },
    );
    expect(config.judge).toMatchObject({ samples: 2, retries: 1 });
    expect(config.invent.keywords).toEqual(['c']);
  });

  it('an undefined leaf changes nothing', () => {
    expect(mergeParts({ seed: 3 }, { seed: undefined } as unknown as ConfigPart)).toEqual({ seed: 3 });
  });

  it('merging leaves its parts as they were', () => {
    const first: ConfigPart = { judge: { samples: 5 } };
    mergeParts(first, { judge: { samples: 2 } });
    expect(first).toEqual({ judge: { samples: 5 } });
  });

  it('is the same resolved again from what was written', () => {
    const config = resolveConfig(worldPresets.microworld, quick);
    expect(resolveConfig(JSON.parse(JSON.stringify(config)))).toEqual(config);
  });

  it.each([
    [{ sampels: 3 }, ''],
    [{ judge: { sampels: 3 } }, 'judge'],
    [{ dpo: { learning_rate: 1 } }, 'dpo'],
  ])('an unknown option is an error that names it: %j', (part, path) => {
    const refusal = refusalOf(part);
    expect(refusal.code).toBe('config.invalid');
    expect(issuesOf(part)).toEqual([path]);
    expect(refusal.message).toMatch(/sampels|learning_rate/);
  });

  it.each([
    [{ respond: { candidates: 1 } }, 'respond.candidates'],
    [{ judge: { samples: 0 } }, 'judge.samples'],
    [{ dpo: { beta: 0 } }, 'dpo.beta'],
    [{ sft: { dropout: 1 } }, 'sft.dropout'],
    [{ respond: { sampling: { topP: 0 } } }, 'respond.sampling.topP'],
    [{ world: { name: 'mars' } }, 'world.name'],
    [{ seed: 1.5 }, 'seed'],
    [{ iterations: -1 }, 'iterations'],
    [{ cast: { judge: 'paul' } }, 'cast.judge'],
    [{ cast: { responder: 'oracle' } }, 'cast.responder'],
    [{ cast: { trainer: 'ppo' } }, 'cast.trainer'],
  ])('a value that makes no sense is refused by its path: %j', (part, path) => {
    expect(issuesOf(part)).toEqual([path]);
  });

  it('names every wrong option at once', () => {
    expect(issuesOf({ seed: -1, judge: { samples: 'three' }, cast: { judge: 'paul' } })).toEqual([
      'seed',
      'cast.judge',
      'judge.samples',
    ]);
  });

  it('any number of parts merges like one after the other', () => {
    const part = fc.record(
      {
        seed: fc.nat(),
        judge: fc.record(
          { samples: fc.integer({ min: 1, max: 9 }), retries: fc.integer({ min: 0, max: 3 }) },
          { requiredKeys: [] },
        ),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(part, part, part, (a, b, c) => {
        expect(mergeParts(a, b, c)).toEqual(mergeParts(mergeParts(a, b), c));
        expect(mergeParts(a, b, c)).toEqual(mergeParts(a, mergeParts(b, c)));
      }),
    );
  });
});

describe('what ships', () => {
  it.each(Object.entries(worldPresets))('the preset of %s is valid, quick or not', (_, preset) => {
    expect(() => resolveConfig(preset)).not.toThrow();
    expect(() => resolveConfig(preset, quick)).not.toThrow();
  });

  it('quick is smaller, and the same path', () => {
    const [whole, small] = [
      resolveConfig(worldPresets.microworld),
      resolveConfig(worldPresets.microworld, quick),
    ];
    expect(small.invent.asks).toBeLessThan(whole.invent.asks);
    expect([small.iterations, small.cast, small.eft]).toEqual([whole.iterations, whole.cast, whole.eft]);
  });

  const dir = join(import.meta.dirname, '../../experiments');
  const files = readdirSync(dir).filter((file) => file.endsWith('.ts'));
  it.each(files)("experiment %s resolves, and has its file's name", async (file) => {
    const { default: experiment } = (await import(join(dir, file))) as { default: Experiment };
    expect(experiment.name).toBe(file.replace(/\.ts$/, ''));
    expect(experiment.summary.length).toBeGreaterThan(10);
    expect(() => resolveConfig(worldPresets.microworld, experiment.config)).not.toThrow();
    expect(() => resolveConfig(worldPresets.microworld, experiment.config, quick)).not.toThrow();
  });
});
