import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openRuns } from '../../src/cli/compared-runs.js';
import { writeComparison } from '../../src/cli/write-comparison.js';
import type { ConfigPart } from '../../src/protocol/config.js';
import type { BodyOf, Envelope } from '../../src/protocol/messages.js';
import { type Comparison, compareRuns } from '../../src/report/comparison.js';
import { comparisonText } from '../../src/report/comparison-tables.js';
import type { Measure } from '../../src/report/measures-compared.js';
import { copyRun, relog } from '../support/relog.js';
import { finishedRun, temporaryFolder, tinyConfig, writeTinyModel } from '../support/tiny-run.js';

const folder = temporaryFolder();
const at = (name: string) => join(folder.path, name);
const drawing = { confidence: 0.95, resamples: 100, flips: 200 };
const compared = async (...names: readonly string[]): Promise<Comparison> =>
  compareRuns(await openRuns(names.map(at), () => {}), drawing);

/** A random model's judgements can't be read: scores come from a scorer. */
const small: ConfigPart = {
  iterations: 1,
  world: { heldOut: 12, probes: 4 },
  cast: { judge: 'random' },
};
const envelopes = new Map<string, readonly Envelope[]>();

beforeAll(async () => {
  const model = await writeTinyModel(at('m0'));
  const make = async (name: string, ...parts: readonly ConfigPart[]) => {
    const { envelopes: read } = await finishedRun(tinyConfig(model, small, ...parts), at(name));
    envelopes.set(name, read);
  };
  const oracle: ConfigPart = { cast: { judge: 'oracle' }, dpo: { beta: 0.5 } };
  await make('plain-1');
  await make('plain-2', { seed: 2 });
  await make('oracle-1', oracle);
  await make('oracle-2', oracle, { seed: 2, name: 'another-name' });
});
afterAll(() => folder.remove());

const measure = (comparison: Comparison, name: string): Measure =>
  comparison.measures.find((one) => one.name === name)!;
const rowOf = (comparison: Comparison, name: string, version: string, arm: string) =>
  measure(comparison, name).rows.find((row) => row.version === version && row.arm === arm)!;

describe('arms', () => {
  it('are runs that differ in nothing but seed and name; labels say what differs', async () => {
    const { arms, runs, reference } = await compared('plain-2', 'oracle-1', 'plain-1', 'oracle-2');
    expect(reference).toBe('A');
    expect(arms).toEqual([
      {
        id: 'A',
        label: 'cast.judge=random dpo.beta=0.1',
        differs: { 'cast.judge': 'random', 'dpo.beta': 0.1 },
        seeds: [1, 2],
      },
      {
        id: 'B',
        label: 'cast.judge=oracle dpo.beta=0.5',
        differs: { 'cast.judge': 'oracle', 'dpo.beta': 0.5 },
        seeds: [1, 2],
      },
    ]);
    expect(runs.map(({ arm, seed }) => `${arm}${seed}`)).toEqual(['A1', 'A2', 'B1', 'B2']);
  });

  it('one run alone has values and intervals, and nothing is compared', async () => {
    const comparison = await compared('plain-1');
    expect(comparison.arms).toMatchObject([{ id: 'A', label: 'paper', differs: {} }]);
    expect(comparison.partings).toEqual([]);
    expect(comparison.headToHead).toEqual([]);
    for (const { rows } of comparison.measures) for (const row of rows) expect(row.difference).toBeNull();
    expect(comparisonText(comparison)).not.toContain('− A');
  });

  it('a run beside its repetition is two arms that differ by nothing, with the same log', async () => {
    copyRun(at('plain-1'), at('again'));
    const comparison = await compared('plain-1', 'again', 'again');
    expect(comparison.arms.map(({ label }) => label)).toEqual(['paper', 'repetition=2']);
    for (const { rows } of comparison.measures)
      for (const { arm, difference } of rows)
        if (arm === 'B') {
          expect(difference!.estimate.value).toBe(0);
          expect(difference!.prompts.p).toBe(1);
        }
    for (const { wins, losses } of comparison.headToHead) expect([wins, losses]).toEqual([0, 0]);
    expect(comparison.partings).toMatchObject([
      { common: envelopes.get('plain-1')!.length, a: null, b: null, sameOutcome: true, firstOther: null },
    ]);
  });

  it('arms without a common seed are shown, their difference is not, and that is said', async () => {
    const comparison = await compared('plain-1', 'oracle-2');
    expect(rowOf(comparison, 'length', 'M2', 'B').difference).toBeNull();
    expect(comparison.notes.join('\n')).toMatch(/B and A share no seed/);
  });
});

