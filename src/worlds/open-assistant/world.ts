/**
 * Owns: the Open Assistant world (paper §3.1): IFT = first turns with their rank-0 reply, ranked groups from which the
 * SFT baseline makes EFT, and a held-out split by prompt. It has no truth: people's ranks are the measure.
 * Invariant: the split hangs on seed and tree id alone, not on the file's order or on what else is in it.
 */
import { SoliloquyError } from '../../protocol/errors.js';
import type { World } from '../../protocol/ports.js';
import type { Demonstration, PromptFormat, RankedGroup, SeedData } from '../../protocol/records.js';
import { additive, plainFormat } from '../../protocol/templates.js';
import { keyOf, uniformAt } from '../../rng.js';
import { type FirstTurn, type FirstTurns, readFirstTurns } from './trees.js';

export interface OpenAssistantOptions {
  /** The message-tree export, .jsonl or .jsonl.gz. */
  readonly data: string;
  /** As the export writes it: `en`, `de`, `pt-BR` … */
  readonly language: string;
  /** Decides the split only. */
  readonly seed: number;
  /** Share of the prompts held out, 0–1. */
  readonly heldOutShare?: number;
  /** Longer prompts are left out (characters); 0 = none. */
  readonly maxPromptChars?: number;
  /** Longer replies are left out (characters); 0 = none. */
  readonly maxReplyChars?: number;
  /** How the model is spoken to; absent = plain text. */
  readonly format?: PromptFormat;
}

export function createOpenAssistant(options: OpenAssistantOptions): World {
  return {
    name: 'open-assistant',
    format: options.format ?? plainFormat,
    judgeTemplate: additive,
    judgeTemplates: {},
    seed: () => readSeed(options),
  };
}

async function readSeed(options: OpenAssistantOptions): Promise<SeedData> {
  const { data, language, seed, heldOutShare = 0.2, maxPromptChars = 0, maxReplyChars = 0 } = options;
  const found = await readFirstTurns(data, { language, maxPromptChars, maxReplyChars });
  if (found.turns.length === 0) throw nothingUsable(options, found);
  const isHeldOut = ({ id }: FirstTurn) =>
    uniformAt(keyOf(seed, 'open-assistant.split', id), 0) < heldOutShare;
  const train = found.turns.filter((turn) => !isHeldOut(turn));
  const heldOut = found.turns.filter(isHeldOut);
  const rows = {
    ift: train.flatMap(demonstrationOf),
    eft: [],
    ranked: train.flatMap(groupOf),
    heldOut: heldOut.map(({ id, prompt }) => ({ id, prompt })),
    probes: heldOut.flatMap(groupOf),
  };
  return { ...rows, notes: notesOn(options, found, rows) };
}

function demonstrationOf({ id, prompt, replies }: FirstTurn): readonly Demonstration[] {
  const best = replies.find(({ rank }) => rank === 0);
  return best ? [{ id, prompt, response: best.text }] : [];
}

/** Ranks turned round: higher is better. */
const groupOf = ({ id, prompt, replies }: FirstTurn): readonly RankedGroup[] =>
  replies.length < 2
    ? []
    : [{ id, prompt, responses: replies.map(({ text, rank }) => ({ text, value: 0 - rank })) }];

const list = (counts: Readonly<Record<string, number>>): string =>
  Object.entries(counts)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([reason, n]) => `${n} ${reason}`)
    .join(', ') || 'none';

function notesOn(
  options: OpenAssistantOptions,
  { read, turns, treesOut, repliesOut }: FirstTurns,
  rows: Omit<SeedData, 'notes'>,
): readonly string[] {
  const noBest = turns.filter(({ replies }) => !replies.some(({ rank }) => rank === 0)).length;
  const noOrder = turns.filter(({ replies }) => replies.length < 2).length;
  return [
    `${options.data}: ${read} trees read, ${turns.length} first turns in "${options.language}" used`,
    `trees left out: ${list(treesOut)}`,
    `replies left out: ${list(repliesOut)}`,
    `of the first turns used, ${noBest} have no rank-0 reply (no demonstration), ${noOrder} fewer than two ranked replies (no order)`,
    `train: ${rows.ift.length} demonstrations, ${rows.ranked.length} ranked groups; held out: ${rows.heldOut.length} prompts, ${rows.probes.length} ranked groups`,
    'no truth in this world: people’s ranks are what judging is measured by',
  ];
}

const nothingUsable = ({ data, language }: OpenAssistantOptions, found: FirstTurns): SoliloquyError =>
  new SoliloquyError(
    'data.invalid',
    `${data}: no usable first turn in "${language}" among ${found.read} trees (left out: ${list(found.treesOut)})`,
    { file: data, language, fix: 'name a language that the export holds, or raise the length limit' },
  );
