import { spawn } from 'node:child_process';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { sizeOf } from '../../src/lm/architecture.js';
import type { LanguageModelOptions, SharedModel } from '../../src/pool/language-model.js';
import type { WorkerCrash } from '../../src/pool/runner.js';
import { isSoliloquyError } from '../../src/protocol/errors.js';
import type { SampleRow } from '../../src/protocol/lm.js';
import { create, here, M0, M1, open, pairsOf, rowsOf, sampleRows, specOf } from './models.js';

/** The compiled engine, and TensorFlow.js: slower, so it sees fewer of the cases that ask the same question again. */
const BACKENDS = ['onnx', 'wasm'] as const;

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

/** Prompts that several rows share, prompts with the same beginning, rows that stop early and late. */
const manyRows: readonly SampleRow[] = Array.from({ length: 31 }, (_, i) => {
  const prompt = i % 7;
  const head = Array.from({ length: 20 }, (_, j) => 3 + ((j * 13) % 61));
  const own = Array.from({ length: 1 + 3 * prompt }, (_, j) => 3 + ((prompt * 11 + j * 7) % 61));
  return {
    promptIds: prompt < 4 ? [1, ...head, ...own] : [1, ...own],
    key: [i, 77],
    sampling: {
      temperature: [1, 0.7, 0, 1.3][i % 4]!,
      topP: [1, 0.9][i % 2]!,
      maxNewTokens: 1 + ((i * 5) % 40),
    },
    stopIds: i % 3 === 0 ? [2, 9, 17, 33] : [],
  };
});

describe.each(BACKENDS)('any number of workers on %s', (backend) => {
  it.each([
    ['sft', SFT, [2, 3]],
    ['dpo', DPO, [2]],
    // Then the engine may share a pair's beginning.
    ['dpo without dropout', { ...DPO, optimizer: { ...DPO.optimizer, dropout: 0 } }, [2]],
  ] as const)('gives the same bits (%s, clipping, uneven batches)', async (_, spec, others) => {
    const one = await resultOf(spec, { workers: 1, backend });
    for (const workers of others)
      expect((await resultOf(spec, { workers, backend })).result).toEqual(one.result);
    expect(one.crashes).toEqual([]);
  });

  it('samples and trains the same bits, whoever is idle and whatever else is under way', async () => {
    const one = await open({ workers: 1, backend });
    const expected = await one.sample(M0, manyRows);
    const trained = await one.train(SFT);
    await one.close();
    expect(new Set(expected.map((o) => o.finish))).toEqual(new Set(['stop', 'length']));
    for (const workers of backend === 'onnx' ? [2, 3] : [2]) {
      const model = await open({ workers, backend });
      expect(await model.sample(M0, manyRows), `${workers} idle`).toEqual(expected);
      const train = model.train(SFT);
      const score = model.score(
        M0,
        rowsOf(40, 5).map((r) => r.ids),
      );
      const samples = await Promise.all([model.sample(M0, manyRows), model.sample(M0, manyRows)]);
      expect(samples, `${workers} busy`).toEqual([expected, expected]);
      expect(await train).toEqual(trained);
      await score;
      await model.close();
    }
  });
});