describe('the numbers', () => {
  it('of each run are those that the run itself measured', async () => {
    const comparison = await compared('plain-1');
    for (const { type, body } of envelopes.get('plain-1')!) {
      if (type !== 'evaluation.made') continue;
      const { version, metrics } = body as BodyOf<'evaluation.made'>;
      for (const { name, rows } of comparison.measures) {
        const published = metrics.find((metric) => metric.name === name)!;
        const row = rows.find((one) => one.version === version);
        if (published.value === null) expect(row).toBeUndefined();
        else {
          expect(row!.estimate.value).toBeCloseTo(published.value, 12);
          expect(row!.estimate.n).toBe(published.n);
        }
      }
    }
    expect(comparison.measures.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['true.score', 'self.score', 'gap', 'length']),
    );
  });

  it('of two arms are paired by seed and prompt: recomputed from the logs by hand', async () => {
    const comparison = await compared('plain-1', 'plain-2', 'oracle-1', 'oracle-2');
    const truths = (run: string) =>
      new Map(
        envelopes.get(run)!.flatMap(({ type, body }) => {
          const answered = body as BodyOf<'evaluation.answered'>;
          return type === 'evaluation.answered' && answered.version === 'M2'
            ? [[answered.id, answered.truth!] as const]
            : [];
        }),
      );
    const leads = [1, 2].map((seed) => {
      const [a, b] = [truths(`plain-${seed}`), truths(`oracle-${seed}`)];
      return [...b].map(([id, truth]) => truth - a.get(id)!);
    });
    const mean = (values: readonly number[]) => values.reduce((x, y) => x + y, 0) / values.length;
    const { difference } = rowOf(comparison, 'true.score', 'M2', 'B');
    expect(difference!.estimate.value).toBeCloseTo(mean(leads.map(mean)), 12);
    expect(difference!.estimate).toMatchObject({ seeds: 2, n: 24 });
    const game = comparison.headToHead.find(({ version }) => version === 'M2')!;
    expect([game.wins, game.ties, game.losses]).toEqual([
      leads.flat().filter((lead) => lead > 0).length,
      leads.flat().filter((lead) => lead === 0).length,
      leads.flat().filter((lead) => lead < 0).length,
    ]);
  });

  it('swapped arms give the negative differences and the same p', async () => {
    const there = await compared('plain-1', 'oracle-1');
    const back = await compared('oracle-1', 'plain-1');
    for (const { name, rows } of there.measures)
      for (const { version, arm, difference } of rows) {
        if (arm === 'A' || !difference) continue;
        const other = rowOf(back, name, version, 'B').difference!;
        expect(other.estimate.value).toBeCloseTo(-difference.estimate.value!, 12);
        expect(other.prompts.p).toBe(difference.prompts.p);
        expect(other.estimate.interval!.low).toBeCloseTo(-difference.estimate.interval!.high, 9);
      }
  });

  it('of judging are shares of the probe pairs in the right order: all, against none where every score is the same', async () => {
    const judging = (name: string, scoreOf: (value: number) => number) =>
      relog(at('plain-1'), at(name), {
        config: (config) => ({ ...config, eft: name === 'right' }),
        edit: (one) => {
          if (one.type !== 'evaluation.judged') return one;
          const score = scoreOf((one.body as BodyOf<'evaluation.judged'>).value);
          return { ...one, body: { ...one.body, verdicts: [{ status: 'score', score }] } } as Envelope;
        },
      });
    judging('right', (value) => value);
    judging('flat', () => 3);
    const comparison = await compared('right', 'flat');
    expect(comparison.arms.map(({ label }) => label)).toEqual(['eft=true', 'eft=false']);
    for (const { arm, estimate, difference } of measure(comparison, 'judge.pairwise').rows) {
      expect(estimate.value).toBe(arm === 'A' ? 1 : 0);
      if (arm === 'B') expect(difference!.estimate.value).toBe(-1);
    }
    expect(comparisonText(comparison)).toContain('-100.0');
  });

  it('of pairs, and why there are none, add up to what the logs hold', async () => {
    const { pairs } = await compared('plain-1', 'plain-2');
    const count = (type: string) =>
      ['plain-1', 'plain-2'].flatMap((run) => envelopes.get(run)!.filter((one) => one.type === type)).length;
    const sum = (counts: Readonly<Record<string, number>>) =>
      Object.values(counts).reduce((a, b) => a + b, 0);
    expect(pairs).toHaveLength(1);
    expect(pairs[0]).toMatchObject({ runs: 2, pairs: count('pair.made'), prompts: count('prompt.made') });
    expect(sum(pairs[0]!.withheld) + sum(pairs[0]!.filtered)).toBe(count('pair.withheld'));
  });
});

