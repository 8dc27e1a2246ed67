import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { runArgument } from '../../src/cli/run-argument.js';
import { answerTo } from '../../src/cli/why-answer.js';
import { questionOf } from '../../src/cli/why-question.js';
import type { BodyOf, Envelope } from '../../src/protocol/messages.js';
import type { Trace } from '../../src/report/trace.js';
import { resealedRun } from '../support/reseal.js';
import { finishedRun, tinyConfig, writeTinyModel } from '../support/tiny-run.js';
import { soliloquy, soliloquyJson, temporaryFolder } from './command.js';

const work = temporaryFolder();
const run = join(work, 'run');
let pair: BodyOf<'pair.made'>;

beforeAll(async () => {
  const model = await writeTinyModel(join(work, 'm0'));
  const { envelopes } = await finishedRun(
    tinyConfig(model, { iterations: 1, cast: { judge: 'random' } }),
    run,
  );
  pair = envelopes.find(({ type }) => type === 'pair.made')!.body as BodyOf<'pair.made'>;
});

describe('soliloquy why', () => {
  it('prints a tree, each line with its seq and who said it to whom', async () => {
    const { code, out, err } = await soliloquy('why', run, `pair:${pair.id}`);
    expect([code, err]).toEqual([0, '']);
    expect(out.split('\n')[0]).toMatch(
      new RegExp(`^pair ${pair.id}: .* over .*\\[seq \\d+  pair.made  episode:${pair.id} → trainer\\]$`),
    );
    expect(out).toMatch(/\n {2}prompt by M1 {2}\[seq \d+ {2}prompt.made {2}generator → episode/);
    expect(out).toMatch(/\n {4}judgement .*: score [\d.]+ {2}\[seq/);
  });

  it('gives the same as data, uncut', async () => {
    const told = await soliloquyJson<{ run: string; what: string; same: boolean; trace: Trace }>(
      'why',
      run,
      'M2',
    );
    expect(told).toMatchObject({ run: 'run', what: 'M2', same: true, trace: { kind: 'version' } });
    expect(told.trace.facts!.weights).toMatch(/^[0-9a-f]{64}$/);
  });

  it('ends with 1 where the facts do not give what is recorded, and says so', async () => {
    const dir = resealedRun(run, join(work, 'changed'), (envelopes) =>
      envelopes.map((one): Envelope => {
        if (one.type !== 'evaluation.made') return one;
        const { version, metrics } = one.body as BodyOf<'evaluation.made'>;
        return { ...one, body: { version, metrics: metrics.map((metric) => ({ ...metric, value: 0.5 })) } };
      }),
    );
    const { code, out, err } = await soliloquy('why', dir, 'metric:true.score');
    expect(code).toBe(1);
    expect(out).toContain('! differs: the facts give');
    expect(err).toContain('differs: M2/true.score');
  });

  it.each([
    ['pairs', 'neither a version nor kind:name', 'pair:1-0042'],
    ['pair:7-0000', 'no episode 7-0000', '1-0000 … 1-0011'],
    ['pair:1-0000/2', 'an episode is called like', 'response:1-0042/3'],
    ['M9', 'no version M9', 'M0, SFT, M1, M2'],
    ['metric:beauty', 'no metric beauty of M2', 'true.score, self.score'],
    ['metric:M9/gap', 'no measured version M9', 'M0, SFT, M1, M2'],
    ['seq:123456', 'no message 123456', 'seqs go from 0 to'],
    ['colour:blue', 'there is no kind "colour"', 'judgement:1-0042/3/0.2'],
  ])('%s: says that it is not there, and what is', async (what, problem, fix) => {
    const asked = async () => answerTo(runArgument(run), questionOf(what));
    const wanted = { code: 'usage', message: expect.stringContaining(problem) };
    await expect(asked()).rejects.toMatchObject({ ...wanted, fields: { fix: expect.stringContaining(fix) } });
  });

  it('a question about what is not there is wrong usage, said on standard error', async () => {
    const { code, out, err } = await soliloquy('why', run, 'M9');
    expect([code, out]).toEqual([2, '']);
    expect(err).toBe('soliloquy: the run has no version M9\n  way out: one of: M0, SFT, M1, M2\n');
  });

  it('a folder that is no run is refused', async () => {
    const { code, err } = await soliloquy('why', work, 'M1', '--json');
    expect([code, (JSON.parse(err) as { error: { code: string } }).error.code]).toEqual([1, 'run.missing']);
  });
});
