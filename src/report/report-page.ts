/**
 * Owns: a run's report as one HTML page: what stands on it and in which order. Works on a log that ends anywhere. How it looks:
 * page.ts; numbers: report-tables.ts; examples: report-example-cards.ts.
 */
import type { Config } from '../protocol/config.js';
import { leavesOf } from '../protocol/plain.js';
import type { Plot } from './draw-plot.js';
import { escaped } from './html.js';
import { lineageSvg } from './lineage-svg.js';
import { DASH, metricOf, number, percent } from './metric-text.js';
import {
  factsHtml,
  figureHtml,
  listHtml,
  mindHtml,
  pageHtml,
  type Section,
  shortened,
  tableHtml,
} from './page.js';
import { PAPER } from './paper-numbers.js';
import { examplesHtml } from './report-example-cards.js';
import type { ReportFacts } from './report-facts.js';
import * as tables from './report-tables.js';
import { changesOf, commandsOf, valueText } from './reproduce.js';
import { warnings } from './summary.js';

export interface ReportedRun {
  /** Of its folder. */
  readonly name: string;
  readonly config: Config;
  /** Of the log's first part: in a fork the parent's. */
  readonly initial: Config;
  readonly backend: string | null;
  /** Program → version, as config.json names them. */
  readonly versions: Readonly<Record<string, string>>;
  readonly facts: ReportFacts;
  /** Of the log's chain, and of what it found out. */
  readonly headHash: string;
  readonly outcomeHash: string;
  /** A torn last line was left out. */
  readonly torn: boolean;
}

const statusOf = ({ finished, failure }: ReportFacts): 'finished' | 'failed' | 'unfinished' =>
  failure !== null ? 'failed' : finished ? 'finished' : 'unfinished';

const dateText = (at: number | null): string =>
  at === null
    ? DASH
    : new Date(at)
        .toISOString()
        .replace('T', ' ')
        .replace(/\.\d+Z$/, ' UTC');

