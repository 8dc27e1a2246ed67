/**
 * What versions are trained on, derived from the log as it is written: seed data, EFT, preference pairs, positives. A view:
 * the files under data/ can be made again from messages.jsonl.
 */

import { sha256 } from '../src/log/chain.js';
import type { Config } from '../src/protocol/config.js';
import { SoliloquyError } from '../src/protocol/errors.js';
import type { TrainData } from '../src/protocol/lm.js';
import type { BodyOf, Envelope, SeedSplit } from '../src/protocol/messages.js';
import type { Tokenizer } from '../src/protocol/ports.js';
import type {
  Demonstration,
  EvaluationExample,
  JudgeTemplate,
  PromptFormat,
  SeedData,
} from '../src/protocol/records.js';
import { readingOf } from '../src/stages/reading.js';
import type { TextRow } from '../src/stages/seed.js';
import {
  type Encoded,
  encodePreferences,
  encodeSft,
  type PairFact,
  type PositiveFact,
  type PreferenceText,
  preferenceTexts,
  sftRows,
} from '../src/stages/train.js';
import { completionRow, formatFor, preferenceRow, type TrlStyle } from '../src/stages/trl-rows.js';
import { type JudgementPair, judgementTexts } from '../src/stages/variants/meta-rewarding.js';
import { type DemonstrationAnswered, spinTexts } from '../src/stages/variants/spin.js';

type Mutable<T> = { -readonly [K in keyof T]: T[K] extends readonly (infer E)[] ? E[] : T[K] };

export interface BuiltData {
  readonly data: TrainData;
  readonly rows: number;
  readonly dataHash: string;
  /** Rows that don't fit the model's context, left out. */
  readonly tooLong: number;
  /** The same rows as text, for an external trainer. */
  trl(style: TrlStyle): readonly object[];
}

export interface Datasets {
  /** To be shown every envelope. */
  observe(envelope: Envelope): void;
  readonly seed: SeedData;
  /** Rows of a training job; `write` is given each file's name and content. */
  build(
    job: BodyOf<'model.train'>,
    tokenizer: Tokenizer,
    maxTokens: number,
    write: (name: string, content: string) => void,
  ): BuiltData;
}

const jsonl = (rows: readonly object[]): string => rows.map((row) => `${JSON.stringify(row)}\n`).join('');
const versionIn = (dataset: string): number => Number(/-M(\d+)$/.exec(dataset)?.[1]);

/** What stands in the config when a dataset is built. */
export interface DatasetOptions {
  readonly config: Config;
  readonly format: PromptFormat;
  readonly template: JudgeTemplate;
}

