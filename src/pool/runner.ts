/**
 * Tasks on worker threads: one task a thread at a time, first in, first out. A task whose thread died is done again, each death
 * is told to `onWorkerCrash`; a task that fails is a `SoliloquyError` and is not. After `close` nothing of it is left:
 * no thread, no port, no timer.
 */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Piscina } from 'piscina';
import type { BackendChoice } from '../protocol/backends.js';
import { type ErrorCode, reasonOf, SoliloquyError } from '../protocol/errors.js';
import {
  type Answers,
  answerSchemas,
  type Envelope,
  type Fault,
  type Held,
  replySchema,
  type Task,
  type TaskKind,
} from './messages.js';

/** How often one task may outlive its thread. */
const RETRIES = 3;
/** Retired keys that are told to workers; older ones have long been pushed out of their caches. */
const RETIRED_KEPT = 32;

export interface WorkerCrash {
  /** null: the thread died between tasks. */
  readonly task: TaskKind | null;
  /** From 1. */
  readonly attempt: number;
  readonly reason: string;
  /** false: the task is given up. */
  readonly retried: boolean;
}

/** Tests only: the thread that does the `nth` task of a kind (from 1) dies. */
export interface PlannedFault {
  readonly task: TaskKind;
  readonly nth: number;
  readonly how: Fault;
}

export interface RunnerOptions {
  readonly workers: number;
  readonly onWorkerCrash: (crash: WorkerCrash) => void;
  readonly faults: readonly PlannedFault[];
}

export interface Runner {
  run<T extends Task>(backend: BackendChoice, task: T): Promise<Answers[T['kind']]>;
  /** Workers drop what they loaded under this key with their next task. */
  retire(key: string): void;
  /** What living workers said they keep. */
  held(): readonly Held[];
  threadIds(): readonly number[];
  /** Tests only: kills one thread. */
  kill(index: number): Promise<void>;
  close(): Promise<void>;
}

/** Workers run built JavaScript: beside this file, or in `dist/` when this file is TypeScript (under vitest). */
export function workerFile(here: string = import.meta.url): string {
  const file = fileURLToPath(
    new URL(here.endsWith('.ts') ? '../../dist/src/pool/worker.js' : './worker.js', here),
  );
  if (existsSync(file)) return file;
  throw new SoliloquyError('worker.failed', `${file} does not exist`, {
    file,
    fix: 'Build first: npm run build',
  });
}

const closedError = () => new SoliloquyError('worker.failed', 'the model was closed', { closed: true });

function errorOf(
  { code, message, fields }: { code: string | null; message: string; fields: Record<string, unknown> },
  task: TaskKind,
): SoliloquyError {
  if (code === null) return new SoliloquyError('model.failed', `${task}: ${message}`, { task, ...fields });
  // The code crossed a thread as text; only our own errors carry one.
  return new SoliloquyError(code as ErrorCode, message, fields);
}

/** Piscina's idle threads don't keep the process alive, not even for a task that waits for a new thread. */
function createKeepAlive(): { readonly during: <T>(work: Promise<T>) => Promise<T> } {
  let running = 0;
  let timer: NodeJS.Timeout | undefined;
  return {
    async during(work) {
      running++;
      timer ??= setInterval(() => undefined, 0x7fffffff);
      try {
        return await work;
      } finally {
        running--;
        if (running === 0) {
          clearInterval(timer);
          timer = undefined;
        }
      }
    },
  };
}

/** Counts the tasks of each kind as they are sent. */
function createFaultPlan(faults: readonly PlannedFault[]): (kind: TaskKind) => Fault | null {
  const sent = new Map<TaskKind, number>();
  return (kind) => {
    const nth = (sent.get(kind) ?? 0) + 1;
    sent.set(kind, nth);
    return faults.find((fault) => fault.task === kind && fault.nth === nth)?.how ?? null;
  };
}

interface RetryContext {
  readonly closed: () => boolean;
  /** Some thread is there, or comes. */
  readonly alive: () => boolean;
  readonly onWorkerCrash: (crash: WorkerCrash) => void;
}

