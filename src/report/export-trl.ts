/**
 * A run's data in the dataset layouts that TRL documents (https://huggingface.co/docs/trl/dataset_formats): preference, prompt–
 * completion, unpaired preference. One JSON object a line, in the order of the log; beside TRL's columns stand those that lead
 * back to the log. Only open episodes are held in memory.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readLog } from '../log/reader.js';
import type { BodyOf, Envelope, ScoredResponse } from '../protocol/messages.js';
import type { Demonstration, EvaluationExample, JudgeTemplate, PromptFormat } from '../protocol/records.js';
import { eftRow, iftRow } from '../stages/seed.js';
import { chatPrompt } from '../stages/templates.js';
import type { PairFact } from '../stages/train.js';
import { judgementTexts } from '../stages/variants/meta-rewarding.js';
import { type ExportFile, exportFile, type Written } from './export-file.js';
import { README } from './export-trl-readme.js';

/** `standard`: texts; `conversational`: lists of messages, for a model with a chat template. Default: as the run's models are asked. */
export type TrlStyle = 'standard' | 'conversational';

export interface TrlSource {
  readonly name: string;
  readonly log: string;
  readonly format: PromptFormat;
  readonly template: JudgeTemplate;
}

interface Open {
  prompt: string;
  responder: string | null;
  readonly judges: Set<string>;
}

const FILES = ['preference', 'judgement-preference', 'kto', 'sft', 'judge', 'positives'] as const;
type FileName = (typeof FILES)[number];

export const TRL_FILES: readonly string[] = [...FILES.map((name) => `${name}.jsonl`), 'README.md'];

const episodeOf = (response: string): string => response.split('/')[0]!;

export async function exportTrl(
  source: TrlSource,
  dir: string,
  style: TrlStyle = source.format.through === 'chat' ? 'conversational' : 'standard',
): Promise<readonly Written[]> {
  const files = new Map<FileName, ExportFile>(FILES.map((name) => [name, exportFile(dir, `${name}.jsonl`)]));
  const open = new Map<string, Open>();
  const write = rowsOf(source, style, open, (name, row) =>
    files.get(name)!.write(`${JSON.stringify({ ...row, run: source.name })}\n`, 1),
  );
  for await (const envelope of readLog(source.log)) {
    follow(open, envelope);
    write(envelope);
  }
  const written = [...files.values()].map((file) => file.close());
  writeFileSync(join(dir, 'README.md'), README(source.name, style, source.format.through, written));
  return written;
}

/** Keeps of each open episode what its end doesn't say. */
function follow(open: Map<string, Open>, { type, body }: Envelope): void {
  if (type === 'prompt.made') {
    const { episode, prompt } = body as BodyOf<'prompt.made'>;
    open.set(episode, { prompt, responder: null, judges: new Set() });
  } else if (type === 'responses.made') {
    const { episode, candidates } = body as BodyOf<'responses.made'>;
    const own = open.get(episode);
    if (own) own.responder = candidates[0]?.version ?? null;
  } else if (type === 'judgement.made') {
    const { response, player, generation } = body as BodyOf<'judgement.made'>;
    open.get(episodeOf(response))?.judges.add(generation?.version ?? player);
  }
}

type Put = (name: FileName, row: object) => void;

