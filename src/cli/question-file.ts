/**
 * The door for a file of evaluation questions: MT-Bench's, AlpacaEval's (its set or anyone's outputs on it), or any list of
 * prompts. Ids are unique: an answer is filed under its question's.
 */
import { openData, readRecords } from '../data/read.js';
import type { QuestionRecord } from '../data/records.js';
import { SoliloquyError } from '../protocol/errors.js';

export interface Question {
  readonly id: string;
  /** What the user says, turn by turn. */
  readonly turns: readonly string[];
  readonly category: string | null;
}

const FIX =
  'name a file of questions: MT-Bench’s, AlpacaEval’s, or prompts (`soliloquy data FILE` tells what it is)';

export async function readQuestions(file: string): Promise<readonly Question[]> {
  const data = await openData(file);
  const questions: Question[] = [];
  const ids = new Set<string>();
  for await (const { number, record } of readRecords(data)) {
    if (record.kind !== 'question' || record.turns === null) continue;
    if (ids.has(record.id))
      throw new SoliloquyError(
        'data.invalid',
        `${file}: ${data.rows.unit} ${number} is a second question ${record.id}`,
        {
          file,
          [data.rows.unit]: number,
          fix: 'give each question an id of its own',
        },
      );
    ids.add(record.id);
    questions.push(questionOf(record, record.turns));
  }
  if (questions.length > 0) return questions;
  throw new SoliloquyError('data.invalid', `${file} (${data.layout.name}) holds no question`, {
    file,
    fix: FIX,
  });
}

const questionOf = ({ id, category }: QuestionRecord, turns: readonly string[]): Question => ({
  id,
  turns,
  category: category ?? null,
});