describe.each(BACKENDS)('a worker on %s that dies', (backend) => {
  it.each(backend === 'onnx' ? [1, 2] : [2])(
    'in any kind of task, by exit or by a fatal error, changes nothing (%i workers)',
    async (workers) => {
      const calm = await resultOf(DPO, { workers, backend });
      const kinds = ['score', 'gradient', 'reduce', 'update', 'hash', 'sample'] as const;
      const faults = kinds.flatMap((task, i) => [
        { task, nth: 1, how: i % 2 ? ('exit' as const) : ('throw' as const) },
      ]);
      faults.push({ task: 'gradient', nth: 5, how: 'exit' }, { task: 'update', nth: 4, how: 'throw' });
      const shot = await resultOf(DPO, { workers, backend, faults });
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

  it.runIf(backend === 'onnx')(
    'again and again fails the task with a clear error, and the next task works',
    async () => {
      const crashes: WorkerCrash[] = [];
      const faults = [1, 2, 3, 4].map((nth) => ({ task: 'sample' as const, nth, how: 'exit' as const }));
      const model = await open({
        workers: 1,
        backend,
        faults,
        onWorkerCrash: (crash) => crashes.push(crash),
      });
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
    },
  );
});

// Not on onnx: its binding takes the process down with a thread that is terminated in the middle of a run.
describe('a worker that is killed', () => {
  it('by a kill in mid-training changes nothing in the result, and is told', async () => {
    const calm = await resultOf(DPO, { workers: 2, backend: 'wasm' });
    const shot = await resultOf(DPO, { workers: 2, backend: 'wasm' }, (model, step) => {
      // The next step's tasks are sent while the thread dies.
      if (step === 2) void model.kill(0);
    });
    expect(shot.crashes).toEqual([
      { task: 'gradient', attempt: 1, retried: true, reason: expect.any(String) },
    ]);
    expect(shot.result).toEqual(calm.result);
  });

  it('by kills while it samples and scores changes nothing', async () => {
    const crashes: WorkerCrash[] = [];
    const model = await open({ workers: 2, backend: 'wasm', onWorkerCrash: (crash) => crashes.push(crash) });
    const long = manyRows.map((row) => ({ ...row, sampling: { ...row.sampling, maxNewTokens: 80 } }));
    const sequences = rowsOf(200, 5).map((r) => r.ids);
    const calm = await Promise.all([model.sample(M0, long), model.score(M0, sequences)]);
    for (let round = 0; round < 2; round++) {
      const again = Promise.all([model.sample(M0, long), model.score(M0, sequences)]);
      await new Promise((resolve) => setTimeout(resolve, 20 * round));
      await model.kill(round % 2);
      expect(await again).toEqual(calm);
    }
    expect(crashes.length).toBeGreaterThan(0);
    for (const crash of crashes) expect(crash.retried || crash.task === null).toBe(true);
  });
});

describe('closing', () => {
  // On onnx: below, in a process of its own.
  it('while busy ends promptly, rejects what is under way, and leaves no thread', async () => {
    const model = await open({ workers: 2, backend: 'wasm' });
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

  it.each(BACKENDS)(
    'on %s leaves no more ports, threads or timers than there were before',
    async (backend) => {
      const count = () => {
        const counts: Record<string, number> = {};
        for (const kind of process.getActiveResourcesInfo()) counts[kind] = (counts[kind] ?? 0) + 1;
        return counts;
      };
      const before = count();
      const model = await open({ workers: 2, backend });
      await model.train(SFT);
      await model.sample(M0, sampleRows(9));
      await model.close();
      await new Promise((resolve) => setImmediate(resolve));
      for (const [kind, n] of Object.entries(count())) expect(n, kind).toBeLessThanOrEqual(before[kind] ?? 0);
    },
  );
});

/** A process of its own over the built package; ends by itself or not. */
const child = (backend: string, body: string): Promise<{ code: number | null; out: string }> => {
  const dist = here('../../dist/src');
  const script = `
    import { readCheckpoint } from '${dist}/lm/checkpoint.js';
    import { createLanguageModel } from '${dist}/pool/language-model.js';
    const open = (more) => createLanguageModel({ workers: 1, backend: '${backend}', ...more });
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

describe.each(BACKENDS)('a process with %s', (backend) => {
  it('ends by itself once its model is closed', async () => {
    const body =
      "const m = await open(); m.register('M0', checkpoint); await m.score('M0', [[1, 2]]); await m.close(); process.stdout.write('end');";
    expect(await child(backend, body)).toEqual({ code: 0, out: 'end' });
  });

  it('lives on when a model is closed in the middle of its work, at any moment', async () => {
    const body = `
      const rows = Array.from({ length: 96 }, (_, i) => ({ promptIds: [1, 3 + i % 50], key: [i, 1],
        sampling: { temperature: 1, topP: 0.9, maxNewTokens: 100 }, stopIds: [] }));
      const said = new Set();
      for (const wait of [0, 7, 20, 40]) {
        const m = await open({ workers: 2 });
        m.register('M0', checkpoint);
        await m.score('M0', [[1, 2]]);
        const work = Array.from({ length: 3 }, () => m.sample('M0', rows).catch((error) => said.add(error.code)));
        await new Promise((resolve) => setTimeout(resolve, wait));
        const begin = performance.now();
        await m.close();
        if (performance.now() - begin > 2000) said.add('late');
        await Promise.all(work);
      }
      process.stdout.write([...said].join());`;
    expect(await child(backend, body)).toEqual({ code: 0, out: 'worker.failed' });
  });

  it('does not end early while a task waits for a new thread', async () => {
    const body =
      "const m = await open({ faults: [{ task: 'score', nth: 1, how: 'exit' }] }); m.register('M0', checkpoint); await m.score('M0', [[1, 2]]); process.stdout.write('scored'); await m.close();";
    expect(await child(backend, body)).toEqual({ code: 0, out: 'scored' });
  });
});

describe.each(BACKENDS)('memory on %s', (backend) => {
  it('of a release is freed on the workers with their next task', async () => {
    const model = await open({ workers: 1, backend });
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
    const model = await create({ backend });
    const before = await used();
    for (let i = 0; i < 3; i++) {
      await model.train(SFT);
      model.release(M1);
    }
    // A thread lets go of shared blocks when it collects its own garbage; here: when it ends.
    await model.close();
    const block = 4 * sizeOf((await model.checkpoint(M0)).weights.architecture);
    // Its thread's end may come a little later than the word of it.
    await expect.poll(async () => (await used()) - before, { timeout: 5000 }).toBeLessThan(block);
  });
});
