/**
 * Writes a run's report from its log, or from what was folded while it ran.
 */

import { basename, join } from 'node:path';
import { outcomeHash } from '../log/outcome.js';
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
  readonly outcomeHash: string;
  readonly torn: boolean;
}

export async function foldReport(log: string): Promise<Folded> {
  const facts = noFacts();
  const outcome = outcomeHash();
  const reading = readLog(log);
  for (;;) {
    const step = await reading.next();
    if (step.done) {
      const { head, torn } = step.value;
      return { facts, headHash: head, outcomeHash: outcome.digest(), torn };
    }
    foldFact(facts, step.value);
    outcome.add(step.value);
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

export async function reportText(folder: RunFolder, folded: Folded): Promise<string> {
  const { config, initial, backend, used } = readRunConfig(folder.path);
  const plots = await drawSpecs(reportPlotSpecs(folded.facts, config.evaluate.confidence));
  const name = basename(folder.path);
  return reportPage({ ...folded, name, config, initial, backend, versions: versionsIn(used) }, plots);
}

export async function writeReport(folder: RunFolder, folded: Folded, file: string): Promise<void> {
  writeAtomic(file, await reportText(folder, folded));
}
