/** The report of a run: its numbers are the log's, its texts are text, and it stands alone. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Config, resolveConfig } from '../../src/protocol/config.js';
import type { BodyOf, Envelope, Metric } from '../../src/protocol/messages.js';
import { drawSpecs } from '../../src/report/draw-plot.js';
import { modelText, shortened } from '../../src/report/page.js';
import { PAPER_HEAD_TO_HEAD, PAPER_JUDGING } from '../../src/report/paper-numbers.js';
import { marginOf, worstDisagreements } from '../../src/report/report-examples.js';
import { foldFact, noFacts } from '../../src/report/report-facts.js';
import { type ReportedRun, reportPage } from '../../src/report/report-page.js';
import { reportPlotSpecs } from '../../src/report/report-plots.js';
import { changesOf, commandsOf, runCommand } from '../../src/report/reproduce.js';
import { meanScore } from '../../src/stages/judge.js';
import {
  type Finished,
  finishedRun,
  temporaryFolder,
  tinyConfig,
  writeTinyModel,
} from '../support/tiny-run.js';
import { checkLinks, checkStandsAlone, checkTags } from './markup.js';

const folder = temporaryFolder();
let run: Finished;
let config: Config;

/** A random model's judgements can't be read, so its log has no number for them: here it gets some. */
function withJudging(one: Envelope): Envelope {
  if (one.type !== 'evaluation.made') return one;
  const { version, metrics } = one.body as BodyOf<'evaluation.made'>;
  const told = metrics.map((own, i): Metric => {
    if (!/^judge\.(?!unparseable|ties)/.test(own.name)) return own;
    if (own.name.startsWith('judge.histogram')) return { ...own, value: i, n: 100 };
    return { ...own, value: 0.4 + i / 100, interval: { low: 0.3 + i / 100, high: 0.5 + i / 100 }, n: 3 };
  });
  return { ...one, body: { version, metrics: told } };
}
beforeAll(async () => {
  config = tinyConfig(await writeTinyModel(join(folder.path, 'm0')), {
    iterations: 1,
    cast: { judge: 'random' },
  });
  const made = await finishedRun(config, join(folder.path, 'run'));
  run = { ...made, envelopes: made.envelopes.map(withJudging) };
});
afterAll(() => folder.remove());

const reported = (envelopes: readonly Envelope[], more: Partial<ReportedRun> = {}): ReportedRun => {
  const facts = noFacts();
  for (const envelope of envelopes) foldFact(facts, envelope);
  const own = { name: 'tiny', config, initial: config, backend: 'onnx', versions: { node: 'v20' } };
  return { ...own, facts, headHash: 'head', outcomeHash: 'outcome', torn: false, ...more };
};
async function pageOf(envelopes: readonly Envelope[], more: Partial<ReportedRun> = {}): Promise<string> {
  const own = reported(envelopes, more);
  return reportPage(own, await drawSpecs(reportPlotSpecs(own.facts, 0.95)));
}
/** Cells of the row that begins so, in the first table after a title. */
function rowOf(page: string, title: string, ...beginning: readonly string[]): string[] {
  const table = page.slice(page.indexOf(title));
  const rows = [...table.slice(0, table.indexOf('</table>')).matchAll(/<tr[^>]*>(.*?)<\/tr>/g)];
  const cells = rows.map(([, row]) => [...row!.matchAll(/<td[^>]*>(.*?)<\/td>/g)].map(([, cell]) => cell!));
  return cells.find((row) => beginning.every((cell, i) => row[i] === cell)) ?? [];
}
const metric = (version: string, name: string): Metric =>
  run.envelopes
    .filter(({ type }) => type === 'evaluation.made')
    .map(({ body }) => body as BodyOf<'evaluation.made'>)
    .find((made) => made.version === version)!
    .metrics.find((one) => one.name === name)!;
const envelope = (seq: number, type: Envelope['type'], body: object): Envelope =>
  ({ v: 2, seq, at: seq, from: 'record', to: 'record', cause: seq - 1, type, body }) as Envelope;

