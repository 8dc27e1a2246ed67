/**
 * The flags of `soliloquy train sft|dpo`, and what they come to: optimizer, adapters. Defaults are those of the loop.
 */
import { Command, Option } from 'commander';
import { PLAIN } from '../lm/pair-loss.js';
import { resolveConfig } from '../protocol/config.js';
import { SoliloquyError } from '../protocol/errors.js';
import type { LoraConfig, OptimizerConfig, PairRecipe } from '../protocol/lm.js';
import { MODEL_HELP } from './model-argument.js';
import { decimal, type Machinery, memoryOption, wholeNumber, withMachinery } from './options.js';

export interface TrainingOptions extends Machinery {
  readonly data: string;
  readonly to: string;
  readonly lr: number;
  readonly finalLr?: number;
  readonly epochs: number;
  readonly batchSize: number;
  readonly microBatchSize: number;
  readonly warmup: number;
  readonly weightDecay: number;
  readonly clip: number;
  readonly dropout: number;
  readonly maxLength?: number;
  readonly beta?: number;
  readonly loss?: PairRecipe['loss'];
  readonly nll?: number;
  readonly agreement?: number;
  readonly seed: number;
  readonly json?: true;
  readonly quiet?: true;
  /** Bytes. */
  readonly memory?: number;
  readonly loraRank: number;
  readonly loraAlpha: number;
  readonly loraDropout: number;
  readonly loraTargets?: string;
}

export type Objective = 'sft' | 'dpo';

const LAYOUTS = {
  sft: `{"prompt": "…", "completion": "…"}  or  {"messages": [{"role": "user", "content": "…"}, {"role": "assistant", "content": "…"}]}`,
  dpo: `{"prompt": "…", "chosen": "…", "rejected": "…"}; each may also be a list of messages`,
} as const;

const helpOf = (objective: Objective): string => `
Each line of FILE (.jsonl, .jsonl.gz):
  ${LAYOUTS[objective]}
Texts are taken as they are. Messages are rendered plainly, without the model's chat template: a user's turn as
"Instruction: …", a blank line, "Response:"; an assistant's turn bare. Loss falls on assistants' text and the
end-of-sequence token alone. Rows longer than --max-length are left out and counted, never cut.

Example
  soliloquy train ${objective} ./checkpoint --data ${objective === 'sft' ? 'chats' : 'pairs'}.jsonl --to ./trained --epochs 1 --lr 1e-5`;

/** One of the two, without what it does. */
export function objectiveCommand(objective: Objective, description: string): Command {
  const defaults = resolveConfig({})[objective];
  const command = new Command(objective)
    .description(description)
    .argument('<model>', `what to start from: ${MODEL_HELP}`)
    .requiredOption('--data <file>', 'training data, one JSON object a line')
    .requiredOption('--to <dir>', 'where the model goes; absent or empty before')
    .option('--lr <x>', 'learning rate after the warm-up', decimal(0, 10), defaults.learningRate)
    .option(
      '--final-lr <x>',
      'learning rate of the last step, reached by a cosine (default: a tenth of --lr)',
      decimal(0, 10),
    )
    .option('--warmup <n>', 'warm-up steps', wholeNumber(0), defaults.warmupSteps)
    .option('--epochs <n>', 'times that each row is seen', wholeNumber(1), defaults.epochs)
    .option('--batch-size <n>', 'rows a step', wholeNumber(1), defaults.batchSize)
    .option(
      '--micro-batch-size <n>',
      'rows at once on one thread; bounds memory, part of the result’s last bits',
      wholeNumber(1),
      defaults.microBatchSize,
    )
    .option('--weight-decay <x>', 'decoupled, on all weights', decimal(0, 10), defaults.weightDecay)
    .option('--clip <x>', 'largest gradient norm; 0 = off', decimal(0, 1e9), defaults.clipNorm)
    .option('--dropout <p>', 'in training', decimal(0, 0.99), defaults.dropout)
    .option(
      '--lora-rank <n>',
      'train adapters of this rank, the rest stands still; 0 = all weights',
      wholeNumber(0, 4096),
      0,
    )
    .option('--lora-alpha <x>', 'an adapter counts alpha / rank', decimal(1e-6, 1e6), 16)
    .option('--lora-dropout <p>', 'of an adapter’s input', decimal(0, 0.99), 0)
    .option('--lora-targets <names>', 'linear layers that get one, such as q_proj,v_proj (default: all)')
    .option('--max-length <n>', 'tokens of a row at most (default: the model’s positions)', wholeNumber(2));
  if ('beta' in defaults)
    command
      .option('--beta <x>', 'how strongly the reference holds', decimal(1e-6, 1e6), defaults.beta)
      .addOption(
        new Option('--loss <kind>', 'of the margin: sigmoid (DPO) or its square (IPO)')
          .choices(['sigmoid', 'ipo'] satisfies PairRecipe['loss'][])
          .default(PLAIN.loss),
      )
      .option(
        '--nll <x>',
        'weight of the chosen answer’s negative log-likelihood a token (Iterative RPO: 1)',
        decimal(0, 1e6),
        PLAIN.nll,
      )
      .option(
        '--agreement <x>',
        'share of the loss of each pair as it stands, the rest that of the pair reversed (CREAM)',
        decimal(0, 1),
        PLAIN.agreement,
      );
  return withMachinery(command.option('--seed <n>', 'of the order of rows and of dropout', wholeNumber(0), 1))
    .addOption(memoryOption('training'))
    .option('--json', 'one JSON line at the end, progress off')
    .option('--quiet', 'no progress')
    .exitOverride()
    .showHelpAfterError('(add --help for the options)')
    .addHelpText('after', helpOf(objective));
}

export function optimizerOf(objective: Objective, o: TrainingOptions): OptimizerConfig {
  if (o.lr === 0)
    throw new SoliloquyError('usage', '--lr 0 trains nothing', { fix: 'give a learning rate above 0' });
  const { beta1, beta2, epsilon } = resolveConfig({})[objective];
  return {
    learningRate: o.lr,
    // Without the noise of a division: 3e-4 gives 3e-5.
    finalLearningRate: o.finalLr ?? Number((o.lr / 10).toPrecision(12)),
    warmupSteps: o.warmup,
    epochs: o.epochs,
    batchSize: o.batchSize,
    microBatchSize: o.microBatchSize,
    weightDecay: o.weightDecay,
    clipNorm: o.clip,
    dropout: o.dropout,
    beta1,
    beta2,
    epsilon,
  };
}

/** What `--to` becomes with it: a folder in PEFT's layout, on MODEL. */
export function loraOf(
  { loraAlpha: alpha, loraDropout: dropout, loraTargets }: TrainingOptions,
  rank: number,
): LoraConfig {
  const targets = (loraTargets ?? '').split(',').flatMap((name) => (name.trim() === '' ? [] : [name.trim()]));
  return { rank, alpha, dropout, targets };
}
