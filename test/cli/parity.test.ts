/** `soliloquy parity`, against stand-ins for Python, and where SOLILOQUY_PYTHON has transformers against the real one. */
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readCheckpoint } from '../../src/lm/checkpoint.js';
import { writeCheckpoint } from '../../src/lm/checkpoint-writer.js';
import { nextVersion, open, pairsOf, specOf } from '../pool/models.js';
import { fixture, soliloquy, soliloquyJson, temporaryFolder } from './command.js';

interface Report {
  readonly ok: boolean;
  readonly family: string;
  readonly logprobs: { readonly tokens: number; readonly maxDifference: number } | null;
  readonly greedy: { readonly equal: boolean; readonly ties: number } | null;
  readonly skipped: { readonly reason: string; readonly fix: string } | null;
}

const work = temporaryFolder();
const of = (name: string): string => join(import.meta.dirname, '../fixtures', name);
const MODEL = fixture('gqa-untied');

/** An executable in Python's place: gets the question as `asked`, and what it prints is the answer. */
function standIn(name: string, body: string): string {
  const path = join(work, name);
  writeFileSync(
    path,
    `#!/usr/bin/env node\nconst asked = JSON.parse(require('fs').readFileSync(0, 'utf8'));\n${body}\n`,
  );
  chmodSync(path, 0o755);
  return path;
}

/** Says 0 for every log-prob and token 0 for every greedy one, with such a lead. */
const zeros = (lead: number): string => `console.log('Loading …');
console.log(JSON.stringify({ transformers: '5', torch: '2', class: 'Stand-in',
  logprobs: asked.sequences.map((ids) => ids.slice(1).map(() => 0)),
  greedy: asked.prompts.map(() => ({ ids: Array(asked.newTokens).fill(0), leads: Array(asked.newTokens).fill(${lead}) })) }));`;

describe('soliloquy parity', () => {
  it('log-probs and tokens that differ are told, and end with exit code 1', async () => {
    const { code, out } = await soliloquy('parity', MODEL, '--python', standIn('zeros', zeros(1)));
    expect(code).toBe(1);
    expect(out).toMatch(/largest difference \d/);
    expect(out).toMatch(/differ at token \d+ of prompt 0/);
    expect(out).toContain('NOT the same');
  });

  it('a token that parts at a tie is no difference, and is counted', async () => {
    const python = standIn('ties', zeros(1e-5));
    const { code, out } = await soliloquy('parity', MODEL, '--python', python, '--json');
    expect(code).toBe(1); // the log-probs
    expect(JSON.parse(out)).toMatchObject({ ok: false, greedy: { equal: true, ties: 3 }, skipped: null });
  });

  it.each([
    ['no Python there', join(work, 'nowhere')],
    ['no transformers there', standIn('bare', `console.log('{"missing":"No module named torch"}');`)],
  ])('%s: says what it skipped and the way out, exit code 1', async (_, python) => {
    const { code, out } = await soliloquy('parity', MODEL, '--python', python);
    expect(code).toBe(1);
    expect(out).toContain('skipped log-probs and greedy tokens');
    expect(out).toContain('pip install torch transformers');
  });

  it.each([
    ['fails', `console.error('OSError: no such model'); process.exit(3);`, 'no such model'],
    ['says nonsense', `console.log('hello');`, 'JSON'],
  ])('a Python that %s is an error that says so', async (name, body, said) => {
    const { code, err } = await soliloquy('parity', MODEL, '--python', standIn(name.replace(' ', '-'), body));
    expect(code).toBe(1);
    expect(err).toContain(said);
  });

  it('wrong usage ends with exit code 2', async () => {
    expect((await soliloquy('parity')).code).toBe(2);
    expect((await soliloquy('parity', MODEL, '--seed', 'x')).code).toBe(2);
  });
});

const python = process.env.SOLILOQUY_PYTHON;
const MODELS = [
  'llama/smollm2',
  'llama/rope-yarn-all',
  'mistral/wide-window',
  'qwen2/tied',
  'qwen3/biases',
  'gpt2/hub-names',
];

describe.skipIf(!python)(
  `soliloquy parity with transformers${python ? '' : ' — skipped: SOLILOQUY_PYTHON names no Python that has it'}`,
  () => {
    it.each(MODELS)('%s is the same model there, as it stands and as it is written here', async (name) => {
      const checkpoint = await readCheckpoint(of(name));
      const to = join(work, name);
      // Without the config that came with it: ours must mean the same to transformers.
      await writeCheckpoint(to, { ...checkpoint, config: null });
      for (const dir of [of(name), to]) {
        const report = await soliloquyJson<Report>('parity', dir, '--python', python!);
        expect(report).toMatchObject({ ok: true, skipped: null, greedy: { equal: true } });
        expect(report.logprobs!.maxDifference).toBeLessThan(1e-4);
      }
    });

    it.each(['mistral/no-window', 'qwen2/tied', 'qwen3/tied', 'gpt2/tied'])(
      '%s, after a training here, is the same model there',
      async (name) => {
        const model = await open();
        const [from, to] = [nextVersion(), nextVersion()];
        const before = await readCheckpoint(of(name));
        model.register(from, before);
        await model.train({ ...specOf({ objective: 'dpo', rows: pairsOf(6), beta: 0.1 }), from, to });
        const trained = await model.checkpoint(to);
        expect(trained.weights.data).not.toEqual(before.weights.data);
        const dir = join(work, 'trained', name);
        await writeCheckpoint(dir, trained);
        expect(await soliloquyJson<Report>('parity', dir, '--python', python!)).toMatchObject({ ok: true });
      },
    );
  },
);
