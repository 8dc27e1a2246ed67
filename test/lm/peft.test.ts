/** Adapters of ours in PEFT, and PEFT's here, where SOLILOQUY_PYTHON names a Python that has it. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeAdapter } from '../../src/lm/adapter-writer.js';
import { readCheckpoint } from '../../src/lm/checkpoint.js';
import { writeCheckpoint } from '../../src/lm/checkpoint-writer.js';
import type { Engine } from '../../src/lm/engine.js';
import { freshAdapter } from '../../src/lm/lora.js';
import { createOnnxEngine } from '../../src/lm/onnx/engine.js';
import type { LoraConfig } from '../../src/protocol/lm.js';
import { temporaryFolder } from '../support/tiny-run.js';

const python = process.env.SOLILOQUY_PYTHON;
const hasPeft = python !== undefined && spawnSync(python, ['-c', 'import peft, transformers']).status === 0;
const FIXTURES = join(import.meta.dirname, '../fixtures');
const LORA: LoraConfig = { rank: 4, alpha: 8, dropout: 0, targets: [] };
const SEQUENCES = [
  [1, 5, 9, 12, 7, 3, 20, 31],
  [1, 40, 2, 8],
];

interface Said {
  readonly on: number[][];
  readonly merged: number[][];
  readonly off: number[][];
  readonly saved: number[][];
}

describe.skipIf(!hasPeft)(
  `adapters and PEFT${hasPeft ? '' : ' — skipped: SOLILOQUY_PYTHON names no Python that has it'}`,
  () => {
    const folder = temporaryFolder();
    let engine: Engine;
    beforeAll(async () => {
      engine = await createOnnxEngine();
    });
    afterAll(() => folder.remove());

    const scored = async (dir: string): Promise<number[][]> => {
      const model = await engine.load((await readCheckpoint(dir)).weights);
      const lines = await model.score(SEQUENCES);
      await model.dispose();
      return lines.map((line) => [...line.subarray(1)]);
    };
    const expectClose = (ours: number[][], theirs: number[][], within: number): void =>
      ours.forEach((line, i) => {
        line.forEach((x, t) => {
          expect(Math.abs(x - theirs[i]![t]!)).toBeLessThan(within);
        });
      });

    it.each(['llama/gqa-untied', 'qwen2/untied', 'qwen3/tied', 'gpt2/tied'])(
      '%s — ours loads there and gives our log-probs, on and merged; one of theirs gives theirs here',
      async (name) => {
        const at = (part: string) => join(folder.path, name.replace('/', '-'), part);
        const checkpoint = await readCheckpoint(join(FIXTURES, name));
        await writeCheckpoint(at('base'), checkpoint);
        const fresh = freshAdapter(checkpoint.weights.architecture, LORA, [7, 7]);
        const data = fresh.map((x, i) => x + Math.sin(i) / 6);
        await writeAdapter(at('ours'), at('base'), checkpoint, { lora: LORA, data });
        const question = { base: at('base'), adapter: at('ours'), save: at('theirs'), sequences: SEQUENCES };
        const ran = spawnSync(python!, [join(import.meta.dirname, 'peft/check.py')], {
          input: JSON.stringify(question),
          encoding: 'utf8',
        });
        expect(ran.status, ran.stderr).toBe(0);
        const said = JSON.parse(ran.stdout.trim().split('\n').at(-1)!) as Said;
        const ours = await scored(at('ours'));
        expectClose(ours, said.on, 1e-4);
        expectClose(ours, said.merged, 1e-4);
        expectClose(await scored(at('base')), said.off, 1e-4);
        expectClose(await scored(at('theirs')), said.saved, 1e-4);
        expect(Math.abs(said.on[0]![0]! - said.off[0]![0]!)).toBeGreaterThan(1e-3);
      },
      120_000,
    );
  },
);
