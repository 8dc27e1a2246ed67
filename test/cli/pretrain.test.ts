import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readCheckpoint } from '../../src/lm/checkpoint.js';
import { tokenizerOf } from '../../src/lm/tokenizer.js';
import { weightsHash } from '../../src/lm/weights.js';
import { soliloquy, soliloquyJson, temporaryFolder } from './command.js';

interface Made {
  readonly steps: number;
  readonly weightsHash: string;
  readonly prefix: { readonly steps: number; readonly weightsHash: string };
  readonly recipe: { readonly steps: number };
}

const work = temporaryFolder();
const course = (name: string, ...more: readonly string[]) =>
  soliloquyJson<Made>(
    'pretrain',
    'microworld',
    '--to',
    join(work, name),
    '--backend',
    'wasm',
    '--steps',
    '2',
    ...more,
  );

describe('soliloquy pretrain microworld', () => {
  it('gives the same weights with 1 and 2 workers; stopped early it is on the same course; recipe.json is what was said', {
    timeout: 300_000,
  }, async () => {
    const one = await course('one', '--workers', '1');
    const early = await course('early', '--workers', '2', '--stop-after', '1');
    // A course of 2 steps is its own prefix.
    expect(one.prefix).toEqual({ steps: 2, weightsHash: one.weightsHash });
    expect(early).toMatchObject({ steps: 1, recipe: { steps: 2 }, prefix: one.prefix });
    expect(early.weightsHash).not.toBe(one.weightsHash);
    const { to: _to, ...said } = one as Made & { to: string };
    expect(JSON.parse(readFileSync(join(work, 'one/recipe.json'), 'utf8'))).toEqual(said);
    const checkpoint = await readCheckpoint(join(work, 'one'));
    expect(weightsHash(checkpoint.weights)).toBe(one.weightsHash);
    const tokenizer = tokenizerOf(checkpoint.tokenizer!, checkpoint);
    expect(tokenizer.eosIds.map((id) => tokenizer.decode([id]))).toEqual(['<eos>']);
    expect(checkpoint.generationConfig).toEqual({ eos_token_id: tokenizer.eosIds[0] });
  });

  it('refuses more steps than the course has, no folder, an unknown world, naming each', async () => {
    const [beyond, nowhere, unknown] = await Promise.all([
      soliloquy('pretrain', 'microworld', '--to', join(work, 'x'), '--steps', '3', '--stop-after', '4'),
      soliloquy('pretrain', 'microworld'),
      soliloquy('pretrain', 'macroworld', '--to', join(work, 'x')),
    ]);
    expect([beyond.code, nowhere.code, unknown.code]).toEqual([2, 2, 2]);
    expect(beyond.err).toContain('--stop-after');
    expect(nowhere.err).toContain('--to');
    expect(unknown.err).toContain('macroworld');
    expect(existsSync(join(work, 'x'))).toBe(false);
  });
});
