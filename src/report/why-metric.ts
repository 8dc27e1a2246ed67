/**
 * Why a number: its value as it is recorded and as it comes out again, how it is computed, the facts behind it, and those that
 * add the most and the least to it.
 */
import type { VersionId } from '../protocol/ids.js';
import type { BodyOf, Metric } from '../protocol/messages.js';
import { keys } from '../stages/keys.js';
import { type Contribution, compositionOf } from './contributions.js';
import { computedAgain, type Evaluation } from './evaluation.js';
import type { RunRecord, Settings } from './run-record.js';
import { type Fact, known, lineOf, type Trace } from './trace.js';

const EXAMPLES = 3;

/** `24–323, 325` */
export function ranges(seqs: readonly number[]): string {
  const sorted = [...new Set(seqs)].sort((a, b) => a - b);
  const out: string[] = [];
  for (let i = 0; i < sorted.length; i++) {
    const first = sorted[i]!;
    while (sorted[i + 1] === sorted[i]! + 1) i++;
    out.push(first === sorted[i] ? String(first) : `${first}–${sorted[i]}`);
  }
  return out.join(', ');
}

const sameMetric = (a: Metric | undefined, b: Metric): boolean =>
  a !== undefined &&
  a.value === b.value &&
  a.n === b.n &&
  a.interval?.low === b.interval?.low &&
  a.interval?.high === b.interval?.high;

const told = ({ value, interval, n }: Metric): string =>
  `${value}${interval ? ` [${interval.low}, ${interval.high}]` : ''}, n ${n}`;

/** Under which name the bootstrap of a metric is keyed (src/stages/metrics.ts). */
const bootstrapName = (name: string): string =>
  name.startsWith('judge.') && name !== 'judge.unparseable'
    ? 'judge'
    : name.replace(/^(h2h\..*)\.margin$/, '$1');

function factTraces({ answered, judged, compared, before }: Evaluation, seqs: ReadonlySet<number>): Trace[] {
  const parts: [string, readonly { readonly seq: number }[]][] = [
    ['evaluation.answered', answered],
    ['evaluation.judged', judged],
    ['evaluation.compared', compared],
    ...[...before].map(([version, facts]): [string, typeof facts] => [
      `evaluation.answered of ${version}`,
      facts,
    ]),
  ];
  return parts.flatMap(([title, placed]): Trace[] => {
    const used = placed.map(({ seq }) => seq).filter((seq) => seqs.has(seq));
    return used.length === 0
      ? []
      : [{ kind: 'facts', title, facts: { count: used.length, seqs: ranges(used) } }];
  });
}

const exampleTrace = ({ of, value, seqs, texts, facts }: Contribution): Trace => ({
  kind: 'contribution',
  title: `${of}: ${value}`,
  facts: { ...facts, seqs },
  texts,
});

function examples(each: string, contributions: readonly Contribution[]): Trace[] {
  const counted = contributions.filter(({ value }) => value !== null).sort((a, b) => b.value! - a.value!);
  const group = (kind: string, title: string, some: readonly Contribution[]): Trace => ({
    kind,
    title: `${title}: ${each}`,
    parts: some.map(exampleTrace),
  });
  if (counted.length <= 2 * EXAMPLES) return [group('all', 'all', counted)];
  return [
    group('largest', 'largest', counted.slice(0, EXAMPLES)),
    group('smallest', 'smallest', counted.slice(-EXAMPLES).reverse()),
  ];
}

/** Whether the recorded number comes out again. */
function check(
  metric: Metric,
  recorded: readonly Metric[],
  again: readonly Metric[] | null,
): Pick<Trace, 'notes' | 'problem'> {
  if (again === null)
    return {
      notes: ['not computed again: it was made with the parent run’s config, which is not here'],
    };
  const own = again.find(({ name }) => name === metric.name);
  if (!sameMetric(own, metric))
    return { problem: `the facts give ${own ? told(own) : 'no such number'}; recorded is ${told(metric)}` };
  const same = recorded.filter((one) =>
    sameMetric(
      again.find(({ name }) => name === one.name),
      one,
    ),
  ).length;
  return {
    notes: [
      `computed again from the facts: equal to the last bit (so are ${same} of ${recorded.length} numbers of this evaluation)`,
    ],
  };
}

/** How the interval was drawn, as far as the settings are known. */
function bootstrapFacts(
  settings: Settings | null,
  version: VersionId,
  { name, interval }: Metric,
): Record<string, Fact> {
  if (!interval) return {};
  const ends = { interval: [interval.low, interval.high] };
  if (!settings) return ends;
  const { seed, evaluate } = settings.config;
  const { resamples, confidence } = evaluate;
  return { ...ends, resamples, confidence, key: keys.bootstrap(seed, version, bootstrapName(name)) };
}

function requestTrace(record: RunRecord, settings: Settings | null, { request, version }: Evaluation): Trace {
  const { judge, reference } = request.body as BodyOf<'evaluation.request'>;
  const { sampling = {}, judgeSamples } = settings?.config.evaluate ?? {};
  const facts = known({ judge, reference, weights: record.weightsOf(version), ...sampling, judgeSamples });
  return { kind: 'evaluation', title: `evaluation of ${version}`, line: lineOf(request), facts };
}

export function whyMetric(record: RunRecord, evaluation: Evaluation, metric: Metric): Trace {
  const { version, made, metrics } = evaluation;
  const { name, interval, n, value } = metric;
  const settings = record.settingsAt(made.seq);
  const { how, each, contributions } = compositionOf(
    evaluation,
    name,
    (settings ?? record).template.verdict.max,
  )!;
  const left = contributions.filter((one) => one.value === null).length;
  const { notes = [], problem } = check(metric, metrics, computedAgain(record, evaluation));
  return {
    kind: 'metric',
    title: `${version}/${name} = ${value === null ? 'undefined' : value}`,
    line: lineOf(made),
    facts: {
      value,
      ...bootstrapFacts(settings, version, metric),
      n,
      ...known({ leftOut: left > 0 ? left : undefined }),
    },
    notes: [`${how}${interval ? '; interval: percentile bootstrap over them' : ''}`, ...notes],
    ...(problem === undefined ? {} : { problem }),
    parts: [
      requestTrace(record, settings, evaluation),
      ...factTraces(evaluation, new Set(contributions.flatMap(({ seqs }) => seqs))),
      ...examples(each, contributions),
    ],
  };
}