function durationText({ startedAt, endedAt }: ReportFacts): string {
  if (startedAt === null || endedAt === null) return DASH;
  const seconds = Math.round((endedAt - startedAt) / 1000);
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 120 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** Who plays what, in one line. */
const castText = ({ cast }: Config): string =>
  Object.entries(cast)
    .map(([role, player]) => `${role} ${valueText(player)}`)
    .join(', ');

/** None where there is no number. */
const tile = (value: string, says: string): string =>
  value.startsWith(DASH)
    ? ''
    : `<div class="tile"><b>${escaped(value)}</b><span>${escaped(says)}</span></div>`;

/** What a reader wants first: the newest version that was measured. */
function tilesHtml({ tally }: ReportFacts): string {
  const last = [...tally.metrics.keys()].at(-1);
  if (last === undefined) return '';
  const of = (name: string) => metricOf(tally, last, name)?.value;
  const pairs = [...tally.iterations.values()].reduce((sum, one) => sum + one.pairs, 0);
  const truth = tables.hasTruth(tally);
  const beats = `h2h.${truth ? 'oracle' : 'judge'}.SFT`;
  const shown = [
    ...(truth ? [tile(number(of('true.score'), 2), `true score of ${last}, 0–5`)] : []),
    tile(number(of('self.score'), 2), `self-score of ${last}, 0–5`),
    ...(truth ? [tile(number(of('gap'), 2), 'hacking gap (self − true)')] : []),
    tile(`${percent(of('judge.pairwise'))} %`, `pairs that ${last} orders rightly as a judge`),
    ...(of(`${beats}.win`) == null
      ? []
      : [
          tile(
            `${percent(of(`${beats}.win`))} : ${percent(of(`${beats}.loss`))}`,
            `${last} wins : loses against SFT, %, by ${truth ? 'the true score' : 'its own judge'}`,
          ),
        ]),
    tile(pairs.toLocaleString('en'), 'preference pairs made'),
  ];
  return `<div class="tiles">${shown.join('')}</div>`;
}

function headHtml({ name, config, facts, backend, torn }: ReportedRun): string {
  const status = statusOf(facts);
  const told = {
    finished: 'finished',
    failed: `failed: ${facts.failure}`,
    unfinished: 'not finished: as far as its log goes',
  };
  const notes = [
    ...warnings(facts.tally),
    ...(torn ? ['the log’s last line is torn and left out'] : []),
    ...(status === 'unfinished'
      ? ['this run has not ended; make the report again when it has: soliloquy report']
      : []),
  ];
  return `<h1>${escaped(shortened(`${config.name}, seed ${config.seed}`, 200))}</h1>
<p><span class="status ${status}">${escaped(shortened(told[status]))}</span> · ${escaped(config.world.name)} · ${escaped(dateText(facts.startedAt))}, ${escaped(durationText(facts))} · ${facts.tally.messages.toLocaleString('en')} messages${backend === null ? '' : ` · ${escaped(backend)}`}</p>
<p class="small">A report of the run <code>${escaped(name)}</code>, written by Soliloquy from its log alone: one language model invents prompts, answers them, judges the answers and is trained on its own judgement.</p>
${tilesHtml(facts)}${mindHtml(notes)}`;
}

function runSection({ config, initial, backend, versions, facts }: ReportedRun): string {
  const changes = changesOf(config);
  const forks = facts.forks.map(
    ({ parent, changes: own, overrides }) =>
      `a fork of ${parent.run} at seq ${parent.seq}: ${
        [
          ...leavesOf(own).map(([path, value]) => `${path} = ${valueText(value)}`),
          ...overrides.map(
            ({ fact, path, was, value }) =>
              `${fact}, ${path}: ${valueText(value)} instead of ${valueText(was)} (by hand)`,
          ),
        ].join('; ') || 'nothing changed'
      }`,
  );
  const programs = Object.entries(versions).map(([program, version]) => `${program} ${version}`);
  const table = tableHtml({
    title: 'What differs from the defaults of this world',
    head: ['option', 'here', 'default'],
    text: [0, 1, 2],
    rows: changes.map(({ path, value, usual }) => [path, valueText(value), valueText(usual)]),
  });
  return `${factsHtml([
    ['experiment', config.name],
    ['seed', String(config.seed)],
    [
      'world',
      config.world.data === undefined ? config.world.name : `${config.world.name}, ${config.world.data}`,
    ],
    ['M0', config.model ?? 'the world’s own'],
    ['iterations', `${config.iterations} of DPO after M1`],
    ['cast', castText(config)],
    ['numbers by', backend ?? DASH],
    ['versions', programs.join(', ') || DASH],
    ['from', dateText(facts.startedAt)],
    ['to', dateText(facts.endedAt)],
    ...(facts.resumed > 0 ? [['went on after a stop', `${facts.resumed} time(s)`] as const] : []),
  ])}
${forks.length > 0 ? listHtml([...forks, `its first part was made as ${initial.name}, seed ${initial.seed}`]) : ''}
${changes.length === 0 ? '<p>Every option is the default of this world.</p>' : table}
${facts.tally.notes.length > 0 ? `<h3>The world says</h3>${listHtml(facts.tally.notes)}` : ''}`;
}

const withRows = (...all: readonly Parameters<typeof tableHtml>[0][]): string =>
  all
    .filter(({ rows }) => rows.length > 0)
    .map(tableHtml)
    .join('\n');

const CAVEAT = `<p class="small">The paper’s numbers are cited from <a href="${PAPER.link}">${escaped(PAPER.name)}</a>: Llama 2 70B on Open Assistant data, judged by GPT-4 and people. Model and world are others here, so only the shape can be compared, never the numbers.</p>`;

function paperSection({ config, facts }: ReportedRun): string {
  const { confidence } = config.evaluate;
  const { tally } = facts;
  const shown = withRows(
    tables.headToHeadTable(tally, confidence),
    tables.judgingTable(tally, confidence),
    tables.lengthTable(tally),
    ...(tally.versions.length > 0 || tally.iterations.size > 0 ? [tables.dataTable(facts)] : []),
  );
  return shown === '' ? '' : CAVEAT + shown;
}

function tokensSection(facts: ReportFacts): string {
  const shown = withRows(tables.tokensTable(facts));
  return shown === ''
    ? ''
    : `${shown}<p class="small">New tokens alone, as the log holds them; of judgements of held-out answers and probes it keeps the words, not the tokens.</p>`;
}

function reproduceSection(run: ReportedRun): string {
  const { facts, headHash } = run;
  const commands = commandsOf(run, facts);
  const hashes = factsHtml(
    [
      ['outcome', run.outcomeHash],
      ['head of the log', headHash],
      [
        'config.json',
        `${facts.configHash ?? DASH} (sha-256, as run.start names it${facts.forks.length > 0 ? '; the first part’s' : ''})`,
      ],
      ['M0’s weights', facts.baseHash ?? DASH],
      ...facts.tally.versions.flatMap(({ version, weightsHash, dataHash }) => [
        [`${version}’s weights`, weightsHash] as const,
        [`${version}’s data`, dataHash] as const,
      ]),
    ],
    ' hashes',
  );
  return `<pre>${commands.map(escaped).join('\n')}</pre>
<p>The outcome hash is over all facts, in no order: it is equal for any number of workers on one backend and kind of processor; <code>--backend wasm</code> gives the same bits on every machine. <code>replay --verify</code> folds the log through the machines again, without a model, and compares every message.</p>
${hashes}`;
}

export function reportPage(run: ReportedRun, plots: readonly Plot[]): string {
  const { facts, config, name } = run;
  const { tally, baseHash } = facts;
  const { confidence } = config.evaluate;
  const plot = (wanted: string) =>
    plots
      .filter((one) => one.name === wanted)
      .map(figureHtml)
      .join('');
  const lineage =
    tally.versions.length === 0
      ? ''
      : lineageSvg(tally.versions, baseHash) + withRows(tables.lineageTable(facts));
  const sections: Section[] = [
    { id: 'run', title: 'What was run', html: runSection(run) },
    { id: 'lineage', title: 'Lineage', html: lineage },
    { id: 'paper', title: 'The paper beside ours', html: paperSection(run) },
    { id: 'scores', title: 'Scores', html: plot('scores') + withRows(tables.gapTable(tally, confidence)) },
    { id: 'judge', title: 'The judge', html: plot('agreement') + plot('histograms') + plot('loop-scores') },
    { id: 'pairs', title: 'Prompts and pairs', html: plot('pairs') + withRows(tables.promptsTable(facts)) },
    { id: 'training', title: 'Training', html: plot('training') + withRows(tables.trainingTable(facts)) },
    { id: 'examples', title: 'Examples', html: examplesHtml(facts.examples, `runs/${name}`) },
    { id: 'tokens', title: 'Tokens and cost', html: tokensSection(facts) },
    { id: 'reproduce', title: 'How to reproduce it', html: reproduceSection(run) },
  ];
  return pageHtml({
    title: `${config.name}, seed ${config.seed} – Soliloquy`,
    head: headHtml(run),
    sections,
  });
}
