/**
 * What a run leaves on disk beside its log: config, manifest, lineage, metrics. All of it follows from the messages; the
 * log is the truth, and a manifest that can't be written (a full disk) leaves the old one. Until it is given a folder, it only
 * takes note: a log that is folded before a run goes on writes nothing.
 */
import { appendFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { outcomeHash } from '../src/log/outcome.js';
import type { LogWriter } from '../src/log/writer.js';
import { type VersionId, versionOf } from '../src/protocol/ids.js';
import type { BodyOf, Envelope } from '../src/protocol/messages.js';
import { writeAtomic } from '../src/store/files.js';
import type { Manifest, RunFolder } from '../src/store/run-folder.js';

export interface Keeper {
  /** To be shown every envelope. */
  observe(envelope: Envelope): void;
  /** From now on it writes; what it has noted is written first, in place of what was there. */
  attach(folder: RunFolder, log: LogWriter, parent: Manifest['parent']): void;
  writeManifest(status: Manifest['status'], reason: string | null): void;
  /** The reason of `run.failed`, if it was said. */
  readonly failure: string | null;
  readonly facts: number;
  outcome(): string;
}

interface Attached {
  readonly folder: RunFolder;
  readonly log: LogWriter;
  readonly parent: Manifest['parent'];
}

/** The lines of metrics.jsonl that a measurement gives. */
export function metricLines({ seq, body }: Envelope): string {
  const { version, metrics } = body as BodyOf<'evaluation.made'>;
  return metrics.map((metric) => `${JSON.stringify({ version, ...metric, seq })}\n`).join('');
}

export function createKeeper(): Keeper {
  const outcome = outcomeHash();
  const lineage: BodyOf<'version.made'>[] = [];
  let metrics = '';
  let failure: string | null = null;
  let attached: Attached | undefined;

  const writeManifest: Keeper['writeManifest'] = (status, reason) =>
    attached?.folder.writeManifest({
      formatVersion: 2,
      status,
      count: attached.log.stored.count,
      headHash: attached.log.stored.head,
      outcomeHash: status === 'running' ? null : outcome.digest(),
      reason,
      versions: [versionOf(0), ...lineage.map(({ version }) => version)],
      parent: attached.parent,
    });
  const keepMetrics = (lines: string): void => {
    if (attached) appendFileSync(attached.folder.metrics, lines);
    else metrics += lines;
  };
  const keepVersion = (made: BodyOf<'version.made'>): void => {
    lineage.push(made);
    if (!attached) return;
    keepLineage(attached.folder, made);
    rmSync(attached.folder.training(made.version), { force: true });
  };
  return {
    observe(envelope) {
      const { type, body } = envelope;
      outcome.add(envelope);
      if (type === 'version.made') keepVersion(body as BodyOf<'version.made'>);
      if (type === 'evaluation.made') keepMetrics(metricLines(envelope));
      if (type === 'run.failed') failure = (body as BodyOf<'run.failed'>).reason;
      // So that a log whose end is lost is known by it.
      if (attached && (type === 'version.made' || type === 'evaluation.made')) {
        attached.log.sync();
        writeManifest('running', null);
        if (type === 'version.made') clearCommand(attached.folder, (body as BodyOf<'version.made'>).version);
      }
    },
    attach(folder, log, parent) {
      attached = { folder, log, parent };
      writeAtomic(folder.metrics, metrics);
      metrics = '';
      for (const made of lineage) {
        keepLineage(folder, made);
        clearCommand(folder, made.version);
      }
      writeManifest('running', null);
    },
    writeManifest,
    get failure() {
      return failure;
    },
    get facts() {
      return outcome.facts;
    },
    outcome: () => outcome.digest(),
  };
}

/** Of an external training stays what it was given and what it said; the version itself stands in models/. */
function clearCommand(folder: RunFolder, version: VersionId): void {
  for (const name of ['model', 'out', 'done.json'])
    rmSync(join(folder.command(version), name), { recursive: true, force: true });
}

function keepLineage(folder: RunFolder, lineage: BodyOf<'version.made'>): void {
  writeAtomic(join(folder.model(lineage.version), 'lineage.json'), `${JSON.stringify(lineage, null, 2)}\n`);
}
