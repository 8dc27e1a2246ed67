/**
 * The inspector beside a live run: its server lives on a thread of its own and reads the log's file, so that watching costs the
 * run next to nothing. This side sends it the states that the run has anyway, and does what the page asks.
 */
import { once } from 'node:events';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { bufferTime, filter } from 'rxjs';
import type { Run } from '../../actors/system.js';
import { reasonOf, SoliloquyError } from '../protocol/errors.js';

/** To the thread. */
export type ToInspector =
  | { readonly kind: 'states'; readonly from: number; readonly states: readonly (string | null)[] }
  | { readonly kind: 'ended' }
  | { readonly kind: 'close' };

/** From the thread. */
export type FromInspector =
  | { readonly kind: 'ready'; readonly url: string | null; readonly stately: string | null }
  | { readonly kind: 'failed'; readonly reason: string }
  | { readonly kind: 'control'; readonly action: 'hold' | 'step' | 'release' | 'stop' };

/** Null: not asked for. */
export interface Shown {
  /** Port of the page. */
  readonly page: number | null;
  readonly stately: { readonly port: number; readonly redact: boolean } | null;
}

export interface InspectorSetup extends Shown {
  readonly run: string;
  readonly from: number;
}

const BATCH_MS = 200;

export interface LiveInspector {
  readonly url: string | null;
  readonly stately: string | null;
  /** The run is over; the page stays. */
  ended(): void;
  close(): Promise<void>;
}

/** Call before the run starts, so that no state is missed. */
export async function inspectLive(run: Run, shown: Shown): Promise<LiveInspector> {
  const workerData: InspectorSetup = { run: run.folder.path, from: run.from, ...shown };
  const worker = new Worker(join(import.meta.dirname, 'inspector-thread.js'), { workerData });
  const tell = (message: ToInspector) => worker.postMessage(message);
  if (shown.page !== null)
    run.states$
      .pipe(
        bufferTime(BATCH_MS),
        filter((batch) => batch.length > 0),
      )
      .subscribe((batch) =>
        tell({ kind: 'states', from: batch[0]!.seq, states: batch.map(({ state }) => state) }),
      );
  const [first] = (await once(worker, 'message')) as [FromInspector];
  if (first.kind !== 'ready') {
    await worker.terminate();
    throw new SoliloquyError(
      'usage',
      first.kind === 'failed' ? first.reason : 'the inspector did not start',
      {
        fix: 'name another port with --inspect-port or --stately-port, or leave --inspect out',
      },
    );
  }
  // Whoever watches is no part of the run.
  worker.on('error', (error) => {
    process.stderr.write(`the inspector failed (${reasonOf(error)}); the run goes on\n`);
  });
  worker.on('message', (message: FromInspector) => {
    if (message.kind === 'control') run[message.action]();
  });
  return {
    url: first.url,
    stately: first.stately,
    ended: () => tell({ kind: 'ended' }),
    async close() {
      const gone = once(worker, 'exit');
      tell({ kind: 'close' });
      await gone;
    },
  };
}
