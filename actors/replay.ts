/**
 * Folds a run's log through the same machines with no model, no worker and no clock: proof that the log is what the machines say.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { sha256 } from '../src/log/chain.js';
import { createFold, foldLog } from '../src/log/fold.js';
import { outcomeHash } from '../src/log/outcome.js';
import type { LogEnd } from '../src/log/reader.js';
import type { BodyOf, Envelope } from '../src/protocol/messages.js';
import { readRunConfig } from '../src/store/run-config.js';
import { type Manifest, type RunFolder, readManifest, runFolder } from '../src/store/run-folder.js';
import type { Company } from './company.js';
import { createReader } from './parts.js';
import { stateText } from './role.js';
import { isLast } from './system.js';
import { createVerifier, encodingOf, type Verifier } from './verify.js';

export interface ReplayOptions {
  readonly path: string;
  /** All that was derived is derived again. */
  readonly verify: boolean;
  /** Messages with a seq up to this one; absent: all. */
  readonly until?: number;
  /** Sees every envelope as it is folded; a promise holds the fold. */
  readonly onMessage?: (envelope: Envelope) => void | Promise<void>;
}

export interface MachineState {
  readonly address: string;
  readonly state: string;
  readonly context: unknown;
}

export interface Replayed {
  readonly messages: number;
  readonly facts: number;
  readonly pairs: number;
  readonly outcomeHash: string;
  readonly headHash: string;
  readonly finished: boolean;
  /** Said and not delivered, decided on and not answered, where the log ends. */
  readonly inFlight: { readonly queued: number; readonly jobs: number };
  readonly torn: boolean;
  /** What --verify found; empty: all is equal. */
  readonly problems: readonly string[];
  /** Of every machine, where the fold ended. */
  readonly machines: () => readonly MachineState[];
}

export async function replayRun(options: ReplayOptions): Promise<Replayed> {
  const { path, verify, until = Number.POSITIVE_INFINITY, onMessage } = options;
  const folder = runFolder(path);
  const found = readRunConfig(path);
  const company = createReader(found.initial);
  const verifier = verify ? createVerifier(folder, company, await encodingOf(folder, found.initial)) : null;
  const outcome = outcomeHash();
  const problems: string[] = [];
  let pairs = 0;
  const fold = createFold({
    delivery: company.delivery,
    observe(envelope) {
      company.observe(envelope);
      outcome.add(envelope);
      verifier?.observe(envelope);
      if (envelope.type === 'pair.made') pairs++;
      if (verify && envelope.type === 'run.start')
        problems.push(...configProblems(envelope, found.initialText));
    },
    isLast,
  });
  const { end, head } = await foldLog(folder.log, fold, until + 1, onMessage);
  const done = { messages: fold.seq, headHash: head, outcomeHash: outcome.digest(), finished: fold.finished };
  if (verifier && end) problems.push(...(await endProblems(folder, verifier, done, end)));
  return {
    ...done,
    facts: outcome.facts,
    pairs,
    inFlight: { queued: company.delivery.queue.length, jobs: company.delivery.running.length },
    torn: end?.torn ?? false,
    problems,
    machines: () => statesOf(company),
  };
}

function configProblems({ body }: Envelope, text: string): string[] {
  return sha256(text) === (body as BodyOf<'run.start'>).configHash
    ? []
    : ['config.json is not the one that the run was begun with'];
}

type Done = Pick<Replayed, 'messages' | 'headHash' | 'outcomeHash' | 'finished'>;

async function endProblems(
  folder: RunFolder,
  verifier: Verifier,
  done: Done,
  end: LogEnd,
): Promise<string[]> {
  const torn = end.damaged
    ? [`chain broken at seq ${end.count}: the last line is not as it was written`]
    : end.torn
      ? [`the last line is torn: ${end.size - end.bytes} bytes of no message`]
      : [];
  const problems = [...torn, ...(await verifier.problems())];
  if (!existsSync(join(folder.path, 'manifest.json'))) return [...problems, 'manifest.json is missing'];
  return [...problems, ...manifestProblems(readManifest(folder.path), done)];
}

function manifestProblems(manifest: Manifest, { messages, headHash, outcomeHash, finished }: Done): string[] {
  const { status, count } = manifest;
  if (count > messages)
    return [`a tail is missing: the manifest knows of ${count} messages, the log holds ${messages}`];
  if (status === 'running') return [];
  const problems: string[] = [];
  if (count !== messages || manifest.headHash !== headHash)
    problems.push(
      `the manifest ends at message ${count} (${manifest.headHash.slice(0, 12)}…), the log at ${messages} (${headHash.slice(0, 12)}…)`,
    );
  if (manifest.outcomeHash !== null && manifest.outcomeHash !== outcomeHash)
    problems.push(`the manifest says outcome ${manifest.outcomeHash}, the log gives ${outcomeHash}`);
  if (status === 'finished' && !finished) problems.push('the manifest says finished, the log does not');
  return problems;
}

function statesOf({ roles }: Company): MachineState[] {
  return [...roles.living()].map(([address, { snapshot }]) => {
    const { input: _, ...context } = snapshot.context as Record<string, unknown>;
    return { address, state: stateText(snapshot.value), context };
  });
}
