/**
 * Owns: HH-RLHF's transcripts and UltraFeedback's rated completions.
 */
import { z } from 'zod';
import { isPlainObject } from '../protocol/plain.js';
import { Fault, gave, hasKeys, type Layout, leftOut, type Read, rowLayout } from './layout.js';
import { type Turn, user } from './records.js';
import { preferenceFault } from './trl.js';

const SPEAKER = /\n\nHuman:|\n\nAssistant:/g;

/** `\n\nHuman: … \n\nAssistant: …` → turns. Neighbouring turns of one speaker stay two, as some transcripts have them. */
export function transcript(text: string, field: string): Turn[] {
  const marks = [...text.matchAll(SPEAKER)];
  if (marks.length === 0 || text.slice(0, marks[0]!.index).trim() !== '')
    throw new Fault('expected a transcript that begins with "\\n\\nHuman:"', field);
  return marks.map((mark, i) => ({
    role: mark[0].includes('Human') ? 'user' : 'assistant',
    content: text.slice(mark.index + mark[0].length, marks[i + 1]?.index).trim(),
  }));
}

const sameTurns = (a: readonly Turn[], b: readonly Turn[]): boolean =>
  a.length === b.length &&
  a.every(({ role, content }, i) => role === b[i]!.role && content === b[i]!.content);

function readTranscripts(row: { chosen: string; rejected: string }, number: number): Read {
  const better = transcript(row.chosen, 'chosen');
  const worse = transcript(row.rejected, 'rejected');
  const [chosen, rejected] = [better.pop()!, worse.pop()!];
  if (chosen.role !== 'assistant' || rejected.role !== 'assistant')
    return leftOut('a transcript ends without an answer');
  if (!sameTurns(better, worse)) return leftOut('the two transcripts part before their last answer');
  if (better.length === 0) return leftOut('no question before the answer');
  const fault = preferenceFault(chosen.content, rejected.content);
  if (fault) return leftOut(fault);
  const answers = { chosen: chosen.content, rejected: rejected.content };
  return gave({ kind: 'preference', id: String(number), turns: better, ...answers });
}

const isTranscript = (value: unknown): boolean => typeof value === 'string' && /^\s*Human:/.test(value);
export const hhRlhf: Layout = rowLayout(
  'hh-rlhf',
  'HH-RLHF: chosen and rejected transcripts',
  (row) =>
    isPlainObject(row) && (isTranscript(row.chosen) || isTranscript(row.rejected)) && !('prompt' in row),
  z.object({ chosen: z.string(), rejected: z.string() }),
  readTranscripts,
);

const number = z.union([z.number(), z.string().regex(/^-?\d+(\.\d+)?$/)]).transform(Number);
/** Raters write `N/A` where they gave none. */
const ratingOrNone = z.union([number, z.string().transform(() => null), z.null()]);
const completion = z.object({
  response: z.string(),
  model: z.string().nullish(),
  overall_score: ratingOrNone.optional(),
  score: ratingOrNone.optional(),
  rating: ratingOrNone.optional(),
  'fine-grained_score': ratingOrNone.optional(),
  annotations: z.record(z.string(), z.object({ Rating: ratingOrNone.optional() }).nullish()).nullish(),
});
type Completion = z.infer<typeof completion>;

/**
 * The mean of the four ratings where there are any, as the binarized set takes it; else the overall score. (Some early
 * `overall_score`s of 10 are known to be 1.0 times ten.)
 */
function ratingOf(one: Completion): number | null {
  const ratings = Object.values(one.annotations ?? {}).flatMap((a) => a?.Rating ?? []);
  if (ratings.length > 0) return ratings.reduce((sum, rating) => sum + rating, 0) / ratings.length;
  return one['fine-grained_score'] ?? one.overall_score ?? one.score ?? one.rating ?? null;
}

const feedbackRow = z
  .object({
    prompt: z.string().optional(),
    instruction: z.string().optional(),
    completions: z.array(completion),
    id: z.union([z.string(), z.number()]).optional(),
  })
  .refine(({ prompt, instruction }) => prompt !== undefined || instruction !== undefined, {
    path: ['instruction'],
    message: 'missing',
  });

export const ultraFeedback: Layout = rowLayout(
  'ultrafeedback',
  'UltraFeedback: completions with ratings',
  hasKeys('completions'),
  feedbackRow,
  ({ prompt, instruction, completions, id }, row) => {
    const left: string[] = [];
    const responses = completions.flatMap((one) => {
      const value = ratingOf(one);
      const fault =
        value === null ? 'completion without a rating' : one.response.trim() === '' && 'completion empty';
      if (fault) left.push(fault);
      return fault || value === null
        ? []
        : [{ text: one.response, value, ...(one.model ? { model: one.model } : {}) }];
    });
    if (responses.length < 2) return leftOut(...left, 'fewer than two rated completions');
    const sorted = responses.sort((a, b) => b.value - a.value);
    const turns = [user((instruction ?? prompt)!)];
    return { records: [{ kind: 'ranked', id: String(id ?? row), turns, responses: sorted }], left };
  },
);
