import { spawn } from 'node:child_process';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { sizeOf } from '../../src/lm/architecture.js';
import type { LanguageModelOptions, SharedModel } from '../../src/pool/language-model.js';
import type { WorkerCrash } from '../../src/pool/runner.js';
import { isSoliloquyError } from '../../src/protocol/errors.js';
import { create, here, M0, M1, open, pairsOf, rowsOf, sampleRows, specOf } from './models.js';

const DPO = specOf({ objective: 'dpo', rows: pairsOf(9), beta: 0.1 });
const SFT = specOf({ objective: 'sft', rows: rowsOf(13, 0) });

/** All that a caller can see of a training and of samples from its result. */
const resultOf = async (
  spec: typeof DPO,
  options: Partial<LanguageModelOptions>,
  during?: (model: SharedModel, step: number) => void,
) => {
  const crashes: WorkerCrash[] = [];
  const model = await open({ onWorkerCrash: (crash) => crashes.push(crash), ...options });
  const outcome = await model.train(spec, ({ step }) => during?.(model, step));
  const samples = await model.sample(M1, sampleRows(5));
  const scores = await model.score(
    M1,
    rowsOf(40, 5).map((r) => r.ids),
  );
  await model.close();
  return { result: { outcome, samples, scores }, crashes };
};

describe('any number of workers', () => {
  it.each([
    ['sft', SFT],
    ['dpo', DPO],
  ] as const)('gives the same bits (%s with dropout, clipping, uneven batches)', async (_, spec) => {
    const one = await resultOf(spec, { workers: 1 });
    expect((await resultOf(spec, { workers: 2 })).result).toEqual(one.result);
    if (spec === SFT) expect((await resultOf(spec, { workers: 3 })).result).toEqual(one.result);
    expect(one.crashes).toEqual([]);
  });

  it('other work at the same time changes nothing', async () => {
    const alone = await resultOf(SFT, { workers: 2 });
    const model = await open({ workers: 2 });
    const [outcome] = await Promise.all([
      model.train(SFT),
      ...Array.from({ length: 6 }, () => model.sample(M0, sampleRows(4))),
    ]);
    expect(outcome).toEqual(alone.result.outcome);
  });
});

describe('a worker that dies', () => {
  it('by a kill in mid-training changes nothing in the result, and is told', async () => {
    const calm = await resultOf(DPO, { workers: 2 });
    const shot = await resultOf(DPO, { workers: 2 }, (model, step) => {
      // The next step's tasks are sent while the thread dies.
      if (step === 2) void model.kill(0);
    });
    expect(shot.crashes).toEqual([
      { task: 'gradient', attempt: 1, retried: true, reason: expect.any(String) },
    ]);
    expect(shot.result).toEqual(calm.result);
  });

  it.each([1, 2])(
    'in any kind of task, by exit or by a fatal error, changes nothing (%i workers)',
    async (workers) => {
      const calm = await resultOf(DPO, { workers });
      const kinds = ['score', 'gradient', 'reduce', 'update', 'hash', 'sample'] as const;
      const faults = kinds.flatMap((task, i) => [
        { task, nth: 1, how: i % 2 ? ('exit' as const) : ('throw' as const) },
      ]);
      faults.push({ task: 'gradient', nth: 5, how: 'exit' }, { task: 'update', nth: 4, how: 'throw' });
      const shot = await resultOf(DPO, { workers, faults });
      expect(shot.result).toEqual(calm.result);
      expect(
        shot.crashes
          .filter((c) => c.task !== null)
          .map((c) => c.task)
          .sort(),
      ).toEqual([...kinds, 'gradient', 'update'].sort());
      for (const crash of shot.crashes)
        expect(crash).toMatchObject({ attempt: 1, retried: true, reason: expect.any(String) });
    },
  );

  it('again and again fails the task with a clear error, and the next task works', async () => {
    const crashes: WorkerCrash[] = [];
    const faults = [1, 2, 3, 4].map((nth) => ({ task: 'sample' as const, nth, how: 'exit' as const }));
    const model = await open({ workers: 1, faults, onWorkerCrash: (crash) => crashes.push(crash) });
    await expect(model.sample(M0, sampleRows(2))).rejects.toMatchObject({
      code: 'worker.failed',
      fields: { task: 'sample', attempts: 4 },
    });
    expect(crashes.map((c) => [c.attempt, c.retried])).toEqual([
      [1, true],
      [2, true],
      [3, true],
      [4, false],
    ]);
    expect((await model.sample(M0, sampleRows(2))).length).toBe(2);
  });
});