/** What each message adds to the files. */
function rowsOf({ format, template }: TrlSource, style: TrlStyle, open: Map<string, Open>, put: Put) {
  const talk = style === 'conversational';
  const asked = (prompt: string) => (talk ? [{ role: 'user', content: prompt }] : chatPrompt(format, prompt));
  const said = (text: string) => (talk ? [{ role: 'assistant', content: text }] : text);
  const behind = (own: Open | undefined) => ({
    responder: own?.responder ?? null,
    judges: [...(own?.judges ?? [])],
  });

  const positives = (
    seq: number,
    iteration: number,
    prompt: string,
    found: readonly ScoredResponse[],
    own?: Open,
  ) => {
    for (const { response, text, score, judgements } of found)
      put('positives', {
        prompt: asked(prompt),
        completion: said(text),
        id: response,
        dataset: `positives-M${iteration}`,
        seq,
        score,
        judgements,
        ...behind(own),
      });
  };
  const pair = (seq: number, dataset: string, { id, prompt, chosen, rejected }: PairFact) => {
    const origin = { id, dataset, seq };
    put('preference', {
      prompt: asked(prompt),
      chosen: said(chosen.text),
      rejected: said(rejected.text),
      ...origin,
      chosen_response: chosen.response,
      rejected_response: rejected.response,
      chosen_score: chosen.score,
      rejected_score: rejected.score,
      chosen_judgements: chosen.judgements,
      rejected_judgements: rejected.judgements,
      ...behind(open.get(id)),
    });
    for (const [answer, label] of [
      [chosen, true],
      [rejected, false],
    ] as const)
      put('kto', {
        prompt: asked(prompt),
        completion: said(answer.text),
        label,
        ...origin,
        response: answer.response,
        score: answer.score,
        judgements: answer.judgements,
        ...behind(open.get(id)),
      });
  };
  const judgementPair = (seq: number, made: BodyOf<'judgement-pair.made'>) => {
    const { iteration, chosen, rejected, metaJudgements } = made;
    const [row] = judgementTexts([made], template);
    put('judgement-preference', {
      prompt: talk ? [{ role: 'user', content: row!.prompt }] : row!.prompt,
      chosen: said(row!.chosen),
      rejected: said(row!.rejected),
      id: row!.id,
      dataset: `judgements-M${iteration}`,
      seq,
      chosen_judgement: chosen.judgement,
      rejected_judgement: rejected.judgement,
      chosen_score: chosen.score,
      rejected_score: rejected.score,
      chosen_elo: chosen.elo,
      rejected_elo: rejected.elo,
      meta_judgements: metaJudgements,
    });
  };
  const evaluations = (seq: number, rows: readonly EvaluationExample[]) => {
    for (const row of rows) {
      const { id, prompt, target } = eftRow(template, row);
      put('judge', {
        prompt: talk ? [{ role: 'user', content: prompt }] : prompt,
        completion: said(target),
        id,
        dataset: 'eft',
        seq,
        score: row.score,
      });
    }
  };
  const demonstrations = (seq: number, rows: readonly Demonstration[]) => {
    for (const row of rows)
      put('sft', {
        prompt: asked(row.prompt),
        completion: said(iftRow(format, row).target),
        id: row.id,
        dataset: 'ift',
        seq,
      });
  };
  return ({ seq, type, body }: Envelope): void => {
    if (type === 'seed.given') {
      const { split, rows } = body as BodyOf<'seed.given'>;
      if (split === 'ift') demonstrations(seq, rows as unknown as Demonstration[]);
      if (split === 'eft') evaluations(seq, rows as unknown as EvaluationExample[]);
    } else if (type === 'eft.given') {
      evaluations(seq, (body as BodyOf<'eft.given'>).rows as unknown as EvaluationExample[]);
    } else if (type === 'pair.made') {
      const made = body as BodyOf<'pair.made'>;
      pair(seq, `aift-M${made.iteration}`, made);
      positives(seq, made.iteration, made.prompt, made.positives, open.get(made.id));
      open.delete(made.id);
    } else if (type === 'pair.revised') {
      const revised = body as BodyOf<'pair.revised'>;
      pair(seq, `temporal-M${revised.iteration}`, revised);
    } else if (type === 'judgement-pair.made') {
      judgementPair(seq, body as BodyOf<'judgement-pair.made'>);
    } else if (type === 'pair.withheld') {
      const { episode, iteration, positives: found } = body as BodyOf<'pair.withheld'>;
      const own = open.get(episode);
      positives(seq, iteration, own?.prompt ?? '', found, own);
      open.delete(episode);
    }
  };
}
