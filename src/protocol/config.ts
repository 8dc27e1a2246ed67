/**
 * The resolved configuration of a run: one zod schema with the only defaults. Worlds differ by the presets below,
 * experiments and flags override; what is written to config.json is the result, whole.
 */
import { z } from 'zod';
import { parseCast } from './cast.js';
import { commandSchema } from './command.js';
import { endpointsSchema } from './endpoints.js';
import { SoliloquyError } from './errors.js';
import { isPlainObject, type PlainObject } from './plain.js';
import { trainingOptions } from './training-options.js';
import { variantOptions } from './variant-options.js';

const count = z.number().int().min(0);
const atLeastOne = z.number().int().min(1);
const share = z.number().min(0).max(1);

const sampling = (temperature: number, topP: number, maxNewTokens: number) =>
  z
    .strictObject({
      temperature: z.number().min(0).max(10).default(temperature),
      topP: z.number().gt(0).max(1).default(topP),
      maxNewTokens: atLeastOne.default(maxNewTokens),
    })
    .prefault({});

const castOf = (role: 'generator' | 'responder' | 'judge') =>
  z
    .string()
    .default('live')
    .superRefine((text, context) => {
      try {
        parseCast(role, text);
      } catch (error) {
        context.addIssue({
          code: 'custom',
          message: error instanceof SoliloquyError ? `${error.message}; ${error.fields.fix}` : String(error),
        });
      }
    });

/** Trainer players. */
const TRAINERS = [
  'dpo',
  'sft-positives',
  'ipo',
  'irpo',
  'spin',
  'cream',
  'meta-rewarding',
  'temporal',
  'command',
] as const;
export type TrainerPlayer = (typeof TRAINERS)[number];

export const configSchema = z.strictObject({
  /** Name of the experiment: a label, no effect. */
  name: z.string().min(1).default('paper'),
  seed: z.number().int().min(0).max(Number.MAX_SAFE_INTEGER).default(1),
  /** DPO iterations after M1: 2 ends with M3. */
  iterations: count.max(50).default(2),
  world: z
    .strictObject({
      name: z.enum(['microworld', 'open-assistant', 'files']).default('microworld'),
      /** open-assistant: the message-tree export, .jsonl or .jsonl.gz. */
      data: z.string().optional(),
      /** files: data files of any layout that `soliloquy data` knows, or Hub ids. */
      files: z.array(z.string().min(1)).min(1).optional(),
      /** files: what is held out and never learnt from; absent = a share of `files`. */
      evalFiles: z.array(z.string().min(1)).min(1).optional(),
      language: z.string().default('en'),
      demonstrations: atLeastOne.default(800),
      evaluations: count.default(600),
      heldOut: atLeastOne.default(300),
      probes: count.default(150),
      /** open-assistant, files: share of the prompts held out. */
      heldOutShare: share.default(0.2),
      /** Longer texts are left out (characters); 0 = none. */
      maxChars: count.default(0),
      /** Prompts as plain text, or through each model's chat template; auto: as M0 can. config.json says which. */
      format: z.enum(['auto', 'plain', 'chat']).default('auto'),
      /** What a chat template is told that asks for today; absent: the day on which the run begins, kept in config.json. */
      date: z.iso.date().optional(),
    })
    .prefault({}),
  /** M0: a folder in Hugging Face layout; absent = the world's own. */
  model: z.string().optional(),
  cast: z
    .strictObject({
      generator: castOf('generator'),
      responder: castOf('responder'),
      judge: castOf('judge'),
      trainer: z.enum(TRAINERS).default('dpo'),
      /** Of the trainer `meta-rewarding`: a model, `oracle` or `random`. */
      metaJudge: castOf('judge'),
    })
    .prefault({}),
  /** OpenAI-compatible servers by name, to be cast as `endpoint:NAME`. */
  endpoints: endpointsSchema,
  /** Another seed for one role alone (`fork --resample`); absent = the run's. */
  reseed: z
    .strictObject({
      generator: count.optional(),
      responder: count.optional(),
      judge: count.optional(),
      trainer: count.optional(),
    })
    .prefault({}),
  /** Evaluation fine-tuning in M1 (the paper) or not (its ablation). */
  eft: z.boolean().default(true),
  invent: z
    .strictObject({
      /** Invention attempts an iteration; fewer prompts pass the filters. */
      asks: atLeastOne.default(900),
      seedShots: count.default(6),
      madeShots: count.default(2),
      sampling: sampling(0.6, 0.9, 32),
      /** At least this ROUGE-L F1 to any known prompt = too similar; 1 = only the same words in the same order. */
      similarity: share.default(0.7),
      minWords: atLeastOne.default(1),
      maxWords: atLeastOne.default(150),
      keywords: z.array(z.string()).default([]),
    })
    .prefault({}),
  respond: z
    .strictObject({ candidates: z.number().int().min(2).default(4), sampling: sampling(0.7, 0.9, 32) })
    .prefault({}),
  judge: z
    .strictObject({
      /** Name of a template; absent = the world's. */
      template: z.string().optional(),
      /** Judgements of each response by each member. */
      samples: atLeastOne.default(3),
      sampling: sampling(0.7, 0.9, 32),
      /** An unparseable judgement is drawn again at most this often. */
      retries: count.max(10).default(0),
    })
    .prefault({}),
  pair: z
    .strictObject({
      /** ρ of Meta-Rewarding: shortest of the top band of scores against longest of the bottom band; 0 = off. */
      lengthControl: z.number().min(0).lt(0.5).default(0),
    })
    .prefault({}),
  /** Of the trainer `irpo`. */
  irpo: z
    .strictObject({
      /** Weight of the chosen answer's negative log-likelihood a token. */
      alpha: z.number().min(0).default(1),
    })
    .prefault({}),
  command: commandSchema.prefault({}),
  ...variantOptions,
  ...trainingOptions,
  evaluate: z
    .strictObject({
      sampling: sampling(0.7, 0.9, 32),
      judgeSamples: atLeastOne.default(3),
      resamples: atLeastOne.default(1000),
      /** Coverage of the bootstrap intervals. */
      confidence: z.number().gt(0).lt(1).default(0.95),
    })
    .prefault({}),
  flow: z
    .strictObject({
      /** Open episodes at most: the credit that the trainer gives the generator. */
      openEpisodes: atLeastOne.default(192),
      /** Asks in one request. */
      asksPerRequest: atLeastOne.default(16),
      /** Rows in one batch of the model, at most (a request is never split). */
      batchRows: atLeastOne.default(128),
      /** Batches under way at once, whatever the number of workers. */
      window: atLeastOne.default(4),
      /** A failed request is sent again at most this often. */
      retries: count.max(10).default(2),
      /** A training is kept on disk after every so many steps, so that it can go on after a crash; 0 = never. */
      keepSteps: count.default(25),
    })
    .prefault({}),
});

