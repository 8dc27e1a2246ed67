import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nextProgress, type Progress, START } from '../../actors/streams.js';
import { partsOf, shareDone } from '../../src/cli/share-done.js';
import type { BodyOf } from '../../src/protocol/messages.js';
import { summary, warnings } from '../../src/report/summary.js';
import { emptyTally, type Tally, tallyMessage } from '../../src/report/tally.js';
import {
  type Finished,
  finishedRun,
  temporaryFolder,
  tinyConfig,
  writeTinyModel,
} from '../support/tiny-run.js';

const folder = temporaryFolder();
let run: Finished;
let tally: Tally;

beforeAll(async () => {
  const model = await writeTinyModel(join(folder.path, 'm0'));
  run = await finishedRun(tinyConfig(model, { iterations: 1 }), join(folder.path, 'run'));
  tally = emptyTally();
  for (const envelope of run.envelopes) tallyMessage(tally, envelope);
});
afterAll(() => folder.remove());

describe('the tally', () => {
  it('counts what the log holds', () => {
    const count = (type: string) => run.envelopes.filter((envelope) => envelope.type === type).length;
    const iteration = tally.iterations.get(1)!;
    expect(tally.messages).toBe(run.envelopes.length);
    expect(iteration.prompts).toBe(count('prompt.made'));
    expect(iteration.pairs).toBe(count('pair.made'));
    expect(iteration.judgements).toBe(count('judgement.made'));
    expect(Object.values(iteration.withheld).reduce((a, b) => a + b, 0)).toBe(count('pair.withheld'));
  });

  it('keeps each metric as it was measured', () => {
    for (const { type, body } of run.envelopes) {
      if (type !== 'evaluation.made') continue;
      const { version, metrics } = body as BodyOf<'evaluation.made'>;
      for (const metric of metrics) expect(tally.metrics.get(version)!.get(metric.name)).toEqual(metric);
    }
  });
});

describe('the summary', () => {
  it('shows each version’s true score and unreadable share as they were measured', () => {
    const text = summary(tally);
    for (const [version, metrics] of tally.metrics) {
      expect(text).toContain(version);
      expect(text).toContain(metrics.get('true.score')!.value!.toFixed(2));
      expect(text).toContain((100 * metrics.get('judge.unparseable')!.value!).toFixed(1));
    }
  });

  it('a judge that can’t be read is said aloud', () => {
    expect(warnings(tally).join('\n')).toMatch(/judgements can't be read/);
    expect(summary(tally)).toContain('Mind');
  });

  it('without trouble there is no warning', () => {
    expect(warnings(emptyTally())).toEqual([]);
  });
});

describe('the share of a run that is done', () => {
  it('never falls, starts at nothing and ends with all', () => {
    const parts = partsOf(tinyConfig('m0', { iterations: 1 }));
    let progress: Progress = START;
    const shares = run.envelopes.map((envelope) => {
      progress = nextProgress(progress, envelope);
      return shareDone(parts, progress, 0);
    });
    expect(shares[0]).toBe(0);
    expect(shares.at(-1)).toBe(1);
    for (let i = 1; i < shares.length; i++) expect(shares[i]!).toBeGreaterThanOrEqual(shares[i - 1]!);
  });
});