describe('the report of a finished run', () => {
  it('balances its tags, links to what is on it, asks for nothing and runs nothing', async () => {
    const page = await pageOf(run.envelopes);
    checkLinks(page);
    checkStandsAlone(page);
    expect(page.length).toBeLessThan(1_000_000);
    for (const id of [
      'run',
      'lineage',
      'paper',
      'scores',
      'judge',
      'pairs',
      'training',
      'examples',
      'reproduce',
    ])
      expect(page).toContain(`<section id="${id}">`);
    for (const plot of ['Scores and length', 'Agreement', 'What scores each', 'Training loss', 'What became'])
      expect(page).toMatch(new RegExp(`<figure class="plot"[^>]*aria-label="${plot}`));
  });

  it('says the metrics of the log, and the paper’s beside them', async () => {
    const page = await pageOf(run.envelopes);
    const score = metric('M1', 'true.score');
    const shown = `${score.value!.toFixed(2)} [${score.interval!.low.toFixed(2)}, ${score.interval!.high.toFixed(2)}]`;
    expect(rowOf(page, 'Scores on held-out prompts', 'M1')[1]).toBe(shown);
    const win = metric('M1', 'h2h.oracle.SFT.win').value!;
    const games = rowOf(page, 'Head to head', 'M1 vs SFT');
    expect(games[1]).toBe(PAPER_HEAD_TO_HEAD['M1 vs SFT']!.map((share) => share.toFixed(1)).join(' / '));
    expect(games[2]!.split(' / ')[0]).toBe((100 * win).toFixed(1));
    const paper = rowOf(page, 'As a judge', 'pairwise %', 'paper');
    expect(paper.slice(2, 5)).toEqual(['–', '65.1', PAPER_JUDGING.M1!.pairwise.toFixed(1)]);
    const ours = metric('M2', 'judge.unparseable').value!;
    expect(rowOf(page, 'As a judge', 'unreadable %').at(-1)).toBe((100 * ours).toFixed(1));
  });

  it('shows the pair with the largest margin, and the worst of judge against truth where they differ', async () => {
    const pairs = run.envelopes.flatMap(({ type, body }) =>
      type === 'pair.made' ? [body as BodyOf<'pair.made'>] : [],
    );
    const margins = pairs.map(({ chosen, rejected }) => chosen.score - rejected.score);
    expect(margins.length).toBeGreaterThan(1);
    const { examples } = reported(run.envelopes).facts;
    expect(marginOf(examples.pairs.get(1)!.body)).toBe(Math.max(...margins));
    expect(await pageOf(run.envelopes)).toContain(`why runs/tiny pair:${examples.pairs.get(1)!.body.id}<`);
    const gaps = run.envelopes.flatMap(({ type, body }) => {
      if (type !== 'evaluation.answered') return [];
      const { version, truth, selfScores } = body as BodyOf<'evaluation.answered'>;
      return version === 'M2' ? [meanScore(selfScores).score! - truth!] : [];
    });
    const worst = worstDisagreements(examples).filter(({ version }) => version === 'M2');
    const most = Math.max(...gaps);
    expect(most).toBeGreaterThan(0);
    expect(worst.map(({ self, truth }) => self - truth)).toContain(most);
    expect(await pageOf(run.envelopes)).toContain('id="example-disagreement-M2-flattered"');
  });

  it('names every version with its weights whole, and the commands that make it again', async () => {
    const page = await pageOf(run.envelopes);
    for (const { type, body } of run.envelopes)
      if (type === 'version.made') expect(page).toContain((body as BodyOf<'version.made'>).weightsHash);
    expect(page).toContain('--seed 1 --set iterations=1');
    expect(page).toContain('--set cast.judge=random');
    expect(page).toContain('npx soliloquy replay runs/tiny --verify');
  });

  it('shows one example of every reason for no pair that the log has', async () => {
    const page = await pageOf(run.envelopes);
    for (const { type, body } of run.envelopes) {
      if (type === 'prompt.filtered')
        expect(page).toContain(`id="example-filtered-${(body as BodyOf<'prompt.filtered'>).reason}"`);
      if (type !== 'pair.withheld') continue;
      const { reason } = body as BodyOf<'pair.withheld'>;
      if (reason !== 'filtered') expect(page).toContain(`id="example-${reason}"`);
    }
  });

  it('is made of the log alone: the same log gives the same page', async () => {
    expect(await pageOf(run.envelopes)).toBe(await pageOf(run.envelopes));
  });
});

describe('the report of a run that did not finish', () => {
  it('ends where the log ends, at any place, and says so', async () => {
    const { length } = run.envelopes;
    for (const at of [0, 1, 2, 25, Math.floor(length / 2), Math.floor(0.8 * length), length - 1]) {
      const page = await pageOf(run.envelopes.slice(0, at), { torn: true });
      checkTags(page);
      checkLinks(page);
      expect(page).toContain('not finished');
      expect(page).toContain('torn');
    }
  });

  it('says why it failed', async () => {
    const failed = envelope(2, 'run.failed', { reason: 'no <b>room</b>', at: 'SFT' });
    expect(await pageOf([...run.envelopes.slice(0, 2), failed])).toContain(
      'failed: no &lt;b&gt;room&lt;/b&gt;',
    );
  });
});