describe('where runs part', () => {
  const forkAt = 60;
  /** As `fork` will write it: the parent's lines, then run.forked, then another story. */
  function fork(): string {
    let shift = 0;
    const changes = { 'judge.samples': 1 };
    return relog(at('plain-1'), at('fork'), {
      edit: (envelope) => {
        if (envelope.seq < forkAt) return envelope;
        if (envelope.seq === forkAt) {
          shift = 1;
          const parent = { run: 'plain-1', seq: forkAt, headHash: '0' };
          const body = { parent, config: {}, changes, overrides: [] };
          return { ...envelope, type: 'run.forked', body } as unknown as Envelope;
        }
        return { ...envelope, seq: envelope.seq + shift - 1 };
      },
      config: (config) => ({ ...config, judge: { ...(config.judge as object), samples: 1 } }),
    });
  }

  it('a fork shares its parent’s lines up to run.forked, and is paired with it', async () => {
    fork();
    copyRun(at('fork'), at('fork-2'));
    const { partings, arms } = await compared('plain-1', 'fork');
    const three = await compared('plain-1', 'fork', 'fork-2');
    expect(three.arms.map(({ label }) => label)).toEqual([
      expect.stringMatching(/^judge\.samples=2/),
      expect.stringMatching(/fork=after SFT$/),
      expect.stringMatching(/fork=after SFT fork\.seq=60$/),
    ]);
    expect(arms[1]!.label).toBe('judge.samples=1 fork=after SFT');
    expect(partings).toMatchObject([{ seed: 1, common: forkAt, firstOther: null }]);
    expect(partings[0]!.b).toMatchObject({ seq: forkAt });
    expect(partings[0]!.b!.text).toMatch(/^run\.forked/);
  });

  it('other times make no difference; the first other word does, and both are told', async () => {
    relog(at('plain-1'), at('later'), { edit: (envelope) => ({ ...envelope, at: envelope.at + 1e9 }) });
    expect((await compared('plain-1', 'later')).partings[0]).toMatchObject({ a: null, b: null });
    const seq = envelopes.get('plain-1')!.find(({ type }) => type === 'evaluation.answered')!.seq;
    relog(at('plain-1'), at('other'), {
      edit: (envelope) =>
        envelope.seq === seq
          ? ({ ...envelope, body: { ...envelope.body, tokens: 999 } } as Envelope)
          : envelope,
    });
    const { partings } = await compared('plain-1', 'other');
    expect(partings[0]).toMatchObject({ common: seq, a: { seq }, b: { seq } });
    expect(partings[0]!.b!.text).toContain('"tokens":999');
    expect(partings[0]!.a!.text).not.toContain('"tokens":999');
  });

  it('separate runs with other configs don’t part at run.start, whose hash differs, but where they say something else', async () => {
    const { partings } = await compared('plain-1', 'oracle-1');
    expect(partings[0]!.common).toBeGreaterThan(0);
    expect(partings[0]!.b!.text).toContain('"judge":"oracle"');
    expect(partings[0]!.sameWeights).toContain('M1');
    expect(partings[0]!.otherFacts.b!.text).toMatch(/^judgement\.made .*"player":"oracle"/);
  });
});

describe('what is not whole', () => {
  it('a stopped run with a torn last line is compared as far as it got, and that is said', async () => {
    const end = envelopes
      .get('plain-1')!
      .find(
        ({ type, body }) =>
          type === 'evaluation.made' && (body as BodyOf<'evaluation.made'>).version === 'SFT',
      )!.seq;
    relog(at('plain-1'), at('stopped'), {
      edit: (envelope) => (envelope.seq > end ? null : envelope),
      status: 'stopped',
      torn: '{"v":1,"seq":',
    });
    const comparison = await compared('plain-1', 'stopped');
    expect(comparison.notes.join('\n')).toMatch(
      /stopped is not finished \(stopped\): measured up to SFT; its last line is torn/,
    );
    expect(comparison.runs[1]).toMatchObject({ status: 'stopped', torn: true, versions: ['M0', 'SFT'] });
    expect(comparison.partings[0]).toMatchObject({ common: end + 1, b: null });
    expect(comparisonText(comparison)).toContain('B ends there');
  });

  it('a run that measured nothing yet has no table of measures, and that is said', async () => {
    relog(at('plain-1'), at('young'), { edit: (one) => (one.seq > 3 ? null : one), status: 'running' });
    const comparison = await compared('young');
    expect(comparison.measures).toEqual([]);
    expect(comparisonText(comparison)).toMatch(/no version is measured yet/);
    expect(await writeComparison(comparison, at('young-out'))).toHaveLength(2);
  });

  it('without truth the columns that need it are left out, and that is said', async () => {
    const blind = (name: string) =>
      relog(at(name), at(`blind-${name}`), {
        edit: (one) =>
          one.type === 'evaluation.answered'
            ? ({ ...one, body: { ...one.body, truth: null } } as Envelope)
            : one,
      });
    blind('plain-1');
    blind('oracle-1');
    const comparison = await compared('blind-plain-1', 'blind-oracle-1');
    const names = comparison.measures.map(({ name }) => name);
    expect(names).toContain('length');
    expect(names).not.toContain('true.score');
    expect(names).not.toContain('gap');
    expect(comparison.headToHead).toEqual([]);
    expect(comparison.notes.join('\n')).toMatch(/no truth/);
    expect(comparisonText(comparison)).not.toContain('Head to head');
  });
});

