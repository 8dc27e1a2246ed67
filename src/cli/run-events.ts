/**
 * `--json` of run, resume and fork: what happens, one JSON object a line on standard output. The last line is the end. For
 * programs that wait for a run; all else stands in its log.
 */
import { type Progress, progress, START } from '../../actors/streams.js';
import type { Run } from '../../actors/system.js';
import type { Config } from '../protocol/config.js';
import type { BodyOf } from '../protocol/messages.js';
import type { Clock } from '../protocol/ports.js';
import { printJson } from './options.js';
import { partsOf, shareDone } from './share-done.js';

const EVERY_MS = 1000;

/** Begins telling; the returned function ends it. */
export function tellEvents(run: Run, config: Config, { now }: Clock, from: Progress = START): () => void {
  const parts = partsOf(config);
  let told = Number.NEGATIVE_INFINITY;
  let phase = '';
  printJson({ event: 'started', run: run.folder.path, backend: run.backend, from: run.from });
  const facts = run.messages$.subscribe(({ type, body, seq }) => {
    if (type === 'version.made') printJson({ event: 'version', seq, ...(body as BodyOf<'version.made'>) });
    if (type === 'evaluation.made')
      printJson({ event: 'measured', seq, ...(body as BodyOf<'evaluation.made'>) });
    if (type === 'worker.crashed')
      printJson({ event: 'crashed', seq, ...(body as BodyOf<'worker.crashed'>) });
  });
  const pace = progress(run.messages$, from).subscribe((state) => {
    if (state.phase === phase && now() - told < EVERY_MS) return;
    told = now();
    phase = state.phase;
    const { measured: _, ...counts } = state;
    printJson({ event: 'progress', share: shareDone(parts, state, 0), ...counts });
  });
  return () => {
    facts.unsubscribe();
    pace.unsubscribe();
  };
}
