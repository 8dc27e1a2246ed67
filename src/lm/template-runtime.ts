/**
 * Runs a chat template of the library within bounds: a checkpoint's template is somebody else's program. Counted are its steps, the
 * length of every text and list it makes, and of every range. Not bounded: what one filter does within one step (a `replace` can
 * make a text as long as JavaScript's strings get, half a gigabyte, before it fails).
 */
import { Environment, Interpreter, type Template } from '@huggingface/jinja';

/** A thousand messages take the usual templates 18,000 to 72,000. */
export const MAX_STEPS = 500_000;
/** UTF-16 units, and list items. */
export const MAX_LENGTH = 2 ** 24;
const MAX_RANGE = 100_000;

/** What we use of the library: its own declarations don't resolve under NodeNext (imports without extensions). */
interface Scope {
  set(name: string, value: unknown): void;
}
type Step = (...parts: unknown[]) => unknown;
interface Inner {
  evaluate: Step;
  evaluateBlock: Step;
  run(program: unknown): { readonly value: string };
}

const tooMuch = (what: string): Error => new Error(`the template ${what}`);

/** Every statement and expression goes through `evaluate`, every turn of a loop through `evaluateBlock`. */
function bound(interpreter: Inner): void {
  let steps = 0;
  const within =
    (step: Step): Step =>
    (...parts) => {
      if (++steps > MAX_STEPS) throw tooMuch(`takes more than ${MAX_STEPS} steps`);
      const made = step.apply(interpreter, parts);
      const { value } = (made ?? {}) as { readonly value?: unknown };
      if ((typeof value === 'string' || Array.isArray(value)) && value.length > MAX_LENGTH)
        throw tooMuch(`makes more than ${MAX_LENGTH} characters or items`);
      return made;
    };
  interpreter.evaluate = within(interpreter.evaluate);
  interpreter.evaluateBlock = within(interpreter.evaluateBlock);
}

/** Python's. */
export function range(start: number, stop?: number, step = 1): number[] {
  const [from, to] = stop === undefined ? [0, start] : [start, stop];
  if (step === 0) throw new RangeError('range() arg 3 must not be zero');
  const length = Math.max(0, Math.ceil((to - from) / step));
  // Neither is NaN.
  if (!(length <= MAX_RANGE)) throw tooMuch(`asks for a range of ${length}, more than ${MAX_RANGE}`);
  return Array.from({ length }, (_, i) => from + i * step);
}

export function runTemplate(template: Template, names: Readonly<Record<string, unknown>>): string {
  const scope = new Environment() as Scope;
  for (const [name, value] of Object.entries(names)) scope.set(name, value);
  const interpreter = new Interpreter(scope as never) as unknown as Inner;
  bound(interpreter);
  return interpreter.run(template.parsed).value;
}