describe('a world without truth', () => {
  it('shows no true score, no gap and no disagreement, and its own judge’s games', async () => {
    const untold = run.envelopes.map((one) => {
      if (one.type === 'evaluation.answered') return { ...one, body: { ...one.body, truth: null } };
      if (one.type !== 'evaluation.made') return one;
      const { version, metrics } = one.body as BodyOf<'evaluation.made'>;
      const isTrue = (name: string) => /^(true\.|gap|h2h\.oracle)/.test(name);
      const blind = metrics.map((own) =>
        isTrue(own.name) ? { ...own, value: null, interval: null, n: 0 } : own,
      );
      return { ...one, body: { version, metrics: blind } };
    }) as Envelope[];
    const page = await pageOf(untold);
    checkTags(page);
    expect(page).not.toMatch(/true score of M|by the true score|hacking gap|gap \(self|Judge against truth/);
    expect(rowOf(page, 'Head to head', 'M1 vs SFT')).toHaveLength(3);
  });
});

describe('hostile texts', () => {
  const hostile = [
    '<script>alert(1)</script>',
    '</style></dd></body><img src=x onerror=alert(1)>',
    `"quoted" 'single' & &amp; \u202egnorw\u202c \u0000\u0007 \ud800`,
    'x'.repeat(100_000),
  ];
  const pageWith = (text: string): Promise<string> => {
    const prompt = { episode: '1-0001', iteration: 1, prompt: text, shots: [], generation: {} };
    const scored = (id: string, score: number) => ({ response: id, text, score, judgements: [1] });
    const generation = { text, ids: [1], logprob: 0, finish: 'stop', key: [1, 1], version: 'M1' };
    const verdict = { status: 'unparseable', reason: text };
    return pageOf(
      [
        envelope(0, 'run.start', { configHash: text, baseHash: text }),
        envelope(1, 'seed.ready', { counts: {}, notes: [text] }),
        envelope(2, 'prompt.filtered', { ...prompt, episode: '1-0002', reason: 'similar', detail: text }),
        envelope(3, 'prompt.made', prompt),
        envelope(4, 'responses.made', { episode: '1-0001', candidates: [{ ...generation, id: '1-0001/0' }] }),
        envelope(5, 'judgement.made', {
          ...{ id: '1-0001/0/0.0', response: '1-0001/0', player: text, verdict, generation, left: 0 },
        }),
        envelope(6, 'pair.withheld', {
          episode: '1-0001',
          iteration: 1,
          reason: 'failed',
          detail: text,
          positives: [],
        }),
        envelope(7, 'pair.made', {
          ...{ id: '1-0003', iteration: 1, prompt: text, positives: [] },
          ...{ chosen: scored('1-0003/0', 5), rejected: scored('1-0003/1', 1) },
        }),
        envelope(8, 'evaluation.answered', {
          ...{ version: 'M1', prompt: text, id: 'h', generation, tokens: 1, truth: 0 },
          ...{ selfScores: [{ status: 'score', score: 5 }], logprob: null, referenceLogprob: null },
        }),
        envelope(9, 'run.failed', { reason: text, at: text }),
      ],
      { name: text.slice(0, 100), versions: { [text.slice(0, 200)]: text } },
    );
  };

  it.each(hostile.map((text, i) => [text.slice(0, 24), i] as const))(
    '%s is text on the page',
    async (_, i) => {
      const page = await pageWith(hostile[i]!);
      checkStandsAlone(page);
      checkLinks(page);
      expect(page).not.toMatch(/<script|<img|<\/style><\/dd>/);
      expect(page.length).toBeLessThan(200_000);
    },
  );

  it('shows controls and marks of direction as what they are, and says what was left out', async () => {
    const page = await pageWith(hostile[2]!);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: none of these may be on the page
    expect(page).not.toMatch(/[\u0000\u0007\u202c\u202e\ud800]/);
    expect(page).toContain('\\u{202e}gnorw');
    expect(await pageWith(hostile[3]!)).toContain('(100,000 characters, the first 1,500 are shown)');
    expect(shortened('🙂'.repeat(10), 5)).toMatch(/^🙂🙂 …/u);
    expect(modelText('')).toBe('<i>(empty)</i>');
  });
});

describe('how to reproduce it', () => {
  it('names exactly what differs from the world’s defaults, quoted for a shell', () => {
    const own = resolveConfig({
      ...{ seed: 7, name: 'it’s', model: "a dir/'x'", invent: { keywords: ['a', 'b c'] } },
      ...{ cast: { judge: 'ensemble:[live,frozen:M1]' }, dpo: { beta: 0.2 } },
    });
    expect(changesOf(own).map(({ path }) => path)).toEqual(
      expect.arrayContaining(['dpo.beta', 'cast.judge', 'seed']),
    );
    const text = runCommand(own, 'wasm').join(' ');
    expect(text).toContain('--seed 7');
    expect(text).toContain(`--set 'model=a dir/'\\''x'\\'''`);
    expect(text).toContain(`--set 'invent.keywords=["a","b c"]'`);
    expect(text).toContain(`--set 'cast.judge=ensemble:[live,frozen:M1]'`);
    expect(text).toContain('--backend wasm');
  });

  it('of a fork names the first run, then the fork', () => {
    const forked = envelope(9, 'run.forked', {
      parent: { run: 'paper-1', seq: 9, headHash: 'h' },
      config: {},
      changes: { 'cast.judge': 'frozen:M1' },
      overrides: [],
    });
    const own = reported([forked], { name: 'fork' });
    const [first, fork, verify] = commandsOf(own, own.facts);
    expect(first).toMatch(/^npx soliloquy run .*--out runs\/paper-1$/);
    expect(fork).toBe('npx soliloquy fork runs/paper-1 --at 9 --set cast.judge=frozen:M1 --backend onnx');
    expect(verify).toBe('npx soliloquy replay runs/fork --verify');
  });
});
