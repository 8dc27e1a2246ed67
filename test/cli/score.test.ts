import { cpSync, readFileSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fixture, noStories, soliloquy, soliloquyJson, stories260K, temporaryFolder } from './command.js';

interface Scored {
  readonly ids: number[];
  readonly logprobs: (number | null)[];
}
interface Golden {
  readonly sequences: number[][];
  readonly logprobs: (number | null)[][];
}

const work = temporaryFolder();
const golden = JSON.parse(readFileSync(join(fixture('gqa-untied'), 'golden.json'), 'utf8')) as Golden;

function expectClose(found: readonly (number | null)[], wanted: readonly (number | null)[], within: number) {
  expect(found.length).toBe(wanted.length);
  expect(found[0]).toBeNull();
  for (let i = 1; i < wanted.length; i++) expect(Math.abs(found[i]! - wanted[i]!)).toBeLessThan(within);
}

describe('soliloquy score', () => {
  it('gives transformers’ log-probs of ids on a random Llama checkpoint, the first being null', async () => {
    const ids = golden.sequences[1]!;
    const scored = await soliloquyJson<Scored>('score', fixture('gqa-untied'), '--ids', ids.join(','));
    expect(Object.keys(scored)).toEqual(['ids', 'logprobs']);
    expect(scored.ids).toEqual(ids);
    expectClose(scored.logprobs, golden.logprobs[1]!, 1e-4);
  });

  it('shows people a table and the sum, without a tokenizer too', async () => {
    const ids = golden.sequences[1]!;
    const { code, out } = await soliloquy('score', fixture('gqa-untied'), '--ids', ids.join(','));
    const sum = golden.logprobs[1]!.reduce<number>((a, b) => a + (b ?? 0), 0);
    expect(code).toBe(0);
    expect(Number(/^sum (-?[\d.]+) over (\d+) tokens/m.exec(out)?.[1])).toBeCloseTo(sum, 2);
  });

  it.each([
    [['score', '/no/such/model', '--ids', '1'], 1, '/no/such/model'],
    [['score', 'package.json', '--ids', '1'], 1, 'package.json'],
    [['score', fixture('gqa-untied')], 2, '--ids'],
    [['score', fixture('gqa-untied'), '--ids', '1,x'], 2, '--ids'],
    [['score', fixture('gqa-untied'), '--ids', '1', '--text', 'a'], 2, '--text'],
    [['score', fixture('gqa-untied'), '--text', 'a'], 1, 'tokenizer.json'],
    [['score', fixture('gqa-untied'), '--ids', '1,99999'], 1, '99999'],
    [['score', fixture('gqa-untied'), '--ids', '1', '--backend', 'abacus'], 2, '--backend'],
    [['score'], 2, 'model'],
  ] as const)('refuses %j with exit code %i and names %s', async (args, wanted, named) => {
    const { code, out, err } = await soliloquy(...args);
    expect({ code, out }).toEqual({ code: wanted, out: '' });
    expect(err).toContain(named);
  });

  it('refuses a truncated checkpoint, naming the file, as JSON where JSON is asked for', async () => {
    const dir = join(work, 'truncated');
    cpSync(fixture('gqa-untied'), dir, { recursive: true });
    truncateSync(join(dir, 'model.safetensors'), 5000);
    const { code, out, err } = await soliloquy('score', dir, '--ids', '1,2', '--json');
    expect({ code, out }).toEqual({ code: 1, out: '' });
    const { error } = JSON.parse(err) as { error: { code: string; message: string } };
    expect(error.code).toBe('checkpoint.invalid');
    expect(error.message).toContain(join(dir, 'model.safetensors'));
  });
});

describe.skipIf(noStories)(
  `soliloquy score on stories260K${noStories ? ` — skipped: ${noStories}` : ''}`,
  () => {
    it('gives the golden ids and log-probs of each text within 2e-4', async () => {
      const { prompts } = JSON.parse(readFileSync(join(stories260K, 'golden.json'), 'utf8')) as {
        prompts: { text: string; ids: number[]; logprobs: number[] }[];
      };
      for (const { text, ids, logprobs } of prompts) {
        const scored = await soliloquyJson<Scored>('score', stories260K, '--text', text);
        expect(scored.ids).toEqual(ids);
        expectClose(scored.logprobs, [null, ...logprobs], 2e-4);
      }
    });
  },
);
