/**
 * What an external trainer prints, line by line → training steps. Owns the parsing; knows no process.
 *
 * A step is a line that says a loss, in JSON ({"step":3,"steps":20,"loss":0.69}; also the names of transformers' trainer state:
 * max_steps, learning_rate, grad_norm, rewards/accuracies, rewards/margins), or as the dictionary that transformers' Trainer and
 * so TRL print ({'loss': '0.69', …}), which has no number of its step: that is told by the progress bar before it
 * (`  5%|▌  | 1/20 [00:01<…`), else counted.
 */
import { z } from 'zod';
import type { ToldStep } from '../protocol/lm.js';

const number = z.union([
  z.number(),
  z
    .string()
    .trim()
    .regex(/^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i)
    .transform(Number)
    .refine(Number.isFinite),
]);
/** A field that can't be read is one that isn't there. */
const optional = number.optional().catch(undefined);
const stepSchema = z.looseObject({
  loss: number,
  step: optional,
  steps: optional,
  max_steps: optional,
  learningRate: optional,
  learning_rate: optional,
  gradNorm: optional,
  grad_norm: optional,
  accuracy: optional,
  'rewards/accuracies': optional,
  margin: optional,
  'rewards/margins': optional,
});

const BAR = /^\s*\d+%\|.*\|\s*(\d+)\/(\d+)\s*\[/;

/** A printed Python dictionary of plain values, as JSON; null for what is none. */
function fromPython(line: string): unknown {
  try {
    return JSON.parse(line.replaceAll("'", '"').replace(/\b(nan|inf|None)\b/g, 'null')) as unknown;
  } catch {
    return null;
  }
}

function objectIn(line: string): unknown {
  const text = line.trim();
  if (!text.startsWith('{') || !text.endsWith('}')) return null;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return fromPython(text);
  }
}

const whole = (value: number | undefined): number | undefined =>
  value !== undefined && Number.isSafeInteger(value) && value >= 0 ? value : undefined;

/** Takes lines in their order, gives the step that a line says, or null. */
export function createStepReader(): (line: string) => ToldStep | null {
  let bar: { readonly step: number; readonly steps: number } | undefined;
  let last = 0;
  return (line) => {
    const found = BAR.exec(line);
    if (found) bar = { step: Number(found[1]), steps: Number(found[2]) };
    const parsed = stepSchema.safeParse(objectIn(line));
    if (!parsed.success) return null;
    const said = parsed.data;
    last = whole(said.step) ?? (bar && bar.step > last ? bar.step : last + 1);
    const accuracy = said.accuracy ?? said['rewards/accuracies'];
    const margin = said.margin ?? said['rewards/margins'];
    return {
      step: last,
      steps: Math.max(last, whole(said.steps) ?? whole(said.max_steps) ?? bar?.steps ?? last),
      loss: said.loss,
      learningRate: said.learningRate ?? said.learning_rate ?? null,
      gradNorm: said.gradNorm ?? said.grad_norm ?? null,
      ...(accuracy !== undefined && { accuracy }),
      ...(margin !== undefined && { margin }),
    };
  };
}
