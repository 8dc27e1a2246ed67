import { cpSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { assetCheck, type Finding, nodeCheck } from '../../src/cli/machine-checks.js';
import { readCheckpoint } from '../../src/lm/checkpoint.js';
import { weightsHash } from '../../src/lm/weights.js';
import { fixture, soliloquy, temporaryFolder } from './command.js';

const work = temporaryFolder();

describe('soliloquy doctor', () => {
  it('exits with 0 exactly when nothing that the default run needs is missing, and says how to get the rest', async () => {
    const { code, out } = await soliloquy('doctor', '--json');
    const { ok, backend, findings } = JSON.parse(out) as {
      ok: boolean;
      backend: string | null;
      findings: Finding[];
    };
    expect(ok).toBe(findings.every((finding) => finding.ok || !finding.needed));
    expect(code).toBe(ok ? 0 : 1);
    expect(['tensorflow', 'wasm', 'cpu']).toContain(backend);
    for (const finding of findings.filter((one) => !one.ok)) expect(finding.fix).toBeTruthy();
    const names = findings.map(({ name }) => name);
    for (const name of [
      'Node.js',
      'cores',
      'memory',
      'disk',
      'backend tensorflow',
      'backend wasm',
      'backend cpu',
      'default M0',
    ])
      expect(names).toContain(name);
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
