/**
 * The folder of one training by an external command, `training/M2.command/`: what the command is given (model/, data.jsonl,
 * job.json), what it makes (out/), what it said (output.log), and what we know of it (process.json while it runs, done.json when
 * its checkpoint was found good). Owns names, what is written there and what makes a job the same; runs nothing.
 */
import { mkdirSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import type { Checkpoint } from '../../src/lm/checkpoint.js';
import { writeCheckpoint } from '../../src/lm/checkpoint-writer.js';
import { weightsHash } from '../../src/lm/weights.js';
import { sha256 } from '../../src/log/chain.js';
import type { CommandPaths } from '../../src/protocol/command.js';
import { commandWords } from '../../src/protocol/command.js';
import type { Config } from '../../src/protocol/config.js';
import type { ToldStep } from '../../src/protocol/lm.js';
import type { BodyOf } from '../../src/protocol/messages.js';
import type { TrlStyle } from '../../src/stages/trl-rows.js';
import { jsonIn, writeAtomic } from '../../src/store/files.js';

export interface Job {
  readonly dir: string;
  readonly paths: CommandPaths;
  readonly logFile: string;
  /** What the command reads in job.json, without the paths. */
  readonly order: object;
  /** Of all that decides the outcome: order, data, weights, command. */
  readonly identity: string;
  readonly data: string;
}

const JOB_FORMAT = 1;

/** Of the rows: a run that speaks through chat templates is trained through them. */
export const styleOf = ({ command, world }: Config): TrlStyle =>
  command.style !== 'auto' ? command.style : world.format === 'chat' ? 'conversational' : 'standard';

/** `rows`: in TRL's layout. */
export function jobOf(
  folder: string,
  { from, to, stage, objective, key }: BodyOf<'model.train'>,
  config: Config,
  rows: readonly object[],
  before: Checkpoint,
): Job {
  const dir = resolve(folder);
  const { command, dpo } = config;
  const { beta: _beta, ...optimizer } = { beta: 0, ...config[objective] };
  const data = rows.map((row) => `${JSON.stringify(row)}\n`).join('');
  const order = {
    format: JOB_FORMAT,
    stage,
    from,
    to,
    objective,
    ...(objective === 'dpo' ? { beta: dpo.beta } : {}),
    optimizer,
    /** 32 bits, of the run's seed and the version. */
    seed: key[0],
    style: styleOf(config),
    rows: rows.length,
    maxTokens: before.weights.architecture.maxPositions,
  };
  const made = [order, sha256(data), weightsHash(before.weights), commandWords(command), command.env];
  return {
    dir,
    paths: {
      model: join(dir, 'model'),
      data: join(dir, 'data.jsonl'),
      out: join(dir, 'out'),
      job: join(dir, 'job.json'),
    },
    logFile: join(dir, 'output.log'),
    order,
    identity: sha256(JSON.stringify(made)),
    data,
  };
}

/** Writes all that the command reads. What another try of the same job left in out/ stays, for the command to go on from. */
export async function prepare({ dir, paths, order, identity, data }: Job, before: Checkpoint): Promise<void> {
  const known = identitySchema.safeParse(jsonIn(paths.job));
  if (!known.success || known.data.identity !== identity) rmSync(dir, { recursive: true, force: true });
  mkdirSync(paths.out, { recursive: true });
  rmSync(doneFile(dir), { force: true });
  await writeCheckpoint(paths.model, before);
  writeAtomic(paths.data, data);
  const { job: _job, ...places } = paths;
  writeAtomic(paths.job, `${JSON.stringify({ ...order, identity, paths: places }, null, 2)}\n`);
}

const identitySchema = z.object({ identity: z.string() });
const doneSchema = identitySchema.extend({
  weightsHash: z.string(),
  curve: z.array(
    z.object({
      step: z.number(),
      steps: z.number(),
      loss: z.number(),
      learningRate: z.number().nullable(),
      gradNorm: z.number().nullable(),
      accuracy: z.number().exactOptional(),
      margin: z.number().exactOptional(),
    }),
  ),
});

export interface Done {
  readonly weightsHash: string;
  readonly curve: readonly ToldStep[];
}

const doneFile = (dir: string) => join(dir, 'done.json');

export const writeDone = ({ dir, identity }: Job, done: Done): void =>
  writeAtomic(doneFile(dir), `${JSON.stringify({ identity, ...done })}\n`);

/** How the same job ended well before; null where it didn't, or where that can't be read: the command runs again then. */
export function readDone({ dir, identity }: Job): Done | null {
  const parsed = doneSchema.safeParse(jsonIn(doneFile(dir)));
  return parsed.success && parsed.data.identity === identity ? parsed.data : null;
}
