import { cpSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { env, listSupportedBackends } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { firstReason } from '../../src/cli/doctor.js';
import { assetCheck, type Finding, nodeCheck } from '../../src/cli/machine-checks.js';
import { readCheckpoint } from '../../src/lm/checkpoint.js';
import { weightsHash } from '../../src/lm/weights.js';
import { BACKENDS } from '../../src/protocol/backends.js';
import { type Ended, fixture, soliloquy, temporaryFolder } from './command.js';

const work = temporaryFolder();

/** One run for all tests: it starts every backend. It must end by itself too: a native library may crash a process at its end. */
let run: Promise<Ended> | undefined;
const doctor = (): Promise<Ended> => {
  run ??= soliloquy('doctor', '--json');
  return run;
};

describe('soliloquy doctor', () => {
  it('exits with 0 exactly when nothing that the default run needs is missing, and says how to get the rest', async () => {
    const { code, out } = await doctor();
    const { ok, backend, findings } = JSON.parse(out) as {
      ok: boolean;
      backend: string | null;
      findings: Finding[];
    };
    expect(ok).toBe(findings.every((finding) => finding.ok || !finding.needed));
    expect(code).toBe(ok ? 0 : 1);
    const of = (name: string) => findings.find((finding) => finding.name === name);
    expect(of(`backend ${backend}`)?.ok).toBe(true);
    for (const finding of findings.filter((one) => !one.ok)) expect(finding.fix).toBeTruthy();
    // `onnx:…` is an execution provider of onnxruntime: the next test.
    const backends = BACKENDS.filter((name) => !name.startsWith('onnx:')).map((name) => `backend ${name}`);
    for (const name of ['Node.js', 'cores', 'memory', 'disk', ...backends, 'engine', 'default M0'])
      expect(of(name)).toBeDefined();
    if (!of('backend tensorflow')?.ok)
      for (const way of ['npm run build:tensorflow', 'tensorflow[and-cuda]', 'tfjs-node-gpu'])
        expect(of('backend tensorflow')?.fix).toContain(way);
  });

  it('tries every execution provider that onnxruntime-node lists, and tells how to fetch CUDA’s', async () => {
    const { findings } = JSON.parse((await doctor()).out) as { findings: Finding[] };
    const listed = listSupportedBackends().map(({ name }) => name);
    const providers = findings.filter(({ name }) => name.startsWith('provider '));
    expect(providers.map(({ name }) => name)).toEqual(listed.map((name) => `provider ${name}`));
    expect(providers.find(({ name }) => name === 'provider cpu')?.ok).toBe(true);
    const cuda = providers.find(({ name }) => name === 'provider cuda');
    if (cuda && !cuda.ok) expect(cuda.fix).toContain('ONNXRUNTIME_NODE_INSTALL=cuda12');
    const engine = findings.find(({ name }) => name === 'onnxruntime-node');
    expect(engine).toMatchObject({
      ok: true,
      needed: false,
      detail: expect.stringContaining(env.versions.node!),
    });
  });

  it('names the library that a provider lacks, not the call that failed for it', () => {
    const stderr = `[E:onnxruntime] FAIL : Failed to load library /a/b/libonnxruntime_providers_cuda.so with error: libcublasLt.so.12: cannot open shared object file: No such file or directory
Error: OrtSessionOptionsAppendExecutionProvider_Cuda: Failed to load shared library`;
    expect(firstReason({ stderr })).toMatch(/^libcublasLt\.so\.12: cannot open/);
    expect(firstReason({ stderr: 'at x\nTypeError: no such thing\n  at y' })).toBe('no such thing');
    expect(firstReason(new Error('timed out\nafter'))).toBe('timed out');
  });

  it('finds Node 20.19 new enough and 20.18 too old', () => {
    expect(nodeCheck('20.19.0').ok).toBe(true);
    expect(nodeCheck('22.0.0').ok).toBe(true);
    expect(nodeCheck('20.18.3').ok).toBe(false);
    expect(nodeCheck('18.20.0').ok).toBe(false);
  });

  it('takes an M0 for whole only if its weights have the recipe’s hash', async () => {
    const dir = join(work, 'm0');
    cpSync(fixture('gqa-untied'), dir, { recursive: true });
    const recipe = (hash: string) =>
      writeFileSync(join(dir, 'recipe.json'), JSON.stringify({ weightsHash: hash }));
    expect((await assetCheck(dir)).ok).toBe(false);
    recipe('0'.repeat(64));
    expect((await assetCheck(dir)).ok).toBe(false);
    recipe(weightsHash((await readCheckpoint(dir)).weights));
    expect((await assetCheck(dir)).ok).toBe(true);
    expect((await assetCheck(join(work, 'absent'))).ok).toBe(false);
  });
});