/** `once` rejects with a SoliloquyError where the task failed, with anything else where its thread died. */
async function withRetries(
  task: TaskKind,
  once: () => Promise<unknown>,
  context: RetryContext,
): Promise<unknown> {
  for (let attempt = 1; ; attempt++) {
    if (context.closed()) throw closedError();
    try {
      return await once();
    } catch (cause) {
      if (cause instanceof SoliloquyError) throw cause;
      if (context.closed()) throw closedError();
      const reason = reasonOf(cause);
      const retried = attempt <= RETRIES && context.alive();
      context.onWorkerCrash({ task, attempt, reason, retried });
      if (retried) continue;
      const said = `${task}: its worker died ${attempt} times, last: ${reason}`;
      throw new SoliloquyError('worker.failed', said, { task, attempts: attempt }, { cause });
    }
  }
}

function answerOf<T extends Task>(task: T, value: unknown): Answers[T['kind']] {
  const answer = answerSchemas[task.kind].safeParse(value);
  if (answer.success) return answer.data as Answers[T['kind']];
  const said = `${task.kind}: the answer is none`;
  throw new SoliloquyError('model.failed', said, { task: task.kind }, { cause: answer.error });
}

function startPool({ workers, onWorkerCrash }: RunnerOptions): Piscina {
  const pool = new Piscina({
    filename: workerFile(),
    minThreads: workers,
    maxThreads: workers,
    idleTimeout: Number.POSITIVE_INFINITY,
    atomics: 'async',
    execArgv: [],
  });
  pool.on('error', (error) => {
    onWorkerCrash({ task: null, attempt: 1, reason: reasonOf(error), retried: false });
    // No thread came up again: what waits would wait for ever.
    if (pool.threads.length === 0 && pool.queueSize > 0) void pool.destroy();
  });
  return pool;
}

const remember = (set: Set<Promise<unknown>>, work: Promise<unknown>): void => {
  const forget = () => void set.delete(work);
  set.add(work);
  work.then(forget, forget);
};

async function endOf(pool: Piscina, stop: Int32Array, unkillable: ReadonlySet<Promise<unknown>>) {
  Atomics.store(stop, 0, 1);
  await Promise.allSettled(unkillable);
  await pool.destroy();
}

export function createRunner(options: RunnerOptions): Runner {
  const pool = startPool(options);
  const held = new Map<number, Held>();
  const faultOf = createFaultPlan(options.faults);
  const keepAlive = createKeepAlive();
  const stop = new SharedArrayBuffer(4);
  /** Tasks inside onnxruntime: terminating their threads would take the process down. */
  const unkillable = new Set<Promise<unknown>>();
  let retired: readonly string[] = [];
  let closing: Promise<void> | undefined;
  const context: RetryContext = {
    closed: () => closing !== undefined,
    alive: () => pool.threads.length > 0,
    onWorkerCrash: options.onWorkerCrash,
  };
  const send = async (backend: BackendChoice, task: Task): Promise<unknown> => {
    const message: Envelope = { backend, retired: [...retired], stop, fault: faultOf(task.kind), task };
    const work = pool.run(message);
    if (backend.startsWith('onnx')) remember(unkillable, work);
    const reply = replySchema.parse(await work);
    held.set(reply.held.thread, reply.held);
    if (!reply.ok) throw errorOf(reply.error, task.kind);
    return reply.value;
  };
  return {
    async run(backend, task) {
      const work = withRetries(task.kind, () => send(backend, task), context);
      return answerOf(task, await keepAlive.during(work));
    },
    retire(key) {
      retired = [...retired, key].slice(-RETIRED_KEPT);
    },
    held() {
      const living = new Set(pool.threads.map((thread) => thread.threadId));
      return [...held.values()].filter(({ thread }) => living.has(thread));
    },
    threadIds: () => pool.threads.map((thread) => thread.threadId),
    async kill(index) {
      await pool.threads[index]?.terminate();
    },
    close() {
      closing ??= endOf(pool, new Int32Array(stop), unkillable);
      return closing;
    },
  };
}