describe('what a reader must not overlook', () => {
  it('another M0 under the same config, other backends, and what few seeds can say', async () => {
    relog(at('plain-2'), at('rebased'), {
      config: (config) => ({ ...config, used: { backend: 'wasm' } }),
      edit: (one) =>
        one.type === 'run.start' ? ({ ...one, body: { ...one.body, baseHash: 'other' } } as Envelope) : one,
    });
    const notes = (await compared('plain-1', 'rebased')).notes.join('\n');
    expect(notes).toMatch(/rebased began from another M0/);
    expect(notes).toMatch(/different backends \(onnx, wasm\)/);
    expect((await compared('plain-1', 'oracle-1')).notes.join('\n')).toMatch(/one seed/);
    const two = await compared('plain-1', 'plain-2', 'oracle-1', 'oracle-2');
    expect(two.notes).toContain("2 seeds: p over seeds can't fall below 0.50, however large the difference");
  });
});

describe('what can’t be compared is refused', () => {
  it('runs of two worlds', async () => {
    relog(at('plain-1'), at('elsewhere'), {
      config: (config) => ({ ...config, world: { ...(config.world as object), name: 'open-assistant' } }),
    });
    await expect(compared('plain-1', 'elsewhere')).rejects.toMatchObject({ code: 'runs.incomparable' });
  });

  it('runs with other held-out prompts, naming one', async () => {
    relog(at('plain-1'), at('strangers'), {
      config: (config) => ({ ...config, eft: false }),
      edit: (one) =>
        one.type === 'evaluation.answered'
          ? ({ ...one, body: { ...one.body, prompt: 'another' } } as Envelope)
          : one,
    });
    await expect(compared('plain-1', 'strangers')).rejects.toMatchObject({
      code: 'runs.incomparable',
      fields: { prompt: 'held-out-0000' },
    });
  });

  it('a folder that is no run, one that isn’t there, and a log that is broken in its middle', async () => {
    await expect(compared('m0')).rejects.toMatchObject({ code: 'run.missing' });
    await expect(compared('nowhere')).rejects.toMatchObject({ code: 'run.missing' });
    const broken = copyRun(at('plain-1'), at('broken'));
    const log = join(broken, 'messages.jsonl');
    writeFileSync(log, readFileSync(log, 'utf8').replace('"split":"ift"', '"split":"eft"'));
    await expect(compared('broken')).rejects.toMatchObject({ code: 'log.invalid' });
    rmSync(join(broken, 'config.json'));
    await expect(compared('broken')).rejects.toMatchObject({
      code: expect.stringMatching(/log.invalid|data.unreadable/),
    });
  });
});

describe('the written comparison', () => {
  it('is one page with every plot and table, the data, and each plot as SVG with a title and named axes', async () => {
    const comparison = await compared('plain-1', 'plain-2', 'oracle-1', 'oracle-2');
    const files = await writeComparison(comparison, at('out'));
    const names = files.map((file) => file.slice(at('out').length + 1));
    expect(names.slice(0, 2)).toEqual(['comparison.html', 'comparison.json']);
    expect(names).toEqual(expect.arrayContaining(['scores.svg', 'length.svg', 'head-to-head.svg']));
    expect(JSON.parse(readFileSync(at('out/comparison.json'), 'utf8'))).toEqual(comparison);
    const page = readFileSync(at('out/comparison.html'), 'utf8');
    const svgs = names.filter((name) => name.endsWith('.svg'));
    expect(page.match(/<svg/g)).toHaveLength(svgs.length);
    for (const { title } of comparison.measures) expect(page).toContain(title);
    for (const name of svgs) {
      const svg = readFileSync(at(`out/${name}`), 'utf8');
      expect(svg).toMatch(/^<svg/);
      expect(svg).toContain('model version');
      expect(svg).toContain('cast.judge=oracle');
      expect(svg).not.toMatch(/NaN|undefined/);
    }
  });

  it('escapes what a label holds', async () => {
    const comparison = await compared('plain-1');
    const arms = [{ ...comparison.arms[0]!, label: '<script>alert(1)</script>' }];
    await writeComparison({ ...comparison, arms }, at('escaped'));
    expect(readFileSync(at('escaped/comparison.html'), 'utf8')).not.toContain('<script>');
    expect(existsSync(at('escaped/comparison.json'))).toBe(true);
  });
});
