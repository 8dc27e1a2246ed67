/**
 * Owns: Open Assistant's exports, every turn of them: whole message trees, flat messages (as the Hub's tables have them) and
 * groups of ranked replies. The world (src/worlds/open-assistant/) reads first turns of one language; this reads all.
 * Flat messages are put together tree by tree: rows of one tree must stand together, as they do in the published files.
 */
import { z } from 'zod';
import { type Message, message, REFUSED_STATES, textFault } from '../worlds/open-assistant/trees.js';
import { Fault, gave, hasKeys, type Layout, type Read, type RowReader, rowLayout, shaped } from './layout.js';
import type { DataRecord, Turn } from './records.js';

type Node = Message & { readonly replies?: readonly Node[] | null | undefined };
const node: z.ZodType<Node> = message.extend({
  get replies() {
    return z.array(node).nullish();
  },
});

const turnOf = ({ role, text }: { readonly role: Message['role']; readonly text: string }): Turn => ({
  role: role === 'prompter' ? 'user' : 'assistant',
  content: text,
});

/** A deeper tree is no conversation but an attack on the stack. */
const MAX_DEPTH = 200;

/** The records of one prompt and of all prompts below it. */
function walk(prompt: Node, before: readonly Turn[], records: DataRecord[], left: string[]): void {
  if (before.length > MAX_DEPTH) throw new Fault(`more than ${MAX_DEPTH} turns deep`);
  const reason = prompt.role === 'prompter' ? textFault(prompt, 0, 'prompt') : 'turn is no prompt';
  if (reason) return void left.push(reason);
  const turns = [...before, turnOf(prompt)];
  const ranked: { text: string; value: number }[] = [];
  for (const reply of prompt.replies ?? []) {
    const fault = reply.role === 'assistant' ? textFault(reply, 0, 'reply') : 'reply is no assistant’s';
    if (fault) {
      left.push(fault);
      continue;
    }
    const { rank, text } = reply;
    if (rank === undefined || rank === null) left.push('reply not ranked');
    else ranked.push({ text, value: 0 - rank });
    for (const next of reply.replies ?? []) walk(next, [...turns, turnOf(reply)], records, left);
  }
  const id = prompt.message_id;
  const best = ranked.find(({ value }) => value === 0);
  if (best) records.push({ kind: 'instruction', id, turns, response: best.text });
  if (ranked.length > 1)
    records.push({ kind: 'ranked', id, turns, responses: ranked.sort((a, b) => b.value - a.value) });
}

function readTree(root: Node, state: string | null | undefined): Read {
  if (state && REFUSED_STATES.has(state))
    return { records: [], left: [`tree ${state.replaceAll('_', ' ')}`] };
  const records: DataRecord[] = [];
  const left: string[] = [];
  walk(root, [], records, left);
  return { records, left: records.length + left.length > 0 ? left : ['prompt without ranked replies'] };
}

const treeRow = z.object({ tree_state: z.string().nullish(), prompt: node });

export const oaTrees: Layout = rowLayout(
  'oa-trees',
  'Open Assistant: message trees',
  hasKeys('message_tree_id', 'prompt'),
  treeRow,
  ({ prompt, tree_state }) => readTree(prompt, tree_state),
);

export const oaRoots: Layout = rowLayout(
  'oa-message-roots',
  'Open Assistant: messages with their replies inside',
  hasKeys('message_id', 'text', 'role', 'replies'),
  node,
  (root) => readTree(root, null),
);

const flat = message.extend({
  parent_id: z.string().nullish(),
  message_tree_id: z.string().min(1),
  tree_state: z.string().nullish(),
});
type Flat = z.infer<typeof flat>;
type Growing = Message & { replies: Growing[] };

/** Messages of one tree, at most: the published trees have a few hundred. */
const MAX_TREE = 20_000;

class FlatReader implements RowReader {
  private tree: { id: string; state: string | null | undefined; root: Growing } | undefined;
  private readonly nodes = new Map<string, Growing>();

  row(value: unknown): Read {
    const { parent_id, message_tree_id, tree_state, ...rest }: Flat = shaped(flat, value);
    const own: Growing = { ...rest, replies: [] };
    const ended = this.tree && this.tree.id !== message_tree_id ? this.end() : { records: [], left: [] };
    if (!this.tree && !parent_id) this.tree = { id: message_tree_id, state: tree_state, root: own };
    else if (!this.tree)
      return { ...ended, left: [...ended.left, 'its tree’s first message is not before it'] };
    else {
      const parent = this.nodes.get(parent_id ?? '');
      if (!parent) return { ...ended, left: [...ended.left, 'its parent is not before it'] };
      if (this.nodes.size >= MAX_TREE) throw new Fault(`a tree of more than ${MAX_TREE} messages`);
      parent.replies.push(own);
    }
    this.nodes.set(own.message_id, own);
    return ended;
  }

  end(): Read {
    const tree = this.tree;
    this.tree = undefined;
    this.nodes.clear();
    return tree ? readTree(tree.root, tree.state) : { records: [], left: [] };
  }
}

const isFlat = hasKeys('message_id', 'message_tree_id', 'text', 'role');
export const oaMessages: Layout = {
  name: 'oa-messages',
  title: 'Open Assistant: flat messages',
  recognises: (row) => isFlat(row) && !Object.hasOwn(row, 'replies'),
  reader: () => new FlatReader(),
};

const groupRow = z.object({
  message_id: z.string().optional(),
  context: z.array(z.object({ role: message.shape.role, text: z.string() })).min(1),
  replies: z.array(z.object({ text: z.string(), rank: z.number().int().min(0) })).min(2),
});

export const oaGroups: Layout = rowLayout(
  'oa-ranked-groups',
  'Open Assistant: contexts with ranked replies',
  hasKeys('context', 'replies'),
  groupRow,
  ({ message_id, context, replies }, number) =>
    gave({
      kind: 'ranked',
      id: message_id ?? String(number),
      turns: context.map(turnOf),
      responses: replies.map(({ text, rank }) => ({ text, value: 0 - rank })),
    }),
);
