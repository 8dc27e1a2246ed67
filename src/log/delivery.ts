/**
 * Where messages are between being said and being answered: the queue of what was said and not yet delivered, and the jobs that
 * addressees have decided on. Live run and replay share it, so both are in the same state after the same messages. It starts no
 * job, writes nothing, knows no clock.
 */
import type { Address, Envelope, Message, Received } from '../protocol/messages.js';
import type { Addressee, Answer, Job, Role } from '../protocol/ports.js';

/** Said, not yet delivered. */
export interface Queued extends Answer {
  readonly from: Address;
}

/** A job that was decided on and whose answers aren't all delivered. */
export interface Running {
  readonly from: Address;
  readonly job: Job;
  /** Seqs that it must still answer for good → who asked. */
  readonly open: Map<number, Address>;
  /** Answers that are delivered. */
  delivered: number;
}

export interface Cast {
  readonly role: (address: Address) => Role | undefined;
  readonly addressees: readonly Addressee[];
  /** Who is written to for the first time and wasn't there from the start; undefined: nobody. */
  readonly arriving?: (address: Address) => Addressee | undefined;
  /** Facts that were changed by hand are changed here, before anybody sees them. */
  readonly patch: (message: Message) => Message;
}

export interface Delivery {
  /** The oldest first. */
  readonly queue: Queued[];
  /** In the order in which they were decided on: that is the order of their answers. */
  readonly running: Running[];
  /** Hands the message to its mailbox; what that says in turn is queued. */
  deliver(envelope: Envelope): void;
  /** To be called when no message waits: lets addressees decide on jobs. Gives the new ones. */
  rest(): readonly Running[];
  /** Queues the remaining answers of the oldest job, which is then over. */
  conclude(answers: readonly Answer[]): void;
  /** Counts a delivered answer of the oldest job; true if it was its last. */
  answered(to: Address, cause: number): boolean;
}

export function createDelivery({ role, addressees: first, arriving, patch }: Cast): Delivery {
  const queue: Queued[] = [];
  const running: Running[] = [];
  /** Requests that no answer has closed. */
  const asked = new Map<number, Address>();
  /** In the order of their coming, which is the log's. */
  const addressees = [...first];
  const addresseeAt = (address: Address): Addressee | undefined => {
    const known = addressees.find((one) => one.address === address) ?? arriving?.(address);
    if (known && !addressees.includes(known)) addressees.push(known);
    return known;
  };

  const closeOldest = (): void => {
    const { job } = running.shift()!;
    for (const cause of job.causes) asked.delete(cause);
    job.delivered?.();
  };
  return {
    queue,
    running,
    deliver(envelope) {
      const { to, seq, from, type, body } = envelope;
      const actor = role(to);
      if (actor) {
        for (const said of actor.receive({ type, body, seq } as Received))
          queue.push({ to: said.to, message: patch(said.message), from: to, cause: seq });
        return;
      }
      const addressee = addresseeAt(to);
      if (!addressee) return;
      asked.set(seq, from);
      addressee.accept(envelope);
    },
    rest() {
      const begun = addressees.flatMap(({ address, nextJobs }) =>
        nextJobs().map((job): Running => {
          const open = new Map(job.causes.map((cause) => [cause, asked.get(cause)!]));
          return { from: address, job, open, delivered: 0 };
        }),
      );
      running.push(...begun);
      return begun;
    },
    conclude(answers) {
      const { from, delivered } = running[0]!;
      const left = answers.slice(delivered).map(({ to, message, cause }) => ({
        to,
        message: patch(message),
        from,
        cause,
      }));
      // Before what its first answers have led to, if a run goes on in their midst.
      queue.unshift(...left);
      closeOldest();
    },
    answered(to, cause) {
      const oldest = running[0]!;
      oldest.delivered++;
      if (oldest.open.get(cause) === to) oldest.open.delete(cause);
      if (oldest.open.size > 0) return false;
      closeOldest();
      return true;
    },
  };
}
