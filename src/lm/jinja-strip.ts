/**
 * `text.strip('\n')` in a template, as Python has it. @huggingface/jinja (0.5) takes no notice of the argument and strips all white
 * space, which Qwen3's template would lose the spaces before an answer by. Calls with an argument are rewritten, in the parsed
 * template, to calls of functions that heed it.
 */

type Strip = (text: unknown, chars: unknown) => string;

function stripped(text: unknown, chars: unknown, start: boolean, end: boolean): string {
  if (typeof text !== 'string' || (typeof chars !== 'string' && chars != null))
    throw new TypeError('strip() takes a text');
  const mine = (char: string | undefined) =>
    char !== undefined && (chars == null ? char.trim() === '' : (chars as string).includes(char));
  const letters = [...text];
  let [from, to] = [0, letters.length];
  while (start && from < to && mine(letters[from])) from++;
  while (end && to > from && mine(letters[to - 1])) to--;
  return letters.slice(from, to).join('');
}

/** Names that no template writes. */
const NAMES: Readonly<Record<string, string>> = {
  strip: 'strip of text',
  lstrip: 'lstrip of text',
  rstrip: 'rstrip of text',
};

export const stripFunctions: Readonly<Record<string, Strip>> = {
  [NAMES.strip!]: (text, chars) => stripped(text, chars, true, true),
  [NAMES.lstrip!]: (text, chars) => stripped(text, chars, true, false),
  [NAMES.rstrip!]: (text, chars) => stripped(text, chars, false, true),
};

interface Node {
  readonly type?: unknown;
  callee?: Node;
  args?: Node[];
  readonly object?: Node;
  readonly property?: Node;
  readonly computed?: unknown;
  readonly value?: unknown;
}

/** Rewrites in place what `new Template(text).parsed` holds. */
export function heedStripArguments(parsed: object): void {
  for (const child of Object.values(parsed))
    if (typeof child === 'object' && child !== null) heedStripArguments(child);
  const node = parsed as Node;
  const { callee, args } = node;
  if (node.type !== 'CallExpression' || callee?.type !== 'MemberExpression' || !args?.length) return;
  const name = callee.computed ? undefined : NAMES[String(callee.property?.value)];
  if (name === undefined) return;
  node.args = [callee.object!, ...args];
  node.callee = Object.assign(Object.create(Object.getPrototypeOf(callee.property)) as object, {
    type: 'Identifier',
    value: name,
  });
}
