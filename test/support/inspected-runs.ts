/**
 * Runs beside each other under a real inspector: one, a fork of it, one whose numbers are those of a run that hacks its reward, and
 * one with a hostile name. The page is that of dist/.
 */
import { join } from 'node:path';
import type { BoundHouse } from '../../src/cli/inspector-house.js';
import type { BodyOf, Envelope, Metric } from '../../src/protocol/messages.js';
import { inspect } from './inspected.js';
import { resealedRun } from './reseal.js';
import { envelopesIn, forkScripted, recordScripted, scriptedConfig } from './scripted-run.js';
import { temporaryFolder, writeTinyModel } from './tiny-run.js';

export const HOSTILE = '<img src=x onerror="window.hacked=1">';

/** The self-score climbs, the true score falls: as the experiment `hacking` comes out. */
export const HACKED: Readonly<Record<string, { readonly self: number; readonly truth: number }>> = {
  M0: { self: 3.9, truth: 4.4 },
  SFT: { self: 3.6, truth: 3.4 },
  M1: { self: 3.625, truth: 3.5 },
  M2: { self: 4.5, truth: 2.75 },
};

function hackedMetric(version: string, metric: Metric): Metric {
  const { self, truth } = HACKED[version]!;
  const value = { 'self.score': self, 'true.score': truth, gap: self - truth }[metric.name];
  if (value === undefined) return metric;
  return { ...metric, value, interval: { low: value - 0.125, high: value + 0.125 }, n: 300 };
}

const hacked = (envelope: Envelope): Envelope => {
  if (envelope.type === 'evaluation.made') {
    const { version, metrics } = envelope.body as BodyOf<'evaluation.made'>;
    return {
      ...envelope,
      body: { version, metrics: metrics.map((metric) => hackedMetric(version, metric)) },
    } as Envelope;
  }
  if (envelope.type === 'version.made' && (envelope.body as BodyOf<'version.made'>).judge !== null)
    return { ...envelope, body: { ...envelope.body, judge: HOSTILE } } as Envelope;
  return envelope;
};

export interface Inspected {
  readonly url: (path: string) => string;
  readonly house: BoundHouse;
  readonly folderOf: (run: string) => string;
  /** Messages of `one` and of its fork. */
  readonly one: readonly Envelope[];
  readonly fork: readonly Envelope[];
  close(): Promise<void>;
}

export async function inspectRuns(): Promise<Inspected> {
  const folder = temporaryFolder();
  const folderOf = (run: string) => join(folder.path, 'runs', run);
  const model = await writeTinyModel(join(folder.path, 'm0'));
  await recordScripted(scriptedConfig(model, { iterations: 1 }), folderOf('one'));
  await forkScripted(folderOf('one'), folderOf('fork'), 'M1', { dpo: { beta: 0.5 } });
  resealedRun(folderOf('one'), folderOf('hacked'), (all) => all.map(hacked));
  resealedRun(folderOf('hacked'), folderOf(HOSTILE), (all) => all);
  const inspected = await inspect(folderOf('one'));
  return {
    url: inspected.at,
    house: inspected.house,
    folderOf,
    one: await envelopesIn(folderOf('one')),
    fork: await envelopesIn(folderOf('fork')),
    async close() {
      await inspected.close();
      folder.remove();
    },
  };
}
