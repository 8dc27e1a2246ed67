/**
 * Owns: the few records that every data layout becomes. Plain data. A prompt is the turns before the answer, oldest first;
 * how a model is spoken to is no matter here.
 */
import { plainFormat } from '../protocol/templates.js';
import { chatPrompt } from '../stages/templates.js';

export interface Turn {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

/** A prompt with the answer to learn. */
export interface InstructionRecord {
  readonly kind: 'instruction';
  readonly id: string;
  readonly turns: readonly Turn[];
  readonly response: string;
}

export interface PreferenceRecord {
  readonly kind: 'preference';
  readonly id: string;
  readonly turns: readonly Turn[];
  readonly chosen: string;
  readonly rejected: string;
}

/** Several answers in the order people (or a rater) put them in. */
export interface RankedRecord {
  readonly kind: 'ranked';
  readonly id: string;
  readonly turns: readonly Turn[];
  /** `value`: higher is better. */
  readonly responses: readonly { readonly text: string; readonly value: number; readonly model?: string }[];
}

/** An evaluation prompt of one or more user turns, perhaps with an answer to it. */
export interface QuestionRecord {
  readonly kind: 'question';
  readonly id: string;
  /** Null where the file names a question by its id alone. */
  readonly turns: readonly string[] | null;
  readonly category?: string;
  readonly answer?: { readonly model: string; readonly turns: readonly string[] };
}

/** One verdict of a person or a judge. */
export interface AnnotationRecord {
  readonly kind: 'annotation';
  readonly id: string;
  /** Empty where the file has only ids. */
  readonly turns: readonly Turn[];
  /** What was judged: one answer (a score) or two (a preference). */
  readonly answers: readonly { readonly text: string | null; readonly model: string | null }[];
  readonly by: string;
  /** Of two answers: 1 the first, 2 the second, 1.5 a tie, or between them. */
  readonly preference: number | null;
  /** Of one answer. */
  readonly score: number | null;
  /** MT-Bench: which turn was judged. */
  readonly turn?: number;
}

export type DataRecord =
  | InstructionRecord
  | PreferenceRecord
  | RankedRecord
  | QuestionRecord
  | AnnotationRecord;

export const user = (content: string): Turn => ({ role: 'user', content });

/** A prompt as the text a judge reads: one question as it stands, a longer talk with who said what. */
export function promptText(turns: readonly Turn[]): string {
  if (turns.length === 1) return turns[0]!.content;
  const names = { system: 'System', user: 'User', assistant: 'Assistant' };
  return turns.map(({ role, content }) => `${names[role]}: ${content}`).join('\n\n');
}

/** A turn rendered plainly, for models without a chat template. */
export function plainTurn({ role, content }: Turn): string {
  switch (role) {
    case 'system':
      return `${content}\n\n`;
    case 'user':
      return chatPrompt(plainFormat, content);
    case 'assistant':
      return `${content}\n\n`;
    default:
      return role satisfies never;
  }
}
