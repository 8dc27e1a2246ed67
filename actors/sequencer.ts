/**
 * The one place where order is made. Roles and addressees never call each other: what they say is queued here, stamped,
 * appended to the log, then delivered to one mailbox at a time.
 *
 * Determinism boundary: there is one await per turn, and its winner is on the log. Jobs (all that is not a pure function
 * of the log: the model, the worlds, the scorers) are started only when the queue is empty, and their answers are
 * delivered in the order in which the jobs were started, never in the order in which workers finish. So the log is the
 * same, line by line but for times, for any number of workers. What may come in between are interjections: crash notes,
 * training progress, a person's pause.
 */
import type { LogWriter } from '../src/log/writer.js';
import { SoliloquyError } from '../src/protocol/errors.js';
import {
  type Address,
  type Envelope,
  FORMAT_VERSION,
  type Message,
  type Outgoing,
  type Received,
} from '../src/protocol/messages.js';
import type { Addressee, Answer, Clock, Job } from '../src/protocol/ports.js';

/** A role: a pure machine that turns a message into messages. */
export interface Role {
  receive(message: Received): readonly Outgoing[];
}

export interface SequencerOptions {
  readonly log: LogWriter;
  readonly clock: Clock;
  readonly role: (address: Address) => Role | undefined;
  readonly addressee: (address: Address) => Addressee | undefined;
  readonly addressees: readonly Addressee[];
  /** Sees every envelope after it was appended. */
  readonly publish: (envelope: Envelope) => void;
  /** The run is over when this is delivered. */
  readonly isLast: (message: Message) => boolean;
}

interface Queued extends Answer {
  readonly from: Address;
}

interface Running {
  readonly from: Address;
  readonly job: Job;
}

export interface Sequencer {
  /** Queues a message from outside the roles. Safe at any time. */
  interject(from: Address, outgoing: Outgoing, cause?: number): void;
  /** Runs until the last message, a stop, or a failure. */
  run(): Promise<'finished' | 'stopped'>;
  /** Ends `run` at the next turn; jobs under way are left to themselves. */
  stop(): void;
  readonly seq: number;
}

export function createSequencer(options: SequencerOptions): Sequencer {
  const queue: Queued[] = [];
  const running: Running[] = [];
  let seq = 0;
  let stopped = false;
  let finished = false;
  let wake: () => void = () => {};

  const deliver = (envelope: Envelope) => {
    const message = { type: envelope.type, body: envelope.body, seq: envelope.seq } as Received;
    const role = options.role(envelope.to);
    if (role)
      for (const said of role.receive(message))
        queue.push({ ...said, from: envelope.to, cause: envelope.seq });
    else options.addressee(envelope.to)?.accept(envelope);
  };
  const step = (next: Queued) => {
    const { from, to, cause, message } = next;
    const envelope: Envelope = {
      v: FORMAT_VERSION,
      seq: seq++,
      at: options.clock.now(),
      from,
      to,
      cause,
      type: message.type,
      body: message.body,
    };
    options.log.append(envelope);
    options.publish(envelope);
    if (message.type === 'message.refused') throw refused(envelope.seq, message.body);
    deliver(envelope);
    finished = options.isLast(message);
  };
  const drain = () => {
    while (queue.length > 0 && !finished && !stopped) step(queue.shift()!);
  };
  const startJobs = () => {
    for (const addressee of options.addressees)
      for (const job of addressee.startJobs()) {
        job.answers.catch(() => {}); // seen when its turn comes
        running.push({ from: addressee.address, job });
      }
  };
  const awaitHead = async () => {
    const head = running[0];
    if (!head)
      throw new SoliloquyError(
        'protocol.violation',
        `the run came to rest at seq ${seq - 1} with nothing under way`,
        { seq },
      );
    const woken = new Promise<undefined>((resolve) => {
      wake = () => resolve(undefined);
    });
    const answers = await Promise.race([head.job.answers, woken]);
    if (!answers || stopped) return;
    running.shift();
    head.job.delivered?.();
    for (const answer of answers) queue.push({ ...answer, from: head.from });
  };
  return {
    interject(from, outgoing, cause = -1) {
      queue.push({ ...outgoing, from, cause });
      wake();
    },
    async run() {
      for (;;) {
        drain();
        if (finished || stopped) break;
        options.log.flush();
        startJobs();
        await awaitHead();
      }
      options.log.sync();
      return finished ? 'finished' : 'stopped';
    },
    stop() {
      stopped = true;
      wake();
    },
    get seq() {
      return seq;
    },
  };
}

const refused = (seq: number, body: { by: string; state: string; type: string }) =>
  new SoliloquyError(
    'protocol.violation',
    `seq ${seq}: ${body.by} in state ${body.state} can't take ${body.type}`,
    { seq, ...body },
  );