describe('closing', () => {
  it('while busy ends promptly, rejects what is under way, and leaves no thread', async () => {
    const model = await open({ workers: 2 });
    const work = [
      model.train(specOf({ objective: 'sft', rows: rowsOf(200, 0) }, { epochs: 50 })),
      ...Array.from({ length: 8 }, () => model.sample(M0, sampleRows(30))),
    ].map((promise) =>
      promise.then(
        () => 'done',
        (error: unknown) => error,
      ),
    );
    await model.score(M0, [[1, 5]]);
    const begin = performance.now();
    await model.close();
    expect(performance.now() - begin).toBeLessThan(2000);
    expect(model.threadIds()).toEqual([]);
    const errors = (await Promise.all(work)).filter((result) => result !== 'done');
    expect(errors.length).toBeGreaterThan(0);
    for (const error of errors) expect(isSoliloquyError(error) && error.fields.closed).toBe(true);
    await expect(model.score(M0, [[1]])).rejects.toMatchObject({
      code: 'worker.failed',
      fields: { closed: true },
    });
    expect(model.threadIds()).toEqual([]);
    await model.close();
  });

  it('leaves no more ports, threads or timers than there were before', async () => {
    const count = () => {
      const counts: Record<string, number> = {};
      for (const kind of process.getActiveResourcesInfo()) counts[kind] = (counts[kind] ?? 0) + 1;
      return counts;
    };
    const before = count();
    const model = await open({ workers: 2 });
    await model.train(SFT);
    await model.close();
    await new Promise((resolve) => setImmediate(resolve));
    for (const [kind, n] of Object.entries(count())) expect(n, kind).toBeLessThanOrEqual(before[kind] ?? 0);
  });
});

/** A process of its own over the built package; ends by itself or not. */
const child = (body: string): Promise<{ code: number | null; out: string }> => {
  const dist = here('../../dist/src');
  const script = `
    import { readCheckpoint } from '${dist}/lm/checkpoint.js';
    import { createLanguageModel } from '${dist}/pool/language-model.js';
    const open = (more) => createLanguageModel({ workers: 1, backend: 'wasm', ...more });
    const checkpoint = await readCheckpoint('${here('../fixtures/llama/gqa-untied')}');
    ${body}`;
  const run = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: 30_000,
  });
  let out = '';
  run.stdout.on('data', (chunk) => {
    out += String(chunk);
  });
  return new Promise((resolve) => run.on('close', (code) => resolve({ code, out })));
};

describe('a process', () => {
  it('ends by itself once its model is closed', async () => {
    const body =
      "const m = await open(); m.register('M0', checkpoint); await m.score('M0', [[1, 2]]); await m.close(); process.stdout.write('end');";
    expect(await child(body)).toEqual({ code: 0, out: 'end' });
  });

  it('does not end early while a task waits for a new thread', async () => {
    const body =
      "const m = await open({ faults: [{ task: 'score', nth: 1, how: 'exit' }] }); m.register('M0', checkpoint); await m.score('M0', [[1, 2]]); process.stdout.write('scored'); await m.close();";
    expect(await child(body)).toEqual({ code: 0, out: 'scored' });
  });
});

describe('memory', () => {
  it('of a release is freed on the workers with their next task', async () => {
    const model = await open({ workers: 1 });
    const tensors = () => model.held()[0]!.tensors;
    await model.score(M0, [[1, 2]]);
    const withOne = tensors();
    await model.train(SFT);
    await model.score(M1, [[1, 2]]);
    model.release(M1);
    await model.score(M0, [[1, 2]]);
    expect(model.held()[0]!.models).toEqual([expect.stringMatching(/^M0#/)]);
    expect(tensors()).toBe(withOne);
  });

  it('of gradient slots and optimizer state is freed after training', async () => {
    setFlagsFromString('--expose-gc');
    const gc = runInNewContext('gc') as () => void;
    const used = async () => {
      await new Promise((resolve) => setImmediate(resolve));
      gc();
      return process.memoryUsage().arrayBuffers;
    };
    const model = await create();
    const before = await used();
    for (let i = 0; i < 3; i++) {
      await model.train(SFT);
      model.release(M1);
    }
    // A thread lets go of shared blocks when it collects its own garbage; here: when it ends.
    await model.close();
    const block = 4 * sizeOf(model.checkpoint(M0).weights.architecture);
    expect((await used()) - before).toBeLessThan(block);
  });
});
