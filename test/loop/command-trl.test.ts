/**
 * bench/trl_dpo.py as the command of a run, where SOLILOQUY_PYTHON has TRL: TRL's DPO against our own. With all pairs in one
 * batch their order is of no account, so the two must take the same steps.
 */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readCheckpoint } from '../../src/lm/checkpoint.js';
import type { ConfigPart } from '../../src/protocol/config.js';
import type { BodyOf, Envelope } from '../../src/protocol/messages.js';
import { finishedRun, temporaryFolder, tinyConfig, writeTinyModel } from '../support/tiny-run.js';

const python = process.env.SOLILOQUY_PYTHON;
const script = join(import.meta.dirname, '../../bench/trl_dpo.py');

function whyNot(): string | null {
  if (!python) return 'SOLILOQUY_PYTHON is not set';
  try {
    execFileSync(python, ['-c', 'import trl, datasets'], { stdio: 'ignore' });
    return null;
  } catch {
    return `${python} has no trl`;
  }
}
const missing = whyNot();

const folder = temporaryFolder();
const model = join(folder.path, 'm0');
beforeAll(async () => {
  await writeTinyModel(model);
});
afterAll(() => folder.remove());

const optimizer = { batchSize: 64, microBatchSize: 64, epochs: 4, warmupSteps: 1, learningRate: 1e-3 };
const run = (name: string, ...parts: ConfigPart[]) =>
  finishedRun(
    tinyConfig(
      model,
      { iterations: 1, cast: { judge: 'random' }, sft: optimizer, dpo: { ...optimizer, beta: 0.5 } },
      ...parts,
    ),
    join(folder.path, name),
  );
const steps = (envelopes: readonly Envelope[], version: string) =>
  envelopes
    .filter(({ type }) => type === 'training.stepped')
    .map(({ body }) => body as BodyOf<'training.stepped'>)
    .filter(({ to }) => to === version);
const weightsAt = async (name: string, version: string) =>
  (await readCheckpoint(join(folder.path, name, 'models', version))).weights.data;
const norm = (of: Float32Array, from: Float32Array) => Math.hypot(...of.map((x, i) => x - from[i]!));

describe.skipIf(missing !== null)(`TRL as the trainer${missing ? ` — skipped: ${missing}` : ''}`, () => {
  const command = (stages: 'dpo' | 'all'): ConfigPart => ({
    cast: { trainer: 'command' },
    command: { run: [python!, script, '{job}'], stages, env: { CUDA_VISIBLE_DEVICES: '' } },
  });

  it('takes the steps of our own DPO: rates, losses, accuracies, and the weights that come of them', async () => {
    const own = await run('own');
    const trl = await run('trl', command('dpo'));
    const [a, b] = [steps(own.envelopes, 'M2'), steps(trl.envelopes, 'M2')];
    expect(trl.end.status).toBe('finished');
    expect(b.map(({ step, steps: of }) => [step, of])).toEqual(a.map(({ step, steps: of }) => [step, of]));
    expect(a).toHaveLength(4);
    for (const [i, step] of b.entries()) {
      expect(step.learningRate).toBeCloseTo(a[i]!.learningRate!, 8);
      expect(step.loss).toBeCloseTo(a[i]!.loss, 3);
      expect(step.gradNorm! / a[i]!.gradNorm!).toBeCloseTo(1, 2);
      expect(step.margin).toBeCloseTo(a[i]!.margin!, 3);
    }
    const [m1, m2, theirs] = [
      await weightsAt('own', 'M1'),
      await weightsAt('own', 'M2'),
      await weightsAt('trl', 'M2'),
    ];
    expect(norm(theirs, m2) / norm(m2, m1)).toBeLessThan(0.02);
  });

  it('does SFT too where its stages are all, as our own does it', async () => {
    const own = await run('own-sft', { eft: false, iterations: 0 });
    const trl = await run('trl-sft', { eft: false, iterations: 0 }, command('all'));
    const [a, b] = [steps(own.envelopes, 'M1'), steps(trl.envelopes, 'M1')];
    expect(b).toHaveLength(4);
    for (const [i, step] of b.entries()) expect(step.loss).toBeCloseTo(a[i]!.loss, 2);
  });
});
