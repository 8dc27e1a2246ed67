import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { writeTinyModel } from '../support/tiny-run.js';
import { fixture, noStories, soliloquy, soliloquyJson, stories260K, temporaryFolder } from './command.js';

interface Generated {
  readonly ids: number[];
  readonly text: string | null;
}

const work = temporaryFolder();
const model = join(work, 'tiny');
beforeAll(async () => {
  await writeTinyModel(model);
});

describe('soliloquy generate', () => {
  it('goes on greedily as transformers does, with the new ids alone', async () => {
    const { greedy } = JSON.parse(readFileSync(join(fixture('gqa-untied'), 'golden.json'), 'utf8')) as {
      greedy: { prompt: number[]; ids: number[] }[];
    };
    const { prompt, ids } = greedy[0]!;
    const made = await soliloquyJson<Generated>(
      'generate',
      fixture('gqa-untied'),
      '--ids',
      prompt.join(','),
      '--greedy',
      '--max-new',
      String(ids.length),
    );
    expect(made).toEqual({ ids, text: null });
  });

  it('draws the same tokens from the same seed, others from another', async () => {
    const draw = (seed: string) =>
      soliloquyJson<Generated>(
        'generate',
        model,
        '--prompt',
        '<user> name three animals . <asst>',
        '--temperature',
        '1.5',
        '--top-p',
        '1',
        '--seed',
        seed,
        '--max-new',
        '12',
      );
    const [first, again, other] = await Promise.all([draw('3'), draw('3'), draw('4')]);
    expect(again).toEqual(first);
    expect(other.ids).not.toEqual(first.ids);
    expect(first.ids.length).toBeLessThanOrEqual(12);
  });

  it.each([
    [['generate', model, '--prompt', 'cat', '--top-p', '2'], 2, '--top-p'],
    [['generate', model, '--prompt', 'cat', '--greedy', '--seed', '3'], 2, '--greedy'],
    [['generate', model, '--prompt', 'cat', '--max-new', 'many'], 2, '--max-new'],
    [['generate', model, '--prompt', ''], 2, '--prompt'],
    [['generate', model, '--loud'], 2, '--loud'],
    [['generate', join(work, 'nothing', 'M3'), '--prompt', 'cat'], 1, 'M3'],
  ] as const)('refuses %j with exit code %i and names %s', async (args, wanted, named) => {
    const { code, out, err } = await soliloquy(...args);
    expect({ code, out }).toEqual({ code: wanted, out: '' });
    expect(err).toContain(named);
  });
});

describe.skipIf(noStories)(
  `soliloquy generate on stories260K${noStories ? ` — skipped: ${noStories}` : ''}`,
  () => {
    it('writes the documented 565 characters greedily, from <s> as an id and as an empty prompt', async () => {
      const golden = JSON.parse(readFileSync(join(stories260K, 'golden.json'), 'utf8')) as {
        greedy_text: string;
        greedy_ids: number[];
      };
      const [byId, byText] = await Promise.all([
        soliloquyJson<Generated>('generate', stories260K, '--ids', '1', '--greedy', '--max-new', '256'),
        soliloquyJson<Generated>('generate', stories260K, '--prompt', '', '--greedy', '--max-new', '256'),
      ]);
      expect(golden.greedy_text.length).toBe(565);
      expect(byId).toEqual({ ids: golden.greedy_ids.slice(1), text: golden.greedy_text });
      expect(byText).toEqual(byId);
    });
  },
);
