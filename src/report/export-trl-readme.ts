/** What the README beside an export in TRL's layouts says. */
import type { Written } from './export-file.js';

const ABOUT: Readonly<Record<string, readonly [string, string]>> = {
  'preference.jsonl': [
    'preference: what each DPO training had (column `dataset`)',
    '"prompt", "chosen", "rejected"',
  ],
  'judgement-preference.jsonl': [
    'preference: the judge prompt, a better and a worse judgement (Meta-Rewarding)',
    '"prompt", "chosen", "rejected"',
  ],
  'kto.jsonl': [
    'unpaired preference: both sides of each pair, with their label',
    '"prompt", "completion", "label"',
  ],
  'sft.jsonl': ['prompt–completion: the demonstrations (IFT)', '"prompt", "completion"'],
  'judge.jsonl': ['prompt–completion: the judge prompt and a judgement (EFT)', '"prompt", "completion"'],
  'positives.jsonl': [
    'prompt–completion: answers whose mean score is the perfect one',
    '"prompt", "completion"',
  ],
};

const PLAIN = {
  standard:
    'Texts stand as our models were asked and trained: `prompt` is already in the run’s prompt format, and the completion follows it without a space between. No chat template is needed.',
  conversational:
    'Texts stand as lists of messages (`role`, `content`); TRL puts them into the chat template of the tokenizer that you train. Our models were not trained on that text.',
} as const;
const CHAT = {
  standard:
    'Texts stand bare. Our models were asked and trained through their own chat template, which these rows have lost: `--style conversational` keeps it.',
  conversational:
    'Texts stand as lists of messages (`role`, `content`), which the chat template of the tokenizer puts together: so our models were asked and trained.',
} as const;

export const README = (
  run: string,
  style: 'standard' | 'conversational',
  through: 'chat' | undefined,
  files: readonly Written[],
): string => `# ${run}, in TRL's dataset layouts

Written by \`soliloquy export --format trl --style ${style}\`. ${(through === 'chat' ? CHAT : PLAIN)[style]}

| file | rows | what |
| --- | --- | --- |
${files.map(({ name, rows }) => `| \`${name}\` | ${rows} | ${ABOUT[name]![0]} |`).join('\n')}

\`\`\`python
from datasets import load_dataset
${files
  .filter(({ rows }) => rows > 0)
  .map(
    ({ name }) =>
      `${name.replace('.jsonl', '').replace('-', '_')} = load_dataset("json", data_files="${name}", split="train").select_columns([${ABOUT[name]![1]}])`,
  )
  .join('\n')}
\`\`\`

An empty file has no columns, so \`datasets\` refuses it: it is left out above. The other columns lead back to the run's log,
\`messages.jsonl\`: \`seq\` is the message that says it, \`…judgements\` are the seqs of the judgements behind a score, \`id\` and
\`…response\` are our ids (\`soliloquy why RUN pair:ID\`), \`responder\` and \`judges\` are model versions or scorers, \`run\` is
the run's name. Rows stand in the order of the log; a training sorts them by id.
`;
