/**
 * The one place where order is made. Roles and addressees never call each other: what they say is queued here, stamped,
 * appended to the log, then delivered to one mailbox at a time.
 *
 * Determinism boundary: there is one await per turn (a hold aside, which lets time pass and nothing else), and its winner is on
 * the log. Jobs (all that is not a pure function
 * of the log: the model, the worlds, the scorers) are started only when the queue is empty, and their answers are
 * delivered in the order in which the jobs were started, never in the order in which workers finish. So the log is the
 * same, line by line but for times, for any number of workers. What may come in between, when nothing waits, are messages
 * from outside: crash notes, training progress, a person's pause.
 */
import type { Delivery, Queued, Running } from '../src/log/delivery.js';
import type { LogWriter } from '../src/log/writer.js';
import { SoliloquyError } from '../src/protocol/errors.js';
import {
  type Address,
  type Envelope,
  FORMAT_VERSION,
  type MessageType,
  type Outgoing,
} from '../src/protocol/messages.js';
import type { Answer, Clock } from '../src/protocol/ports.js';

/** Where a run goes on: as a fold of its log left it. */
export interface Start {
  readonly seq: number;
  /** The oldest job was answered in part. */
  readonly midJob: boolean;
  readonly paused: boolean;
  /** Stamped before all else: what makes the log's next part another one. */
  readonly seam: Outgoing | null;
}

export const FRESH: Start = { seq: 0, midJob: false, paused: false, seam: null };

export interface SequencerOptions {
  readonly log: LogWriter;
  readonly clock: Clock;
  readonly delivery: Delivery;
  /** Sees every envelope after it was appended, before it is delivered. */
  readonly publish: (envelope: Envelope) => void;
  /** The run is over when this is delivered. */
  readonly isLast: (type: MessageType) => boolean;
  /** Sees every envelope after its recipient took it. */
  readonly delivered?: (envelope: Envelope) => void;
  readonly start?: Start;
}

export interface Sequencer {
  /** Says something from outside the roles, as soon as nothing waits. Safe at any time. */
  interject(from: Address, outgoing: Outgoing, cause?: number): void;
  /** Runs until the last message, a stop, or a failure. */
  run(): Promise<'finished' | 'stopped'>;
  /** Ends `run` at the next turn; jobs under way are left to themselves. */
  stop(): void;
  /**
   * Lets no message pass until `release`, but one for each `step`. Jobs under way go on; their answers wait. Not on the log, and
   * without a trace in it: only time passes.
   */
  hold(): void;
  step(): void;
  release(): void;
  readonly held: boolean;
  readonly seq: number;
}

export function createSequencer(options: SequencerOptions): Sequencer {
  const { log, clock, delivery, publish, isLast, delivered, start = FRESH } = options;
  const { queue, running } = delivery;
  const outside: Queued[] = [];
  const answers = new Map<Running, Promise<readonly Answer[]>>();
  let { seq, paused } = start;
  let stopped = false;
  let finished = false;
  /** Messages that may pass. */
  let pass = Number.POSITIVE_INFINITY;
  let wake: () => void = () => {};

  const step = ({ from, to, cause, message: { type, body } }: Queued) => {
    const at = clock.now();
    const envelope: Envelope = { v: FORMAT_VERSION, seq: seq++, at, from, to, cause, type, body };
    log.append(envelope);
    publish(envelope);
    if (type === 'message.refused') throw refused(envelope.seq, body as Refusal);
    if (type === 'run.pause' && to === 'coordinator') paused = true;
    if (type === 'run.resume' && to === 'coordinator') paused = false;
    delivery.deliver(envelope);
    delivered?.(envelope);
    finished = isLast(type);
  };
  const isOver = () => finished || stopped;
  const drain = async () => {
    while (!isOver()) {
      if (pass <= 0) await atGate();
      else if (queue.length > 0) {
        pass--;
        step(queue.shift()!);
      } else return;
    }
  };
  /** What has passed stands on the log while the run is held. */
  const atGate = async () => {
    log.flush(clock.now());
    await new Promise<void>((resolve) => {
      wake = resolve;
    });
  };
  const begin = (jobs: readonly Running[]) => {
    for (const one of jobs) {
      const promise = one.job.start();
      promise.catch(() => {}); // seen when its turn comes
      answers.set(one, promise);
    }
  };
  /** Waits for the oldest job, or for something from outside. */
  const awaitNext = async () => {
    const said = outside.shift();
    if (said) {
      queue.push(said);
      return;
    }
    const [oldest] = running;
    if (!oldest && !paused)
      throw new SoliloquyError(
        'protocol.violation',
        `the run came to rest at seq ${seq - 1} with nothing under way`,
        { seq },
      );
    const woken = new Promise<undefined>((resolve) => {
      wake = () => resolve(undefined);
    });
    const given = await (oldest ? Promise.race([answers.get(oldest)!, woken]) : woken);
    if (!given || stopped) return;
    answers.delete(oldest!);
    delivery.conclude(given);
  };
  /** Where the log was cut: its seam, what was under way, the rest of a job that had begun to answer. */
  const goOn = async () => {
    if (start.seam) step({ ...start.seam, from: 'user', cause: -1 });
    log.flush(clock.now());
    begin(running);
    if (start.midJob) delivery.conclude(await answers.get(running[0]!)!);
  };
  return {
    interject(from, outgoing, cause = -1) {
      outside.push({ ...outgoing, from, cause });
      wake();
    },
    async run() {
      await goOn();
      for (;;) {
        await drain();
        if (isOver()) break;
        log.flush(clock.now());
        begin(delivery.rest());
        await awaitNext();
      }
      log.sync();
      return finished ? 'finished' : 'stopped';
    },
    stop() {
      stopped = true;
      wake();
    },
    hold() {
      pass = 0;
    },
    step() {
      pass = 1;
      wake();
    },
    release() {
      pass = Number.POSITIVE_INFINITY;
      wake();
    },
    get held() {
      return pass !== Number.POSITIVE_INFINITY;
    },
    get seq() {
      return seq;
    },
  };
}

interface Refusal {
  readonly by: string;
  readonly state: string;
  readonly type: string;
}

const refused = (seq: number, body: Refusal) =>
  new SoliloquyError(
    'protocol.violation',
    `seq ${seq}: ${body.by} in state ${body.state} can't take ${body.type}`,
    { seq, ...body },
  );
