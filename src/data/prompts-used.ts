/**
 * Owns: what one data file gives a world: demonstrations, ranked groups and evaluation prompts of one user turn, and what it
 * gives that a world has no use for, by reason. Paper §3.1: first turns.
 */
import { pairGroups } from './bench-cases.js';
import { openData, readRows } from './read.js';
import { type AnnotationRecord, type DataRecord, type Turn, user } from './records.js';

export interface Demonstrated {
  readonly id: string;
  readonly prompt: string;
  readonly response: string;
}

export interface Ranked {
  readonly id: string;
  readonly prompt: string;
  readonly responses: readonly { readonly text: string; readonly value: number }[];
}

export interface Asked {
  readonly id: string;
  readonly prompt: string;
}

/** Reason → how many. */
export type Counts = Record<string, number>;

export interface Given {
  readonly file: string;
  readonly layout: string;
  readonly rows: number;
  readonly demonstrations: readonly Demonstrated[];
  readonly ranked: readonly Ranked[];
  readonly questions: readonly Asked[];
  readonly out: Readonly<Counts>;
}

/** Layouts whose annotations are people's, with both texts. */
const PEOPLE = new Set(['llmbar', 'pandalm']);

export const count = (counts: Counts, reason: string, by = 1): void => {
  counts[reason] = (counts[reason] ?? 0) + by;
};

class Gathering {
  readonly demonstrations: Demonstrated[] = [];
  readonly ranked: Ranked[] = [];
  readonly questions: Asked[] = [];
  readonly annotations: AnnotationRecord[] = [];
  readonly out: Counts = {};

  constructor(
    private readonly isPeople: boolean,
    private readonly maxChars: number,
  ) {}

  take(record: DataRecord): void {
    switch (record.kind) {
      case 'instruction': {
        const { id, turns, response } = record;
        this.keep(turns, [response], (prompt) => this.demonstrations.push({ id, prompt, response }));
        break;
      }
      case 'preference': {
        const { id, turns, chosen, rejected } = record;
        const pair = [
          { text: chosen, value: 1 },
          { text: rejected, value: 0 },
        ];
        this.rank(id, turns, pair);
        break;
      }
      case 'ranked':
        this.rank(
          record.id,
          record.turns,
          record.responses.map(({ text, value }) => ({ text, value })),
        );
        break;
      case 'question':
        this.question(record.id, record.turns);
        break;
      case 'annotation':
        if (this.isPeople) this.annotations.push(record);
        else count(this.out, 'verdict of a judge');
        break;
      default:
        record satisfies never;
    }
  }

  /** People's verdicts stand together once all are read. */
  end(): void {
    for (const { id, prompt, responses } of pairGroups(this.annotations))
      this.rank(id, [user(prompt)], responses);
  }

  private rank(id: string, turns: readonly Turn[], responses: Ranked['responses']): void {
    const texts = responses.map(({ text }) => text);
    this.keep(turns, texts, (prompt) => this.ranked.push({ id, prompt, responses }));
  }

  private question(id: string, turns: readonly string[] | null): void {
    if (turns === null) {
      count(this.out, 'answer without its question');
      return;
    }
    this.keep([user(turns[0]!)], [], (prompt) => this.questions.push({ id, prompt }));
    if (turns.length > 1) count(this.out, 'later turn of a question', turns.length - 1);
  }

  private keep(turns: readonly Turn[], answers: readonly string[], push: (prompt: string) => void): void {
    const reason = this.fault(turns, answers);
    if (reason === undefined) push(turns[0]!.content);
    else count(this.out, reason);
  }

  private fault(turns: readonly Turn[], answers: readonly string[]): string | undefined {
    const [only] = turns;
    if (turns.length !== 1 || only?.role !== 'user') return 'prompt of several turns';
    if (only.content.trim() === '') return 'prompt empty';
    const longest = Math.max(...[only.content, ...answers].map((text) => text.length));
    const isLong = this.maxChars > 0 && longest > this.maxChars;
    return isLong ? `text longer than ${this.maxChars} characters` : undefined;
  }
}

/** All that a file gives. A row that is not as its layout says ends it with `data.invalid`. `maxChars` 0 = no limit. */
export async function readGiven(file: string, maxChars: number): Promise<Given> {
  const data = await openData(file);
  const gathering = new Gathering(PEOPLE.has(data.layout.name), maxChars);
  let rows = 0;
  let last = 0;
  for await (const { number, records, left } of readRows(data)) {
    if (number !== last) rows++;
    last = number;
    for (const record of records) gathering.take(record);
    for (const reason of left) count(gathering.out, reason);
  }
  gathering.end();
  const { demonstrations, ranked, questions, out } = gathering;
  return { file, layout: data.layout.name, rows, demonstrations, ranked, questions, out };
}
