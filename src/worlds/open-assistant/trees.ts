/**
 * Owns: the schema of an Open Assistant message-tree export, as far as first turns go, and which first turns can be
 * used. Deeper turns are not looked at. Paper §3.1: first turns, one language, human ranks (0 is best).
 */
import { z } from 'zod';
import { SoliloquyError } from '../../protocol/errors.js';
import { type Line, linesOf } from './lines.js';

export const message = z.object({
  message_id: z.string().min(1),
  text: z.string(),
  role: z.enum(['prompter', 'assistant']),
  lang: z.string(),
  deleted: z.boolean().nullish(),
  /** False: reviewers refused it (spam, not the language it claims). */
  review_result: z.boolean().nullish(),
  /** Human rank among its siblings, 0 the best; absent where nobody ranked. */
  rank: z.number().int().min(0).nullish(),
});
const tree = z.object({
  message_tree_id: z.string().min(1),
  tree_state: z.string().nullish(),
  prompt: message.extend({ replies: z.array(message).nullish() }),
});
type TreeLine = z.output<typeof tree>;
export type Message = z.output<typeof message>;

export interface RankedReply {
  readonly text: string;
  readonly rank: number;
}

/** A usable first turn: its prompt and the replies people ranked, best first. */
export interface FirstTurn {
  /** The tree's id. */
  readonly id: string;
  readonly prompt: string;
  readonly replies: readonly RankedReply[];
}

export interface TreeRules {
  readonly language: string;
  /** Longer prompts and replies (characters) are left out; 0 = none. */
  readonly maxPromptChars: number;
  readonly maxReplyChars: number;
}

export interface FirstTurns {
  readonly turns: readonly FirstTurn[];
  readonly read: number;
  /** Reason → trees left out. */
  readonly treesOut: Readonly<Record<string, number>>;
  /** Reason → replies left out of the trees that were kept. */
  readonly repliesOut: Readonly<Record<string, number>>;
}

/** All usable first turns, by tree id: the order of the file plays no part. */
export async function readFirstTurns(path: string, rules: TreeRules): Promise<FirstTurns> {
  const turns: FirstTurn[] = [];
  const treesOut: Record<string, number> = {};
  const repliesOut: Record<string, number> = {};
  let read = 0;
  for await (const line of linesOf(path)) {
    const parsed = parseTree(path, line);
    read++;
    const reason = promptFault(parsed, rules);
    if (reason) count(treesOut, reason);
    else turns.push(firstTurn(parsed, rules, repliesOut));
  }
  const distinct = firstOfEachPrompt(turns.sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0)));
  if (distinct.length < turns.length)
    treesOut['same prompt as another tree'] = turns.length - distinct.length;
  return { turns: distinct, read, treesOut, repliesOut };
}

const count = (counts: Record<string, number>, reason: string): void => {
  counts[reason] = (counts[reason] ?? 0) + 1;
};

function parseTree(path: string, line: Line): TreeLine {
  const result = tree.safeParse(parseJson(path, line));
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  throw invalid(path, line, `${issue.path.join('.') || '(the line)'}: ${issue.message}`);
}

function parseJson(path: string, line: Line): unknown {
  try {
    return JSON.parse(line.text.replace(/^\uFEFF/, ''));
  } catch (cause) {
    throw invalid(path, line, 'is not JSON', cause);
  }
}

const invalid = (path: string, line: Line, what: string, cause?: unknown): SoliloquyError =>
  new SoliloquyError(
    'data.invalid',
    `${path}:${line.number}: ${what}`,
    {
      file: path,
      line: line.number,
      fix: 'repair or remove the line; the world reads exports of whole message trees ("message_tree_id", "prompt", "replies")',
    },
    { cause },
  );

/** States of trees that reviewers gave up. */
export const REFUSED_STATES = new Set(['aborted_low_grade', 'halted_by_moderator']);

/** Why a first turn is of no use, or undefined. */
function promptFault({ prompt, tree_state }: TreeLine, rules: TreeRules): string | undefined {
  if (prompt.role !== 'prompter') return 'root is no prompt';
  if (prompt.lang !== rules.language) return `language is not ${rules.language}`;
  if (tree_state && REFUSED_STATES.has(tree_state)) return `tree ${tree_state.replaceAll('_', ' ')}`;
  return textFault(prompt, rules.maxPromptChars, 'prompt');
}

/** Why a text is of no use, or undefined. `maxChars` 0 = no limit. */
export function textFault(message: Message, maxChars: number, what: string): string | undefined {
  if (message.deleted) return `${what} deleted`;
  if (message.review_result === false) return `${what} refused in review`;
  if (message.text.trim() === '') return `${what} empty`;
  if (maxChars > 0 && message.text.length > maxChars) return `${what} longer than ${maxChars} characters`;
  return undefined;
}

function firstTurn(
  { message_tree_id: id, prompt }: TreeLine,
  rules: TreeRules,
  out: Record<string, number>,
): FirstTurn {
  const replies: RankedReply[] = [];
  for (const reply of prompt.replies ?? []) {
    const reason = replyFault(reply, rules);
    if (reason) count(out, reason);
    else replies.push({ text: reply.text, rank: reply.rank! });
  }
  return { id, prompt: prompt.text, replies: replies.sort((a, b) => a.rank - b.rank) };
}

function replyFault(reply: Message, rules: TreeRules): string | undefined {
  if (reply.role !== 'assistant') return 'reply is no assistant’s';
  if (reply.lang !== rules.language) return `reply language is not ${rules.language}`;
  if (reply.rank === undefined || reply.rank === null) return 'reply not ranked';
  return textFault(reply, rules.maxReplyChars, 'reply');
}

/** The tree of lowest id for each prompt, so that no prompt stands on both sides of the held-out split. */
function firstOfEachPrompt(turns: readonly FirstTurn[]): readonly FirstTurn[] {
  const seen = new Set<string>();
  return turns.filter(({ prompt }) => {
    const normal = prompt.toLowerCase().replace(/\s+/g, ' ').trim();
    return !seen.has(normal) && seen.add(normal);
  });
}
