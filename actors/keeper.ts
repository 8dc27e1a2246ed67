/**
 * What a run leaves on disk beside its log: config, manifest, lineage, metrics. All of it follows from the messages; the
 * log is the truth, and a manifest that can't be written (a full disk) leaves the old one.
 */
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { outcomeHash } from '../src/log/outcome.js';
import type { LogWriter } from '../src/log/writer.js';
import { versionOf } from '../src/protocol/ids.js';
import type { BodyOf, Envelope } from '../src/protocol/messages.js';
import { writeAtomic } from '../src/store/files.js';
import type { Manifest, RunFolder } from '../src/store/run-folder.js';

export interface Keeper {
  /** To be shown every envelope. */
  observe(envelope: Envelope): void;
  writeManifest(status: Manifest['status'], reason: string | null): void;
  /** The reason of `run.failed`, if it was said. */
  readonly failure: string | null;
  outcome(): string;
}

export function createKeeper(folder: RunFolder, log: LogWriter): Keeper {
  const outcome = outcomeHash();
  const versions: string[] = [versionOf(0)];
  let failure: string | null = null;
  const writeManifest: Keeper['writeManifest'] = (status, reason) =>
    folder.writeManifest({
      formatVersion: 1,
      status,
      count: log.count,
      headHash: log.head,
      outcomeHash: status === 'running' ? null : outcome.digest(),
      reason,
      versions,
    });
  return {
    observe(envelope) {
      outcome.add(envelope);
      if (envelope.type === 'version.made')
        versions.push(keepLineage(folder, envelope.body as BodyOf<'version.made'>));
      if (envelope.type === 'evaluation.made') keepMetrics(folder, envelope);
      if (envelope.type === 'run.failed') failure = (envelope.body as BodyOf<'run.failed'>).reason;
    },
    writeManifest,
    get failure() {
      return failure;
    },
    outcome: () => outcome.digest(),
  };
}

function keepLineage(folder: RunFolder, lineage: BodyOf<'version.made'>): string {
  writeAtomic(join(folder.model(lineage.version), 'lineage.json'), `${JSON.stringify(lineage, null, 2)}\n`);
  return lineage.version;
}

function keepMetrics(folder: RunFolder, { seq, body }: Envelope): void {
  const { version, metrics } = body as BodyOf<'evaluation.made'>;
  const lines = metrics.map((metric) => `${JSON.stringify({ version, ...metric, seq })}\n`);
  appendFileSync(folder.metrics, lines.join(''));
}