export type Config = z.output<typeof configSchema>;
export type ConfigInput = z.input<typeof configSchema>;

/** Any part of a config. */
export type Partially<T> = {
  readonly [K in keyof T]?: NonNullable<T[K]> extends readonly unknown[]
    ? T[K]
    : T[K] extends object | undefined
      ? Partially<NonNullable<T[K]>>
      : T[K];
};
export type ConfigPart = Partially<ConfigInput>;

/** Later parts win, leaf by leaf; lists are replaced. */
export function mergeParts(...parts: readonly ConfigPart[]): ConfigPart {
  const merge = (a: PlainObject, b: PlainObject): PlainObject => {
    const out: Record<string, unknown> = { ...a };
    for (const [key, value] of Object.entries(b)) {
      const before = out[key];
      if (value !== undefined)
        out[key] = isPlainObject(before) && isPlainObject(value) ? merge(before, value) : value;
    }
    return out;
  };
  return parts.reduce(
    (a, b) => merge(a as Record<string, unknown>, b as Record<string, unknown>) as ConfigPart,
    {},
  );
}

/** The whole config from its parts, or `config.invalid` naming each bad option. */
export function resolveConfig(...parts: readonly ConfigPart[]): Config {
  const merged = mergeParts(...parts);
  const result = configSchema.safeParse(merged);
  if (result.success) return result.data;
  const lines = result.error.issues.map(
    (issue) => `  ${issue.path.join('.') || '(config)'}: ${issue.message}`,
  );
  throw new SoliloquyError('config.invalid', `the configuration is wrong:\n${lines.join('\n')}`, {
    issues: result.error.issues.map((issue) => ({ path: issue.path.join('.'), message: issue.message })),
    fix: 'correct the option named above (a flag --set path.to.option=value, or the experiment file)',
  });
}
