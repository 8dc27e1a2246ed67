/**
 * Owns: the seed data as training text (paper §2.1): IFT rows (chat prompt → response), EFT rows (judge prompt →
 * justification and score), and EFT made from human-ranked groups that the SFT baseline judged.
 * Where the paper is silent, ours: "agrees" is the whole order, strictly (it fits the paper's 10% exact match and 1,630
 * rows †); the most common score is thinned to the count of the second most common.
 */
import type { RngKey } from '../protocol/lm.js';
import type { Demonstration, EvaluationExample, JudgeTemplate, PromptFormat } from '../protocol/records.js';
import { rngOf } from '../rng.js';
import { chatPrompt, judgePrompt, judgeTarget } from './templates.js';

/** Text to learn from: loss falls on `target` only, given `prompt`. */
export interface TextRow {
  readonly id: string;
  readonly kind: 'ift' | 'eft' | 'positive';
  readonly prompt: string;
  readonly target: string;
}

export const iftRow = (format: PromptFormat, { id, prompt, response }: Demonstration): TextRow => ({
  id,
  kind: 'ift',
  prompt: chatPrompt(format, prompt),
  target: response,
});

export const eftRow = (template: JudgeTemplate, example: EvaluationExample): TextRow => ({
  id: example.id,
  kind: 'eft',
  prompt: judgePrompt(template, example.prompt, example.response),
  target: judgeTarget(template, example.justification, example.score),
});

/** A ranked group with what the SFT baseline wrote about each response. */
export interface JudgedGroup {
  readonly id: string;
  readonly prompt: string;
  readonly responses: readonly JudgedResponse[];
}

export interface JudgedResponse {
  readonly text: string;
  /** The human order: higher is better. */
  readonly value: number;
  /** Null where the judgement was unparseable. */
  readonly score: number | null;
  readonly justification: string;
}

export interface EvaluationSelection {
  /** Sorted by id. */
  readonly examples: readonly EvaluationExample[];
  /** Examples left out, by reason. */
  readonly leftOut: {
    readonly unparseable: number;
    /** Fewer than two readable judgements in the group. */
    readonly 'too-few': number;
    readonly disagrees: number;
    /** Of the most common score, to even out the distribution. */
    readonly thinned: number;
  };
  readonly groups: { readonly read: number; readonly agreeing: number };
}

/** Whether the scores put the responses in exactly the human order: ties in one are ties in the other. */
export const ordersAgree = (
  responses: readonly { readonly value: number; readonly score: number }[],
): boolean =>
  responses.every((a, i) =>
    responses.slice(0, i).every((b) => Math.sign(a.value - b.value) === Math.sign(a.score - b.score)),
  );

/** EFT from ranked groups. Examples are named `<group>#<index>`; the thinning draws over them in that order. */
export function evaluationsFrom(groups: readonly JudgedGroup[], key: RngKey): EvaluationSelection {
  const leftOut = { unparseable: 0, 'too-few': 0, disagrees: 0 };
  let agreeing = 0;
  const kept: EvaluationExample[] = [];
  for (const group of groups) {
    const readable = examplesOf(group);
    leftOut.unparseable += group.responses.length - readable.length;
    if (readable.length < 2) leftOut['too-few'] += readable.length;
    else if (!ordersAgree(readable)) leftOut.disagrees += readable.length;
    else {
      agreeing++;
      kept.push(...readable.map(({ value: _value, ...example }) => example));
    }
  }
  const examples = thinMostCommon(kept.sort(byId), key);
  return {
    examples,
    leftOut: { ...leftOut, thinned: kept.length - examples.length },
    groups: { read: groups.length, agreeing },
  };
}

const examplesOf = ({ id, prompt, responses }: JudgedGroup): (EvaluationExample & { value: number })[] =>
  responses.flatMap(({ text, value, score, justification }, index) =>
    score === null ? [] : [{ id: `${id}#${index}`, prompt, response: text, justification, score, value }],
  );

/** Order of ids by code unit: the same in every locale. */
export const byId = (a: { readonly id: string }, b: { readonly id: string }): number =>
  a.id < b.id ? -1 : a.id > b.id ? 1 : 0;

/** Keeps of the most common score as many as the second most common has; a lone score is kept whole. */
export function thinMostCommon<T extends { readonly score: number }>(
  examples: readonly T[],
  key: RngKey,
): readonly T[] {
  const counts = new Map<number, number>();
  for (const { score } of examples) counts.set(score, (counts.get(score) ?? 0) + 1);
  const [first, second] = [...counts].sort((a, b) => b[1] - a[1] || a[0] - b[0]);
  if (!first || !second || first[1] === second[1]) return examples;
  const common = examples.filter(({ score }) => score === first[0]);
  const keep = new Set(rngOf(key).take(common, second[1]));
  return examples.filter((example) => example.score !== first[0] || keep.has(example));
}
