/**
 * The README.md of an exported model: what the Hub reads (YAML), where the model comes from, what was measured, how to load it and
 * how to make it again. Pure. Only what the run's log and config say; what nobody said (a licence) is called unknown.
 */
import type { Metric } from '../protocol/messages.js';
import { code, codeBlock, plain, tableOf } from './markdown-text.js';

/** A step of the lineage, as the log has it. */
export interface CardVersion {
  readonly version: string;
  readonly from: string;
  /** The objective, and for DPO the reference model. */
  readonly trained: string;
  readonly datasets: readonly string[];
  readonly rows: number;
  readonly judge: string | null;
  readonly weightsHash: string;
  readonly dataHash: string;
}

export interface CardRun {
  readonly name: string;
  readonly seed: number;
  readonly world: string;
  /** `hf:org/name@rev` of M0 and of the data, where the config names them so. */
  readonly hubModel: string | null;
  readonly hubData: readonly string[];
  /** sha-256 of M0's weights. */
  readonly baseHash: string | null;
  /** Oldest first, this version last; empty for M0. */
  readonly lineage: readonly CardVersion[];
  readonly metrics: readonly Metric[];
  /** What the world says of its data. */
  readonly notes: readonly string[];
  readonly command: string;
  readonly config: string;
  /** Parents' names, where the run is a fork. */
  readonly forkedFrom: readonly string[];
}

export interface CardFacts {
  readonly title: string;
  readonly family: string;
  readonly parameters: number;
  readonly context: number;
  readonly weightsHash: string;
  readonly soliloquy: string;
  readonly license: string | null;
  readonly chatTemplate: boolean;
  readonly tokenizer: boolean;
  /** Null: a model of no run. */
  readonly run: CardRun | null;
}

/** A YAML double-quoted string is what JSON writes. */
const yaml = (text: string): string => JSON.stringify(text).replace(/[\u2028\u2029\u0085]/g, ' ');
const yamlList = (key: string, values: readonly string[]): string[] =>
  values.length === 0 ? [] : [`${key}:`, ...values.map((value) => `- ${yaml(value)}`)];

const hubName = (id: string): string => id.replace(/^hf:/, '').replace(/@.*$/, '');

function frontMatter({ license, family, run }: CardFacts): string {
  const paired = run?.lineage.some(({ trained }) => trained.startsWith('DPO')) ?? false;
  const tags = ['soliloquy', family, ...(paired ? ['self-rewarding', 'dpo'] : [])];
  return [
    '---',
    'library_name: "transformers"',
    'pipeline_tag: "text-generation"',
    ...(license === null ? [] : [`license: ${yaml(license)}`]),
    ...yamlList('base_model', run?.hubModel ? [hubName(run.hubModel)] : []),
    ...yamlList('datasets', [...new Set(run?.hubData.map(hubName) ?? [])]),
    ...yamlList('tags', tags),
    '---',
  ].join('\n');
}

function lineageSection({ lineage, baseHash, hubModel, forkedFrom }: CardRun): string {
  const base = hubModel === null ? 'the model that the run was given' : plain(hubModel);
  const rows = lineage.map((one) => [
    plain(one.version),
    plain(one.trained),
    plain(one.from),
    plain(one.datasets.join(' + ')),
    String(one.rows),
    one.judge === null ? '–' : plain(one.judge),
    code(one.weightsHash),
    code(one.dataHash),
  ]);
  const head = [
    'version',
    'trained by',
    'from',
    'data',
    'rows',
    'judge',
    'weights (sha-256)',
    'data (sha-256)',
  ];
  const first = ['M0', '–', base, '–', '–', '–', baseHash === null ? 'unknown' : code(baseHash), '–'];
  const forks =
    forkedFrom.length === 0 ? '' : `\n\nThe run is a fork of ${forkedFrom.map(plain).join(', ')}.`;
  return `## Lineage\n\n${tableOf(head, [first, ...rows])}${forks}`;
}

const short = (value: number): string => String(Number(value.toPrecision(4)));

function measuresSection({ metrics }: CardRun): string {
  if (metrics.length === 0) return '## Measures\n\nThis version was not measured.';
  const rows = metrics.map(({ name, value, interval, n }) => [
    code(name),
    value === null ? '–' : short(value),
    interval === null ? '–' : `${short(interval.low)} … ${short(interval.high)}`,
    String(n),
  ]);
  return `## Measures

On the run's held-out prompts and probes; what each means: ${code('soliloquy why RUN metric:NAME')}. Intervals are 95 % bootstrap ones.

${tableOf(['measure', 'value', '95 %', 'n'], rows)}`;
}

function dataSection({ world, notes, lineage }: CardRun): string {
  const said = notes.map((note) => `- ${plain(note)}`).join('\n');
  const made = lineage.some(({ datasets }) => datasets.some((name) => name.startsWith('aift')))
    ? 'Data sets whose names begin with `aift` are preference pairs that the versions before made and judged themselves.'
    : '';
  return ['## Data', `World: ${plain(world)}.`, said, made].filter((part) => part !== '').join('\n\n');
}

function loadingSection({ tokenizer, chatTemplate }: CardFacts): string {
  const lines = ['from transformers import AutoModelForCausalLM, AutoTokenizer', ''];
  lines.push('model = AutoModelForCausalLM.from_pretrained("PATH_OF_THIS_FOLDER")');
  if (tokenizer) lines.push('tokenizer = AutoTokenizer.from_pretrained("PATH_OF_THIS_FOLDER")');
  const template = chatTemplate
    ? 'It brings a chat template: `tokenizer.apply_chat_template(messages, add_generation_prompt=True)`.'
    : 'It brings no chat template.';
  const without = 'There is no tokenizer: the model takes and gives token ids.';
  return `## Loading\n\n${codeBlock(lines.join('\n'), 'python')}\n\n${tokenizer ? template : without}`;
}

const reproductionSection = ({ command, config, seed, forkedFrom }: CardRun): string => `## Making it again

Seed ${seed}.${forkedFrom.length > 0 ? ' The run is a fork: the command has the settings of its newest part, not the parent’s that the shared part was made with.' : ''} The same command on the same backend gives the same weights, whatever the number of workers:

${codeBlock(command, 'sh')}

The whole config, with what it was used with (\`config.json\` of the run):

<details>

${codeBlock(config, 'json')}

</details>`;

export function modelCard(facts: CardFacts): string {
  const { title, family, parameters, context, weightsHash, soliloquy, license, run } = facts;
  const about = [
    `- family ${code(family)}, ${parameters} parameters in float32, context of ${context} tokens`,
    `- weights ${code(weightsHash)} (sha-256 over each parameter in canonical order)`,
    `- license: ${license === null ? 'unknown; nobody said one' : plain(license)}`,
    `- exported by soliloquy ${plain(soliloquy)}${run ? ` from the run ${plain(run.name)}` : ''}`,
  ].join('\n');
  const sections = run
    ? [
        lineageSection(run),
        dataSection(run),
        measuresSection(run),
        loadingSection(facts),
        reproductionSection(run),
      ]
    : [
        'Of what it was trained on nothing is known here: it was exported from a folder, not from a run.',
        loadingSection(facts),
      ];
  return `${[frontMatter(facts), `# ${plain(title)}`, about, ...sections].join('\n\n')}\n`;
}
