import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { recipeOf } from '../../../src/cli/microworld-m0.js';
import { prefixOf } from '../../../src/cli/pretrain.js';
import { readCheckpoint } from '../../../src/lm/checkpoint.js';
import { weightsHash } from '../../../src/lm/weights.js';

const asset = join(import.meta.dirname, '../../../assets/microworld-m0');
const absent = !existsSync(join(asset, 'recipe.json'));
const recipe = () =>
  JSON.parse(readFileSync(join(asset, 'recipe.json'), 'utf8')) as {
    seed: number;
    weightsHash: string;
    recipe: { steps: number };
    prefix: { steps: number; weightsHash: string };
  };

describe.skipIf(absent)(
  `the M0 that ships${absent ? ' — skipped: assets/microworld-m0 is not there yet' : ''}`,
  () => {
    it('was made by the recipe that stands in the source', () => {
      const { recipe: made, seed } = recipe();
      expect(made).toEqual(recipeOf({ seed, steps: made.steps }));
    });

    it('has the weights that its recipe.json names', async () => {
      expect(weightsHash((await readCheckpoint(asset)).weights)).toBe(recipe().weightsHash);
    });

    it('begins as its recipe says: the first 20 steps on wasm give the same weights again', {
      timeout: 300_000,
    }, async () => {
      const { prefix, seed, recipe: made } = recipe();
      expect(prefix.steps).toBe(20);
      expect(await prefixOf({ seed, steps: made.steps }, 2)).toEqual(prefix);
    });
  },
);
