/**
 * Writes a run's report from its log, or from what was folded while it ran.
 */

import { basename, join } from 'node:path';
import { readLog } from '../log/reader.js';
import { drawSpecs } from '../report/draw-plot.js';
import { foldFact, noFacts, type ReportFacts } from '../report/report-facts.js';
import { reportPage } from '../report/report-page.js';
import { reportPlotSpecs } from '../report/report-plots.js';
import { writeAtomic } from '../store/files.js';
import { readRunConfig } from '../store/run-config.js';
import type { RunFolder } from '../store/run-folder.js';

/** What a log says, and how it ends. */
export interface Folded {
  readonly facts: ReportFacts;
  readonly headHash: string;
  readonly torn: boolean;
}

export async function foldReport(log: string): Promise<Folded> {
  const facts = noFacts();
  const reading = readLog(log);
  for (;;) {
    const step = await reading.next();
    if (step.done) return { facts, headHash: step.value.head, torn: step.value.torn };
    foldFact(facts, step.value);
  }
}

/** Programs that config.json names with their versions. */
const versionsIn = (used: Readonly<Record<string, unknown>>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(used).flatMap(([name, value]) =>
      typeof value === 'string' && name !== 'backend' ? [[name, value]] : [],
    ),
  );

export const reportFile = (folder: RunFolder): string => join(folder.path, 'report.html');

export async function reportText(folder: RunFolder, { facts, headHash, torn }: Folded): Promise<string> {
  const { config, initial, backend, used } = readRunConfig(folder.path);
  const plots = await drawSpecs(reportPlotSpecs(facts, config.evaluate.confidence));
  const name = basename(folder.path);
  return reportPage(
    { name, config, initial, backend, versions: versionsIn(used), facts, headHash, torn },
    plots,
  );
}

export async function writeReport(folder: RunFolder, folded: Folded, file: string): Promise<void> {
  writeAtomic(file, await reportText(folder, folded));
}