export function createDatasets(options: DatasetOptions): Datasets {
  const seed: Mutable<SeedData> = { ift: [], eft: [], ranked: [], heldOut: [], probes: [], notes: [] };
  const pairs = new Map<number, PairFact[]>();
  const positives = new Map<number, PositiveFact[]>();
  const answered = new Map<number, DemonstrationAnswered[]>();
  const judgements = new Map<number, JudgementPair[]>();
  const revised = new Map<number, PairFact[]>();
  const prompts = new Map<string, string>();

  const keepPositives = (iteration: number, prompt: string, found: BodyOf<'pair.made'>['positives']) => {
    const own = positives.get(iteration) ?? [];
    positives.set(iteration, own);
    for (const answer of found) own.push({ prompt, answer });
  };
  const observe = ({ type, body }: Envelope) => {
    switch (type) {
      case 'seed.given': {
        const { split, rows } = body as BodyOf<'seed.given'>;
        (seed[split satisfies SeedSplit] as unknown[]).push(...rows);
        return;
      }
      case 'eft.given':
        seed.eft.push(...((body as BodyOf<'eft.given'>).rows as unknown as EvaluationExample[]));
        return;
      case 'prompt.made': {
        const { episode, prompt } = body as BodyOf<'prompt.made'>;
        prompts.set(episode, prompt);
        return;
      }
      case 'pair.made': {
        const { id, iteration, prompt, chosen, rejected, positives } = body as BodyOf<'pair.made'>;
        const own = pairs.get(iteration) ?? [];
        pairs.set(iteration, own);
        own.push({ id, prompt, chosen, rejected });
        prompts.delete(id);
        keepPositives(iteration, prompt, positives);
        return;
      }
      case 'pair.revised': {
        const { id, iteration, prompt, chosen, rejected } = body as BodyOf<'pair.revised'>;
        revised.set(iteration, [...(revised.get(iteration) ?? []), { id, prompt, chosen, rejected }]);
        return;
      }
      case 'judgement-pair.made': {
        const fact = body as JudgementPair;
        judgements.set(fact.iteration, [...(judgements.get(fact.iteration) ?? []), fact]);
        return;
      }
      case 'demonstration.answered': {
        const fact = body as DemonstrationAnswered;
        answered.set(fact.iteration, [...(answered.get(fact.iteration) ?? []), fact]);
        return;
      }
      case 'pair.withheld': {
        const { episode, iteration, positives } = body as BodyOf<'pair.withheld'>;
        keepPositives(iteration, prompts.get(episode) ?? '', positives);
        prompts.delete(episode);
        return;
      }
    }
  };

  /** The rows of one named dataset, as its file shows them and as text to train on. */
  const named = (
    name: string,
    format: PromptFormat,
  ): { file: readonly object[]; text: readonly TextRow[] } => {
    const part = (rows: { ift?: Demonstration[]; eft?: EvaluationExample[]; positives?: PositiveFact[] }) =>
      sftRows({ ift: [], eft: [], positives: [], ...rows }, format, options.template);
    if (name === 'ift') return { file: seed.ift, text: part({ ift: seed.ift }) };
    if (name === 'eft') return { file: seed.eft, text: part({ eft: seed.eft }) };
    if (name.startsWith('positives-')) {
      const found = positives.get(versionIn(name)) ?? [];
      return {
        file: found.map(({ prompt, answer }) => ({ prompt, ...answer })),
        text: part({ positives: found }),
      };
    }
    throw new SoliloquyError('protocol.violation', `no dataset is called ${name}`, { name });
  };
  const preferences = (name: string, format: PromptFormat): readonly PreferenceText[] => {
    const { template } = options;
    const iteration = versionIn(name);
    if (name.startsWith('spin-')) return spinTexts(answered.get(iteration) ?? [], format);
    if (name.startsWith('judgements-')) return judgementTexts(judgements.get(iteration) ?? [], template);
    const facts = name.startsWith('temporal-') ? revised : pairs;
    return preferenceTexts(facts.get(iteration) ?? [], format);
  };

  const build: Datasets['build'] = ({ objective, datasets, recipe }, tokenizer, maxTokens, write) => {
    const { row: encode } = readingOf(tokenizer, options.format.through);
    const hashes: string[] = [];
    const put = (name: string, rows: readonly object[]) => {
      const content = jsonl(rows);
      hashes.push(sha256(content));
      write(name, content);
    };
    const built = (data: TrainData, { tooLong }: Encoded<unknown>, trl: BuiltData['trl']): BuiltData => ({
      data,
      rows: data.rows.length,
      dataHash: sha256(hashes.join('')),
      tooLong: tooLong.length,
      trl,
    });
    if (objective === 'dpo') {
      const texts = datasets.flatMap((name) => {
        const own = preferences(name, options.format);
        put(name, own);
        return own;
      });
      const encoded = encodePreferences(texts, encode, maxTokens);
      const { rows, places } = encoded;
      const { beta } = options.config.dpo;
      return built({ objective, rows, beta, ...(recipe && { recipe }) }, encoded, (style) => {
        const styled = datasets.flatMap((name) => preferences(name, formatFor(style, options.format)));
        return places.map((place) => preferenceRow(style, styled[place]!));
      });
    }
    const texts = datasets.flatMap((name) => {
      const { file, text } = named(name, options.format);
      put(name, file);
      return text;
    });
    const encoded = encodeSft(texts, encode, maxTokens);
    return built({ objective, rows: encoded.rows }, encoded, (style) => {
      const format = formatFor(style, options.format);
      const styled = datasets.flatMap((name) => named(name, format).text);
      return encoded.places.map((place) => completionRow(style, styled[place]!));
    });
  };
  return { observe, seed, build };
}
